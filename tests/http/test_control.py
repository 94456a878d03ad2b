"""Ending a job, and taking an agent off what it holds."""

from tests.http.edge import Edge


async def test_a_cancelled_job_ends_its_issue_and_cannot_be_cancelled_again(edge: Edge) -> None:
    """R2-18"""
    await edge.approve(1)
    job = (await edge.post("/api/assignments/claim", {"agentId": "a"}))[1]["jobId"]
    assert await edge.post(f"/api/jobs/{job}/cancel", {"reason": "no need"}) == (200, {"jobId": job, "status": "cancelled"})
    assert (await edge.post(f"/api/jobs/{job}/cancel"))[0] == 400
    assert (await edge.post("/api/jobs/ir-00000000/cancel"))[0] == 404
    shown = (await edge.get(f"/api/jobs/{job}"))[1]
    assert (shown["phase"], shown["status"], shown["failedReason"]) == ("Cancelled", "cancelled", "no need")


async def test_a_released_agent_loses_all_that_it_holds_and_its_issues_are_queued_again(edge: Edge) -> None:
    await edge.approve(1, 2, 3)
    for agent in ("a", "a", "b"):
        await edge.post("/api/assignments/claim", {"agentId": agent})
    released = await edge.post("/api/v1/agents/a/release")
    assert released == (200, {"agentId": "a", "released": ["acme/web#1", "acme/web#2"]})
    assert [row["issue"]["number"] for row in (await edge.get("/api/queue"))[1]] == [1, 2]
    assert (await edge.post("/api/v1/agents/a/release"))[0] == 409
    assert (await edge.post("/api/v1/agents/nobody/release"))[0] == 404
