"""Rows as answers: names, letter case, money, times."""

import msgspec

from rig.model.events import Event
from rig.model.rows import AgentRow, ExecutionRow, IssueRow, Tokens
from rig.wire import views


def shown(shape: object) -> dict[str, object]:
    found: dict[str, object] = msgspec.json.decode(msgspec.json.encode(shape))
    return found


def test_money_is_rounded_once_to_six_places() -> None:
    """6.3, R0-52: the seed's example is 0.23167275 dollars before rounding."""
    row = IssueRow(stream="a/b#1", cost=231_672_750_000)
    assert shown(views.issue(row))["totalCostUsd"] == 0.231673


def test_an_agent_is_online_for_two_minutes() -> None:
    """R0-34."""
    row = AgentRow(id="a", last_heartbeat=0)
    assert views.agent(row, 120_000_000).is_online
    assert not views.agent(row, 120_000_001).is_online
    assert not views.agent(AgentRow(id="a"), 0).is_online


def test_an_execution_has_the_names_of_the_seed() -> None:
    row = ExecutionRow(id="x", repo="a/b", number=42, agent="a", started_at=0, completed_at=720_000_000, status="completed")
    seed = "id repo issueNumber prNumber agentId status startedAt completedAt durationSeconds totalCostUsd totalTurns model stepCount logCount"
    answer = shown(views.execution(row))
    assert set(seed.split()) <= set(answer)
    assert answer["durationSeconds"] == 720


def test_a_cancelled_issue_reads_failed_and_cancelled() -> None:
    answer = shown(views.issue(IssueRow(stream="a/b#1", state="cancelled", tokens=Tokens(1, 2, 3, 4))))
    assert (answer["state"], answer["cancelled"]) == ("failed", True)
    assert answer["tokens"] == {"inputTokens": 1, "outputTokens": 2, "cacheReadTokens": 3, "cacheCreationTokens": 4}


def test_an_erased_body_reads_null_everywhere() -> None:
    event = Event(1, "default", 1, 'a"\n/b#1', 1, "merged", "i", 0, "p", "o", "t", b"{}", b"", b"", b"")
    assert shown(views.stream_event(event))["data"] is None
    frame = views.frame(event)
    assert frame.count(b"\n") == 4
    assert msgspec.json.decode(frame.split(b"data: ")[1])["streamId"] == 'a"\n/b#1'
