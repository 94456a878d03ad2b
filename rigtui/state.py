"""What the dashboard knows, and what every change makes of it. Pure: no Textual, no clock, no network.

Rows come twice: whole lists with the sequence as of which they were read, and changed rows with the sequence that changed
them. A row is never replaced by an older one, whichever way it comes (architecture §9).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

View = Literal["issues", "queue", "agents", "attention"]
VIEWS: tuple[View, ...] = ("issues", "queue", "agents", "attention")
Phase = Literal["connecting", "live", "behind", "disconnected"]
ENDED = frozenset({"done", "failed"})
LATE = 2.0
"""Seconds of waiting for an answer from which on the dashboard says that it is behind."""
KEPT = 200
"""Ended issues that stay on the screen; the oldest go first."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A row and the sequence as of which it is known; ``row`` None says that it is gone."""

    row: Any
    sequence: int


@dataclass(frozen=True, slots=True)
class Connection:
    """How the dashboard stands to its daemon."""

    phase: Literal["connecting", "live", "disconnected"] = "connecting"
    reason: str = ""
    """What went wrong last; empty when nothing did."""
    lag: float | None = None
    """Seconds that the daemon took for its last answer; None before the first."""
    again: float = 0.0
    """Seconds after which it is tried again; 0 while connected."""


@dataclass(frozen=True, slots=True)
class State:
    """Everything that screens show of the fleet."""

    connection: Connection = Connection()
    issues: Mapping[str, Entry] = field(default_factory=dict)
    agents: Mapping[str, Entry] = field(default_factory=dict)
    attention: Mapping[str, Entry] = field(default_factory=dict)
    queue: tuple[str, ...] = ()
    """Issues that may be handed out, in that order."""
    whole: bool = True
    """Whether ``issues`` are all; False where the list was longer than the window."""
    spent: float | None = None
    """Dollars counted today; None where the daemon does not say."""
    sequence: int = 0
    """Newest sequence seen."""
    stale: Mapping[View, int] = field(default_factory=dict)
    """Lists that must be read again, as of this sequence or later."""
    read: frozenset[View] = frozenset()
    """Lists that were read at least once."""
    missed: frozenset[View] = frozenset()
    """Those stale ones of which the stream left changes out: until then they show what was."""

    @property
    def phase(self) -> Phase:
        """How the dashboard stands: what it shows is the present only when ``live``."""
        connection = self.connection
        if connection.phase == "live" and (self.missed or (connection.lag or 0) >= LATE):
            return "behind"
        return connection.phase

    def issue(self, key: str) -> Any:
        """The row of an issue, None when it is not known."""
        entry = self.issues.get(key)
        return None if entry is None else entry.row


@dataclass(frozen=True, slots=True)
class Listed:
    """A list was read. ``rows`` by key in the list's order; ``as_of`` the sequence as of which."""

    view: View
    rows: Mapping[str, Any]
    as_of: int
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Changed:
    """A row changed; None when it is gone."""

    view: View
    key: str
    row: Any
    sequence: int


@dataclass(frozen=True, slots=True)
class Missed:
    """The stream left out what changed in these lists up to a sequence."""

    views: tuple[View, ...]
    sequence: int


@dataclass(frozen=True, slots=True)
class Spent:
    """Today's dollars were read."""

    usd: float | None


Change = Listed | Changed | Missed | Spent | Connection


def reduce(state: State, changes: Iterable[Change]) -> State:
    """The state after ``changes``, in their order. Costs one copy of each table that they touch, however many they are."""
    draft = _Draft(state)
    for change in changes:
        match change:
            case Changed():
                draft.changed(change)
            case Listed():
                draft.listed(change)
            case Missed():
                for view in change.views:
                    draft.outdated(view, change.sequence)
                draft.missed.update(change.views)
            case Spent():
                draft.spent = change.usd
            case Connection():
                draft.connection = change
    return draft.state()


def summoned(before: State, after: State) -> bool:
    """Whether somebody began to wait for a person between the two: then the terminal rings.

    What waited before the dashboard was opened does not ring; what began to wait while it was disconnected does, once.
    """
    if "attention" not in before.read:
        return False

    def waiting(state: State) -> set[str]:
        return {key for key, entry in state.attention.items() if entry.row is not None}

    return before.attention is not after.attention and bool(waiting(after) - waiting(before))


class _Draft:
    """A state being changed; tables are copied when they are first touched."""

    def __init__(self, state: State) -> None:
        self._from = state
        self._tables: dict[str, dict[str, Entry]] = {}
        self.queue = state.queue
        self.stale: dict[View, int] = dict(state.stale)
        self.missed: set[View] = set(state.missed)
        self.read = state.read
        self.sequence = state.sequence
        self.whole = state.whole
        self.spent = state.spent
        self.connection = state.connection

    def _table(self, view: View) -> dict[str, Entry]:
        found = self._tables.get(view)
        if found is None:
            found = self._tables[view] = dict(getattr(self._from, view))
        return found

    def outdated(self, view: View, sequence: int) -> None:
        """A list is to be read again, and not as of before ``sequence``."""
        self.stale[view] = max(self.stale.get(view, 0), sequence)

    def changed(self, change: Changed) -> None:
        self.sequence = max(self.sequence, change.sequence)
        if change.view == "queue":
            if change.row is not None:
                self.outdated("queue", change.sequence)  # only the list knows its place
            elif change.key in self.queue:
                self.queue = tuple(key for key in self.queue if key != change.key)
            return
        table = self._table(change.view)
        known = table.get(change.key)
        if known is not None and known.sequence >= change.sequence:
            return
        if known is None and change.view == "issues" and not self.whole and change.row is not None:
            self.outdated("issues", change.sequence)  # whether it is in the window only the list knows
            return
        table[change.key] = Entry(change.row, change.sequence)

    def listed(self, listed: Listed) -> None:
        self.sequence = max(self.sequence, listed.as_of)
        self.read |= {listed.view}
        if listed.as_of >= self.stale.get(listed.view, 0):
            self.stale.pop(listed.view, None)
            self.missed.discard(listed.view)
        if listed.view == "queue":
            self.queue = tuple(listed.rows)
            return
        table = self._table(listed.view)
        fresh = {key: Entry(row, listed.as_of) for key, row in listed.rows.items()}
        for key, entry in table.items():
            ended = listed.view == "issues" and entry.row is not None and entry.row.state in ENDED
            newer = entry.sequence > listed.as_of
            if newer or (ended and key not in fresh and not listed.whole):
                fresh[key] = entry
        if listed.view == "issues":
            self.whole = listed.whole
        self._tables[listed.view] = fresh

    def state(self) -> State:
        issues = self._tables.get("issues")
        if issues is not None and len(issues) > KEPT:
            _forget_ended(issues)
        return replace(
            self._from,
            connection=self.connection,
            queue=self.queue,
            whole=self.whole,
            spent=self.spent,
            sequence=self.sequence,
            stale=self.stale,
            missed=frozenset(self.missed),
            read=self.read,
            **self._tables,
        )


def _forget_ended(issues: dict[str, Entry]) -> None:
    """Take the oldest ended issues out of a table that holds more than ``KEPT`` of them."""
    ended = [(e.row.last_event_sequence, key) for key, e in issues.items() if e.row is not None and e.row.state in ENDED]
    for _, key in sorted(ended)[: max(len(ended) - KEPT, 0)]:
        del issues[key]
