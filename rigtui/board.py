"""The Queue screen's rows: which issues, in which order, with which cells. Pure."""

from collections.abc import Sequence

from rig.wire.shapes.answers import Issue
from rigtui.filtering import Filter
from rigtui.state import State
from rigtui.text import plain
from rigtui.widgets.lines import Span
from rigtui.widgets.table import Column
from rigtui.words import NAMES, ORDER, PRIORITIES, SIGNS, TONES, age, count, fields, state_of, total, usd

COLUMNS = (
    Column("STATE", 11),
    Column("ISSUE", 10, keep_end=True, wide=22),
    Column("TITLE"),
    Column("PRI", 4),
    Column("AGE", 4, right=True),
    Column("AGENT", 7, wide=10),
    Column("PR", 6, right=True, above=130),
    Column("WHY", 26, above=150),
    Column("TRY", 3, right=True, above=100),
    Column("TOKENS", 6, right=True),
    Column("COST", 7, right=True),
)
_PLACE = {word: place for place, word in enumerate(ORDER)}
_RANK = {"critical": 0, "high": 1, "normal": 2, "low": 3}


def asking(state: State) -> frozenset[str]:
    """Issues with an open question."""
    return frozenset(entry.row.subject for entry in state.attention.values() if entry.row is not None)


def keys(state: State, wanted: Filter) -> list[str]:
    """Issues in the order of the screen: what wants a human first, then work, then what waits in its order, then what ended."""
    asks = asking(state)
    place = {key: index for index, key in enumerate(state.queue)}
    last = len(place)
    found: list[tuple[tuple[int, int, int, int, str], str]] = []
    for key, entry in state.issues.items():
        row: Issue | None = entry.row
        if row is None:
            continue
        shown = state_of(row, key in asks)
        if wanted and not wanted(fields(row, shown)):
            continue
        waits = shown == "queued"
        order = (
            _PLACE[shown],
            place.get(key, last) if waits else 0,
            _RANK.get(row.priority, 2) if waits else 0,
            row.last_event_sequence if waits else -row.last_event_sequence if row.state in ("done", "failed") else 0,
            key,
        )
        found.append((order, key))
    found.sort()
    return [key for _, key in found]


def cells(state: State, key: str, now: float, asks: frozenset[str] = frozenset()) -> Sequence[Span]:
    """A row's cells, one a column."""
    row: Issue | None = state.issue(key)
    if row is None:
        return tuple(("", "text") for _ in COLUMNS)
    shown = state_of(row, key in asks)
    tone = TONES[shown]
    ended = row.state in ("done", "failed")
    priority, loud = PRIORITIES.get(row.priority, (plain(row.priority, 4), "muted"))
    tokens = total(row.tokens)
    since = row.updated_at if ended else row.queued_at or row.created_at
    return (
        (f"{SIGNS[shown]} {NAMES.get(shown, shown)}{_place(state, key) if shown == 'queued' else ''}", tone),
        (plain(row.identifier, 200), "muted" if ended else "text"),
        (plain(row.title, 400), "muted" if ended else "text"),
        (priority, "faint" if ended else loud),
        (age(since, now), "muted"),
        (plain(row.assigned_agent, 100), "faint" if ended else "text"),
        (f"#{row.pr_number}" if row.pr_number else "", "notice"),
        (plain(row.reason, 200), "warn" if row.state == "queued" else "muted"),
        (str(row.attempt) if row.attempt > 1 else "", "warn"),
        (count(tokens) if tokens else "", "muted"),
        (usd(row.total_cost_usd) if tokens or row.total_cost_usd else "", "muted" if ended else "text"),
    )


def _place(state: State, key: str) -> str:
    """Place in the waiting order from 1; a dash for what waits but may not be handed out yet."""
    return f" {state.queue.index(key) + 1}" if key in state.queue else " –"
