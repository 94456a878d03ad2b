"""What a tracker's page causes is looked up in a few statements, however much the tracker has ever told of."""

import random
from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import Any

import pytest

from rig.clock import ManualClock
from rig.ids import DEFAULT_TENANT, SeededIds
from rig.model import facts
from rig.model.events import NewEvent, encode
from rig.model.rows import TrackedRow
from rig.model.states import WAITING, WORKING
from rig.model.tables import ISSUES, TRACKED, Query
from rig.model.tracking import Rules, TrackedIssue
from rig.reactors.tracked import decide, missing, open_rows
from rig.store.log import Log
from rig.store.memory import open_memory
from rig.store.port import Snapshot
from rig.store.units import Unit

MANY = 700
PHASES = ("active", "inactive", "done", "cancelled", "gone")
STATES: Mapping[str, tuple[str, ...]] = {
    "queued": ("ISSUE_APPROVED",),
    "in_progress": ("ISSUE_APPROVED", "WORK_STARTED"),
    "in_review": ("ISSUE_APPROVED", "PR_CREATED"),
    "done": ("ISSUE_APPROVED", "ISSUE_DONE"),
    "unknown": (),
}


class Counting:
    """A snapshot that counts what is asked of it."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        self.asked += 1
        return getattr(self._snapshot, name)


def entry(number: int, phase: str) -> dict[str, Any]:
    stream = f"acme/app#{number}"
    return {
        "id": f"{number:04}",
        "stream": stream,
        "state": "",
        "phase": phase,
        "why": "",
        "hold": False,
        "fields": {},
        "version": "",
    }


def told(tracker: str, number: int, phase: str, types: tuple[str, ...]) -> Unit:
    """What happened to an issue, and what a tracker has told of it."""
    about = {"repo": "acme/app", "issueNumber": number, "agentId": "dev-1"}
    happened = [facts.parse({"type": type_, **about}) for type_ in types]
    polled = {"tracker": tracker, "issues": [entry(number, phase)]}
    events = (NewEvent(fact.stream, fact.type.name, encode(fact.body)) for fact in happened)
    return Unit(DEFAULT_TENANT, (*events, NewEvent("trackers", "tracker_polled", encode(polled))))


@pytest.fixture
async def store() -> AsyncIterator[Log]:
    made, chance = open_memory(clock=ManualClock(), ids=SeededIds(3)), random.Random(7)
    states = chance.choices([*STATES], [2, 1, 1, 10, 1], k=MANY)
    await made.commit_many(
        [
            told(chance.choice(["board", "board", "other"]), number, chance.choice(PHASES), STATES[state])
            for number, state in enumerate(states, 1)
        ]
    )
    yield made
    await made.close()


def rows_of(snapshot: Snapshot, tracker: str) -> list[TrackedRow]:
    everything = snapshot.page(Query(TRACKED, DEFAULT_TENANT, limit=10 * MANY))
    return [row for _, row in everything if row.tracker == tracker]


def is_open(snapshot: Snapshot, row: TrackedRow) -> bool:
    issue = snapshot.get(ISSUES, DEFAULT_TENANT, row.stream)
    return issue is not None and issue.state in WAITING | WORKING and row.phase != "gone"


@pytest.mark.parametrize("after", ["", "0100", "0699"])
@pytest.mark.parametrize("tracker", ["board", "other", "absent"])
async def test_open_rows_are_the_next_ones_whose_issues_are_open(store: Log, tracker: str, after: str) -> None:
    with store.snapshot() as snapshot:
        counting: Any = Counting(snapshot)
        found = open_rows(counting, tracker, after, 25)
        assert found == [row for row in rows_of(snapshot, tracker) if row.id > after and is_open(snapshot, row)][:25]
    assert counting.asked <= 3


async def test_what_is_missing_is_all_that_is_neither_shown_nor_gone(store: Log) -> None:
    with store.snapshot() as snapshot:
        counting: Any = Counting(snapshot)
        shown = dict.fromkeys(f"{number:04}" for number in range(1, MANY, 2))
        found = missing(counting, "board", shown)
        assert found == [row for row in rows_of(snapshot, "board") if row.phase != "gone" and row.id not in shown]
    assert counting.asked <= 5


async def test_a_page_without_news_is_judged_in_two_statements(store: Log) -> None:
    with store.snapshot() as snapshot:
        ended = [row for row in rows_of(snapshot, "board") if row.phase == "gone" and not is_open(snapshot, row)][:50]
        judged = partial(decide, tracker="board", rules=Rules(), as_of=snapshot.as_of(DEFAULT_TENANT))
        counting: Any = Counting(snapshot)
        unusable = TrackedIssue("9\ud800", "\ud800", "open", "active")
        found = judged(counting, issues=[*ended, unusable])
    assert len(ended) == 50
    assert (found.events, found.entries, [*found.faults]) == ([], [], [unusable.id])
    assert counting.asked == 2
