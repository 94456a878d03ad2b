"""Why an issue or a job is where it is: each reason with the event behind it."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from rig.model.call import Call
from rig.model.decide import issue as commands
from tests.http.edge import Edge

ISSUE = "acme/web#1"
PATH = "/api/v1/why/acme%2Fweb%231"


async def post(edge: Edge, type_: str, number: int = 1, **more: Any) -> int:
    """The sequence of a posted event."""
    status, _ = await edge.post("/api/events", {"type": type_, "repo": "acme/web", "issueNumber": number, **more})
    assert status == 200
    return newest(edge)


def newest(edge: Edge) -> int:
    with edge.store.snapshot() as snapshot:
        return snapshot.as_of("default")


async def why(edge: Edge, path: str = PATH) -> tuple[str, dict[str, tuple[str, int | None]]]:
    """State, and code to (text, sequence)."""
    async with edge.client.get(path) as response:
        assert response.status == 200
        assert response.headers["X-Rig-As-Of"] == str(newest(edge))
        body = await response.json()
    assert set(body) == {"state", "reasons"}
    assert all(set(reason) <= {"code", "text", "sequence"} for reason in body["reasons"])
    return body["state"], {r["code"]: (r["text"], r.get("sequence")) for r in body["reasons"]}


async def behind(edge: Edge) -> int:
    await post(edge, "ISSUE_APPROVED", 2, priority="high")
    return await post(edge, "ISSUE_APPROVED")


async def blocked_by(edge: Edge) -> int:
    return await post(edge, "ISSUE_APPROVED", dependsOn=[2, 3])


async def cycle(edge: Edge) -> int:
    await post(edge, "ISSUE_APPROVED", 2, dependsOn=[3])
    await post(edge, "ISSUE_APPROVED", 3, dependsOn=[1])
    return await post(edge, "ISSUE_APPROVED", dependsOn=[2])


async def held(edge: Edge) -> int:
    return await post(edge, "ISSUE_NEEDS_HUMAN", reason="not trusted")


async def retrying(edge: Edge) -> int:
    await post(edge, "ISSUE_APPROVED")
    _, claimed = await edge.post("/api/assignments/claim", {"agentId": "a"})
    await edge.post(f"/api/leases/{claimed['lease']['id']}/fail", {"agentId": "a", "fence": 1, "reason": "no disk"})
    return newest(edge)


async def handed_back(edge: Edge) -> int:
    await post(edge, "ISSUE_APPROVED")
    await post(edge, "ISSUE_ASSIGNED", agentId="a")
    return await post(edge, "AGENT_STUCK", agentId="a", reason="no idea")


async def leased(edge: Edge) -> int:
    await post(edge, "ISSUE_APPROVED")
    await edge.post("/api/assignments/claim", {"agentId": "ada"})
    return newest(edge)


async def pushed(edge: Edge) -> int:
    await post(edge, "ISSUE_APPROVED")
    return await post(edge, "ISSUE_ASSIGNED", agentId="ada")


async def started(edge: Edge) -> int:
    await leased(edge)
    return await post(edge, "WORK_STARTED", agentId="ada")


async def asking(edge: Edge) -> int:
    await post(edge, "ISSUE_APPROVED")
    _, claimed = await edge.post("/api/assignments/claim", {"agentId": "ada"})
    body = {"agentId": "ada", "fence": 1, "question": "Which?", "deadlineSeconds": 60}
    await edge.post(f"/api/leases/{claimed['lease']['id']}/questions", body)
    return newest(edge)


async def reviewing(edge: Edge) -> int:
    await post(edge, "ISSUE_APPROVED")
    return await post(edge, "PR_CREATED", prNumber=7, prUrl="https://example.invalid/7")


async def reviewed(edge: Edge) -> int:
    await reviewing(edge)
    await post(edge, "CI_PASSED", prNumber=7)
    return await post(edge, "REVIEW_PASSED", prNumber=7)


async def gated(edge: Edge) -> int:
    await reviewing(edge)
    return await post(edge, "HUMAN_GATE_TRIGGERED", reason="touches money")


async def deploying(edge: Edge) -> int:
    await reviewing(edge)
    return await post(edge, "MERGED", prNumber=7)


async def done(edge: Edge) -> int:
    await post(edge, "ISSUE_APPROVED")
    return await post(edge, "ISSUE_DONE")


async def failed(edge: Edge) -> int:
    await post(edge, "ISSUE_APPROVED")
    sequence = await post(edge, "ESCALATED", reason="three tries")
    await post(edge, "WORK_STARTED", agentId="late")  # which does not apply
    return sequence


async def cancelled(edge: Edge) -> int:
    await post(edge, "ISSUE_APPROVED")
    return await post(edge, "ISSUE_CANCELLED", reason="not wanted")


async def epic(edge: Edge) -> int:
    await post(edge, "ISSUE_APPROVED")
    await post(edge, "ISSUE_APPROVED", 2, parent=1)
    return await post(edge, "ISSUE_DONE")


@pytest.mark.parametrize(
    ("story", "state", "code", "says"),
    [
        (behind, "queued", "behind", "number 2 of 2 in the queue, with priority normal"),
        (blocked_by, "queued", "depends_on", "waits for acme/web#3, which is not known to Rig"),
        (cycle, "queued", "cycle", "acme/web#1 -> acme/web#2 -> acme/web#3 -> acme/web#1"),
        (held, "queued", "held", "held for a person (not trusted)"),
        (retrying, "retry_wait", "retry_wait", "WORK_FAILED"),
        (handed_back, "queued", "handed_back", "attempt 1 ended since"),
        (leased, "assigned", "lease", "with fence 1 until 2025-"),
        (pushed, "assigned", "assigned", "ada has it and has not begun, attempt 1"),
        (started, "in_progress", "in_progress", "ada works on it, attempt 1"),
        (asking, "blocked", "question", "ada asks until 2025-"),
        (reviewing, "in_review", "in_review", "pull request https://example.invalid/7"),
        (reviewed, "in_review", "review", "the review says passed"),
        (gated, "in_review", "gate", "touches money"),
        (deploying, "deploying", "deploying", "by MERGED"),
        (done, "done", "done", "by ISSUE_DONE"),
        (failed, "failed", "failed", "by ESCALATED: three tries"),
        (cancelled, "cancelled", "cancelled", "by ISSUE_CANCELLED: not wanted"),
        (epic, "queued", "refused", "the epic has 1 open sub-issue"),
    ],
)
async def test_every_state_says_what_keeps_it_with_the_event_behind_it(
    edge: Edge, story: Callable[[Edge], Awaitable[int]], state: str, code: str, says: str
) -> None:
    sequence = await story(edge)
    found, reasons = await why(edge)
    assert found == state
    assert says in reasons[code][0], reasons
    assert reasons[code][1] == sequence, reasons


async def test_what_came_after_and_changed_nothing_is_told_too(edge: Edge) -> None:
    await failed(edge)
    _, reasons = await why(edge)
    assert reasons["refused"] == (
        "an event came that changed nothing: work_started does not apply in state failed",
        newest(edge),
    )


async def test_the_next_one_says_why_nobody_takes_it(edge: Edge) -> None:
    await post(edge, "ISSUE_APPROVED")
    _, reasons = await why(edge)
    assert set(reasons) == {"next", "dispatch_off", "no_agents"}
    assert (await edge.post("/api/events", {"type": "HEARTBEAT", "agentId": "ada", "status": "idle"}))[0] == 200
    assert set((await why(edge))[1]) == {"next", "dispatch_off"}
    edge.clock.advance(200)
    assert "no_agents" in (await why(edge))[1]


async def test_an_epic_names_what_is_open(edge: Edge) -> None:
    await epic(edge)
    _, reasons = await why(edge)
    assert "acme/web#2" in reasons["open_sub_issues"][0]


async def test_what_waits_for_a_cycle_is_told_of_it(edge: Edge) -> None:
    await post(edge, "ISSUE_APPROVED", 2, dependsOn=[3])
    await post(edge, "ISSUE_APPROVED", 3, dependsOn=[2])
    await post(edge, "ISSUE_APPROVED", dependsOn=[2])
    _, reasons = await why(edge)
    assert "in a cycle: acme/web#2 -> acme/web#3 -> acme/web#2" in reasons["depends_on"][0]


async def test_a_job_says_what_keeps_the_issue_that_it_carries(edge: Edge) -> None:
    await started(edge)
    _, jobs = await edge.get("/api/jobs")
    job = jobs["jobs"][0]["id"]
    state, reasons = await why(edge, f"/api/v1/why/{job}")
    assert state == "in_progress"
    assert ISSUE in reasons["carries"][0]
    assert "ada works on it" in reasons["in_progress"][0]
    await edge.deps.system.ask("issue", Call(), ISSUE, commands.Abort(reason="enough"))
    state, reasons = await why(edge, f"/api/v1/why/{job}")
    assert (state, set(reasons)) == ("cancelled", {"cancelled"})
    assert "enough" in reasons["cancelled"][0]


async def test_what_is_unknown_is_404(edge: Edge) -> None:
    for key in ("acme%2Fweb%2399", "ir-00000000", "nothing"):
        assert (await edge.get(f"/api/v1/why/{key}"))[0] == 404
