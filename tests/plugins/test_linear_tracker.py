"""Linear's issues by its API: pages, limits, what states mean, and that they say what the webhooks say."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from rig import PollContext, TrackedIssue, TrackerPage, TrackerUnavailable
from rig_linear.config import LinearConfig
from rig_linear.tracker import LinearIssues
from tests.standins.linear import Linear


@pytest.fixture
def linear() -> Iterator[Linear]:
    with Linear() as server:
        yield server


def tracker(linear: Linear, **config: Any) -> LinearIssues:
    return LinearIssues(LinearConfig(**{"endpoint": linear.url, "api_key": SecretStr("lin_api_k"), **config}))


async def read(issues: LinearIssues, cursor: str = "") -> tuple[list[TrackedIssue], TrackerPage]:
    """Every page until there is no more."""
    found: list[TrackedIssue] = []
    while True:
        page = await issues.poll(PollContext(cursor=cursor))
        found += page.issues
        cursor = page.cursor
        if not page.more:
            return found, page


async def test_an_issue_is_read_with_its_blockers_and_its_parent(linear: Linear) -> None:
    def blocks(name: str, type_: str, relation: str = "blocks") -> dict[str, Any]:
        return {"type": relation, "issue": {"identifier": name, "state": {"type": type_}}}

    linear.put(
        7,
        description="Why.",
        priority=2,
        labels={"nodes": [{"name": "api"}]},
        parent={"identifier": "ENG-1"},
        inverseRelations={
            "nodes": [blocks("ENG-2", "started"), blocks("ENG-3", "completed"), blocks("ENG-4", "started", "related")]
        },
    )
    (one,), _ = await read(tracker(linear))
    assert (one.identifier, one.state, one.phase, one.priority, one.labels) == ("ENG-7", "Todo", "active", "high", ("api",))
    assert (one.depends_on, one.parent, one.description) == (("ENG-2",), "ENG-1", "Why.")
    assert linear.keys == {"lin_api_k"}


@pytest.mark.parametrize(
    ("fields", "phase"),
    [
        ({"state": {"name": "Todo", "type": "unstarted"}}, "active"),
        ({"state": {"name": "Backlog", "type": "backlog"}}, "inactive"),
        ({"state": {"name": "Done", "type": "completed"}}, "done"),
        ({"state": {"name": "Canceled", "type": "canceled"}}, "cancelled"),
        ({"state": {"name": "Duplicate", "type": "duplicate"}}, "cancelled"),
        ({"archivedAt": "2026-01-01T00:00:00.000Z"}, "cancelled"),
    ],
)
async def test_states_mean_what_they_mean_to_the_webhook(linear: Linear, fields: dict[str, Any], phase: str) -> None:
    linear.put(7)
    issues = tracker(linear)
    _, page = await read(issues)
    linear.put(7, **fields)
    (one,), _ = await read(issues, page.cursor)
    assert one.phase == phase


async def test_open_issues_come_first_then_what_changed_and_pages_skip_nothing(linear: Linear) -> None:
    for n in range(1, 121):
        linear.put(n)
    linear.put(200, state={"name": "Done", "type": "completed"})
    issues = tracker(linear, teams=("ENG",))
    first = await issues.poll(PollContext())
    assert (len(first.issues), first.more) == (50, True)
    linear.put(1, title="Changed meanwhile")
    rest, page = await read(issues, first.cursor)
    later, page = await read(issues, page.cursor)
    seen = {i.identifier for i in (*first.issues, *rest, *later)}
    assert seen - {"ENG-200"} == {f"ENG-{n}" for n in range(1, 121)}
    assert "ENG-200" not in {i.identifier for i in (*first.issues, *rest)}
    assert next(i.title for i in later if i.identifier == "ENG-1") == "Changed meanwhile"
    again, _ = await read(issues, page.cursor)
    assert [i.identifier for i in again] == ["ENG-1"]
    assert linear.asked[0]["filter"]["team"] == {"key": {"in": ["ENG"]}}


async def test_another_team_is_not_read(linear: Linear) -> None:
    linear.put(1)
    assert (await read(tracker(linear, teams=("OPS",))))[0] == []


async def test_what_is_fetched_is_there_or_left_out(linear: Linear) -> None:
    one = linear.put(1)
    gone = linear.put(2, archivedAt="2026-01-01T00:00:00.000Z")
    found = await tracker(linear).fetch([one["id"], gone["id"], "absent"])
    assert [i.id for i in found] == [one["id"]]


@pytest.mark.parametrize(
    ("kind", "left", "rests"), [("requests", 101, True), ("complexity", 5000, True), ("requests", 2000, False)]
)
async def test_it_stops_before_a_limit_is_used_up(linear: Linear, kind: str, left: int, rests: bool) -> None:
    linear.left[kind] = left
    page = await tracker(linear).poll(PollContext())
    assert (page.wait is not None and 899 <= page.wait <= 902) is rests


@pytest.mark.parametrize(
    ("status", "headers", "body", "text", "after"),
    [
        (
            400,
            {"X-RateLimit-Requests-Remaining": "0"},
            {"errors": [{"extensions": {"code": "RATELIMITED"}}]},
            "rate limit",
            901,
        ),
        (429, {"Retry-After": "9"}, {}, "rate limit", 9),
        (401, {}, {"errors": [{"extensions": {"code": "AUTHENTICATION_ERROR"}}]}, "does not accept the key", None),
        (400, {}, {"errors": [{"extensions": {"code": "GRAPHQL_VALIDATION_FAILED"}}]}, "graphql_validation_failed", None),
        (200, {}, {"data": None}, "no list of issues", None),
        (200, {}, [], "no list of issues", None),
        (502, {}, {}, "http 502", None),
    ],
)
async def test_a_refusal_says_when_to_ask_again(
    linear: Linear, status: int, headers: dict[str, str], body: Any, text: str, after: int | None
) -> None:
    linear.refuse = status, headers, body
    with pytest.raises(TrackerUnavailable, match=text) as caught:
        await tracker(linear).poll(PollContext())
    assert caught.value.retry_after in ((after, after + 1) if after else (after,))
    assert "lin_api_k" not in caught.value.message
