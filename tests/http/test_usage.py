"""GET /api/usage keeps what it has shown for as long as it holds: the answer is the same as one that is made anew."""

import asyncio
from functools import partial
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rig.errors import StorageUnavailable
from rig.http.usage import BESIDES, UsageAnswers
from rig.model import spend
from rig.model.tables import Where
from rig.store import ledger
from rig.store.port import Snapshot
from tests.http.edge import Edge, MakeEdge, open_edge

HOUR, DAY = 3600, 86_400
WINDOWS = (0, 1, 2, 30)
LINE = st.fixed_dictionaries(
    {"agentId": st.sampled_from(["a", "b", "c"]), "inputTokens": st.integers(0, 9)},
    optional={"repo": st.sampled_from(["o/x", "o/y"]), "tenantId": st.sampled_from(["acme", "Acme"])},
)
STEP = st.tuples(
    st.sampled_from([0, 1, HOUR, DAY - 1, DAY, 40 * DAY]),
    st.lists(LINE, max_size=4),
    st.lists(st.sampled_from(WINDOWS), max_size=3),
)


async def post(edge: Edge, line: dict[str, Any]) -> None:
    issue = {"issueNumber": 1} if "repo" in line else {}
    status, body = await edge.post("/api/events", {"type": "TOKEN_USAGE", "model": "m", **line, **issue})
    assert status == 200, body


async def anew(edge: Edge, days: int) -> Any:
    start = spend.start(edge.clock.now(), days) if days else None
    return msgspec.json.decode(await edge.store.read(lambda s: UsageAnswers().read(s, "default", days, start)))


@pytest.mark.rule("R0-47", "R0-51")
@settings(max_examples=60, deadline=None)
@given(st.lists(STEP, max_size=8), st.sampled_from([0, 700, 1 << 20]), st.sampled_from([0, 2, 1024]))
def test_what_is_kept_is_what_would_be_made_anew(
    steps: list[tuple[int, list[dict[str, Any]], list[int]]], limit: int, most: int
) -> None:
    """However the clock moves, lines come and windows are asked for, and however little may be kept."""

    async def run() -> None:
        async with open_edge(deps={"usage": UsageAnswers(limit, most)}) as edge:
            for pause, lines, asked in steps:
                edge.clock.advance(pause)
                for line in lines:
                    await post(edge, line)
                for days in asked:
                    _, shown = await edge.get(f"/api/usage?days={days}" if days else "/api/usage")
                    assert shown == await anew(edge, days)

    asyncio.run(run())


async def test_a_line_has_the_sums_of_its_agent_made_again_and_no_others(
    make_edge: MakeEdge, monkeypatch: pytest.MonkeyPatch
) -> None:
    edge = await make_edge()
    for agent in ("a", "b", "c"):
        await post(edge, {"agentId": agent, "inputTokens": 1})
    made: list[Any] = []
    by_repo = ledger.by_repo

    def counted(snapshot: Snapshot, tenant: str, start: int | None, where: Where) -> list[tuple[Any, ...]]:
        made.append(where)
        return by_repo(snapshot, tenant, start, where)

    monkeypatch.setattr(ledger, "by_repo", counted)
    for _ in range(3):
        assert len((await edge.get("/api/usage?days=2"))[1]) == 3
    assert made == [()]
    await post(edge, {"agentId": "b", "inputTokens": 5})
    assert [a["totalInputTokens"] for a in (await edge.get("/api/usage?days=2"))[1]] == [1, 6, 1]
    assert made[1:] == [(("agent", "in", ["b"]),)]
    edge.clock.advance(2 * DAY - HOUR)
    await edge.get("/api/usage?days=2")
    assert len(made) == 2, "nothing has left the window yet"
    edge.clock.advance(HOUR + 1)
    assert (await edge.get("/api/usage?days=2"))[1] == []
    assert made[2:] == [(("agent", "in", ["a", "b", "c"]),)]


async def test_the_windows_asked_for_longest_ago_are_forgotten(make_edge: MakeEdge) -> None:
    edge = await make_edge()
    await post(edge, {"agentId": "a", "inputTokens": 1})
    size = len(await edge.store.read(lambda s: UsageAnswers().read(s, "default", 1, None))) - 2 + 2 * BESIDES
    answers = UsageAnswers(2 * size)
    for days in (1, 2, 1, 3):
        await edge.store.read(partial(answers.read, tenant="default", days=days, start=None))
    assert [days for _, days in answers._windows] == [1, 3]
    assert answers._size == 2 * size
    for days in range(1, 100):
        await edge.store.read(partial(answers.read, tenant="empty", days=days, start=None))
    assert len(answers._windows) <= 2 * size / BESIDES, "windows that show nothing take memory too"


class Away:
    """A snapshot of a server that has just gone."""

    def page(self, query: Any) -> Any:
        raise StorageUnavailable


async def test_a_window_that_could_not_be_read_is_counted_no_longer(make_edge: MakeEdge) -> None:
    edge = await make_edge()
    await post(edge, {"agentId": "a", "inputTokens": 1})
    answers = UsageAnswers()
    read = partial(answers.read, tenant="default", days=0, start=None)
    await edge.store.read(read)
    size = answers._size
    with pytest.raises(StorageUnavailable):
        read(cast(Snapshot, Away()))
    assert answers._size == 0
    await edge.store.read(read)
    assert answers._size == size
