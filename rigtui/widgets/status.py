"""The two lines above every screen: where one is, how the connection stands, and the fleet in numbers."""

from textual.strip import Strip

from rigtui.state import State
from rigtui.text import fit, plain, width
from rigtui.widgets.lines import Lines, Span
from rigtui.words import SIGNS, count

PHASES = {
    "connecting": ("◌", "connecting", "warn"),
    "live": ("●", "live", "good"),
    "behind": ("◐", "behind", "warn"),
    "disconnected": ("✗", "disconnected", "bad"),
}
AT_WORK = ("assigned", "in_progress")
TOTALS = (
    ("queued", "queued", ("queued",), "muted"),
    ("in_progress", "working", AT_WORK, "accent"),
    ("in_review", "review", ("in_review", "deploying"), "notice"),
    ("failed", "failed", ("failed",), "bad"),
    ("done", "done", ("done",), "good"),
)


def where(state: State, url: str) -> list[Span]:
    """How the connection stands, in one phrase."""
    sign, word, tone = PHASES[state.phase]
    connection = state.connection
    said: list[Span] = [(f"{sign} {word}", tone)]
    if state.phase == "disconnected":
        said.append((f", again in {connection.again:g} s" if connection.again else "", tone))
    elif connection.lag is not None:
        said.append((f" {connection.lag * 1000:.0f} ms", "muted"))
    return [(plain(url).removeprefix("http://") + "  ", "muted"), *said]


def totals(state: State) -> list[Span]:
    """The fleet in numbers: issues by state, then agents."""
    numbers: dict[str, int] = {}
    for entry in state.issues.values():
        if entry.row is not None and not entry.row.cancelled:
            numbers[entry.row.state] = numbers.get(entry.row.state, 0) + 1
    said: list[Span] = []
    for sign, word, states, tone in TOTALS:
        number = sum(numbers.get(name, 0) for name in states)
        more = "+" if not state.whole and number >= 100 else ""
        said.append((f"{SIGNS[sign]} {count(number)}{more} {word}  ", tone if number else "faint"))
    return [*said, *agents(state)]


def agents(state: State) -> list[Span]:
    """Agents that hold work, and those besides that are online, which only agents with heartbeats are."""
    issues = [entry.row for entry in state.issues.values() if entry.row is not None]
    busy = {row.assigned_agent for row in issues if row.state in AT_WORK and row.assigned_agent is not None}
    online = {key for key, entry in state.agents.items() if entry.row is not None and entry.row.is_online} - busy
    if busy:
        said: list[Span] = [(f"{_agents(busy)} at work", "muted")]
        return [*said, (f", {len(online)} more online", "muted")] if online else said
    return [(f"{_agents(online)} online", "muted" if online else "faint")]


def _agents(some: set[str]) -> str:
    return f"{len(some)} agent{'' if len(some) == 1 else 's'}"


def asked(state: State) -> Span:
    """How much waits for a person: questions, approvals, failures."""
    number = sum(entry.row is not None for entry in state.attention.values())
    return (f"? {number} {'needs' if number == 1 else 'need'} you  ", "warn") if number else ("", "muted")


class Status(Lines, can_focus=False):
    """Draws both lines; ``show`` gives it what there is."""

    DEFAULT_CSS = "Status { height: 2; background: $panel; overflow: hidden; }"

    def __init__(self) -> None:
        super().__init__()
        self.path: tuple[str, ...] = ()
        """Names of the screens above this one and of itself."""
        self._state = State()
        self._url = ""
        self._strips: tuple[Strip, ...] = ()

    def show(self, state: State, url: str) -> None:
        """Redraw when something of it differs."""
        self._state, self._url = state, url
        self.refresh()

    def render_line(self, y: int) -> Strip:
        cells = self.size.width
        if y == 0:
            left: list[Span] = [(" rig", "accent"), *((f" › {name}", "text") for name in self.path)]
            right = where(self._state, self._url)
        elif self._state.phase == "disconnected":
            left, right = [(f" {plain(self._state.connection.reason, 300)}", "bad")], []
        else:
            left = [(" ", "text"), *totals(self._state)]
            spent = self._state.spent
            right = [asked(self._state), (f"${spent:,.2f} today" if spent is not None else "", "text")]
            while len(left) > 2 and sum(width(text) for text, _ in left + right) > cells - 3:
                left.pop(_least(left))
        room = cells - sum(width(text) for text, _ in right) - 1
        if room < 20:
            right, room = [], cells - 1
        used: list[Span] = []
        for text, tone in left:
            text = text if width(text) <= room else fit(text, room)
            used.append((text, tone))
            room -= width(text)
        return self.strip_of([*used, (" " * room, "text"), *right], cells)


def _least(said: list[Span]) -> int:
    """Index of what is missed least where there is no room for all: what is nothing, else what stands last."""
    return next((index for index in range(len(said) - 1, 0, -1) if said[index][1] == "faint"), len(said) - 1)
