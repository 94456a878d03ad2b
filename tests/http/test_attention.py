"""Questions, their answers, and everything else that waits for a person."""

import asyncio
from typing import Any
from urllib.parse import quote

import pytest

from rig.actors.timers import Timers
from rig.model.events import NewEvent, encode
from rig.model.tables import ISSUES, QUESTIONS
from rig.reactors.leases import handlers
from rig.store.units import Unit
from tests.http.edge import Edge, MakeEdge

ISSUE = "acme/web#42"


async def holder(edge: Edge, started: bool = True) -> dict[str, Any]:
    """The lease of agent ``a`` on an issue."""
    await edge.approve(42)
    status, body = await edge.post("/api/assignments/claim", {"agentId": "a"})
    assert status == 200
    if started:
        event = {"type": "WORK_STARTED", "repo": "acme/web", "issueNumber": 42, "agentId": "a"}
        assert (await edge.post("/api/events", event))[0] == 200
    lease: dict[str, Any] = body["lease"]
    return lease


async def asked(edge: Edge, lease: dict[str, Any], **more: Any) -> str:
    body = {"agentId": "a", "fence": lease["fence"], "question": "Drop the table?", **more}
    status, answer = await edge.post(f"/api/leases/{lease['id']}/questions", body)
    assert (status, set(answer)) == (201, {"questionId"})
    return str(answer["questionId"])


async def answer(edge: Edge, question: str, **body: Any) -> tuple[int, Any]:
    return await edge.post(f"/api/v1/questions/{quote(question, safe='')}/answer", body)


async def heartbeat(edge: Edge, lease: dict[str, Any], **more: Any) -> tuple[int, Any]:
    return await edge.post(f"/api/leases/{lease['id']}/heartbeat", {"agentId": "a", "fence": lease["fence"], **more})


def state(edge: Edge) -> str | None:
    row = edge.store.get(ISSUES, "default", ISSUE)
    return row.state if row is not None else None


async def attention(edge: Edge) -> list[dict[str, Any]]:
    async with edge.client.get("/api/v1/attention") as response:
        assert (response.status, response.headers["X-Rig-As-Of"].isdigit()) == (200, True)
        rows: list[dict[str, Any]] = await response.json()
        return rows


async def deadlines(edge: Edge) -> None:
    """Fire what is due, as the daemon's timers do."""
    await Timers(edge.store, edge.clock, handlers(edge.deps.system), grace=0).fire()  # type: ignore[arg-type]


@pytest.mark.parametrize(("started", "before"), [(True, "in_progress"), (False, "assigned")])
async def test_a_question_blocks_until_it_is_answered_and_the_agent_learns_the_answer(
    edge: Edge, started: bool, before: str
) -> None:
    lease = await holder(edge, started)
    question = await asked(edge, lease, options=["drop", "keep"])
    assert state(edge) == "blocked"
    assert (await edge.get("/api/issues?state=in_progress"))[1][0]["streamId"] == ISSUE
    (row,) = await attention(edge)
    assert row.keys() == {"id", "kind", "subject", "question", "options", "since", "deadline"}
    assert (row["id"], row["kind"], row["subject"], row["options"]) == (question, "question", ISSUE, ["drop", "keep"])
    assert (await heartbeat(edge, lease))[1]["messages"] == []
    status, body = await answer(edge, question, answer="Keep")
    assert (status, body["answer"], body["decision"], body["state"]) == (200, "keep", None, before)
    assert (state(edge), await attention(edge)) == (before, [])
    (message,) = (await heartbeat(edge, lease))[1]["messages"]
    assert (message["type"], message["questionId"], message["answer"]) == ("question_answered", question, "keep")
    assert (await heartbeat(edge, lease))[1]["messages"] == [message]  # until a later one says that it came
    assert (await heartbeat(edge, lease, after=message["id"]))[1]["messages"] == []
    assert (await answer(edge, question, answer="drop"))[0] == 409
    _, shown = await edge.get(f"/api/v1/questions/{question}")
    assert (shown["state"], shown["answer"], shown["answered_by"], shown["agent_id"]) == ("answered", "keep", "local", "a")


@pytest.mark.parametrize(
    ("options", "given", "status", "said"),
    [
        ([], {"answer": "as you like"}, 200, ("as you like", None)),
        ([], {"decision": "approve"}, 200, ("approve", "approve")),
        ([], {"answer": "deny"}, 200, ("deny", "deny")),
        (["Approve", "Deny"], {"decision": "deny"}, 200, ("Deny", "deny")),
        (["drop", "keep"], {"decision": "approve"}, 422, None),
        (["drop", "keep"], {"answer": "burn"}, 422, None),
        ([], {}, 400, None),
        ([], {"answer": "x", "decision": "deny"}, 400, None),
        ([], {"answer": ""}, 400, None),
        ([], {"decision": "perhaps"}, 400, None),
    ],
)
async def test_answers_are_taken_by_the_table(
    edge: Edge, options: list[str], given: dict[str, str], status: int, said: tuple[str, str | None] | None
) -> None:
    question = await asked(edge, await holder(edge), options=options)
    got, body = await answer(edge, question, **given)
    assert got == status
    if said is None:
        assert state(edge) == "blocked"
    else:
        assert (body["answer"], body["decision"]) == said


async def test_two_who_answer_at_once_do_not_both_win(edge: Edge) -> None:
    question = await asked(edge, await holder(edge))
    both = await asyncio.gather(answer(edge, question, answer="one"), answer(edge, question, answer="two"))
    assert sorted(status for status, _ in both) == [200, 409]


async def test_several_questions_block_until_the_last_is_answered(edge: Edge) -> None:
    lease = await holder(edge)
    first, second = await asked(edge, lease), await asked(edge, lease)
    await answer(edge, second, answer="yes")
    assert state(edge) == "blocked"
    event = {"type": "WORK_STARTED", "repo": "acme/web", "issueNumber": 42, "agentId": "a"}
    assert (await edge.post("/api/events", event))[0] == 200
    assert state(edge) == "blocked"
    await answer(edge, first, answer="no")
    assert state(edge) == "in_progress"
    assert [m["questionId"] for m in (await heartbeat(edge, lease))[1]["messages"]] == [second, first]


async def test_a_question_that_nobody_answers_in_time_counts_as_denied(edge: Edge) -> None:
    lease = await holder(edge)
    question = await asked(edge, lease, deadlineSeconds=30)
    (row,) = await attention(edge)
    assert row["deadline"] > row["since"]
    edge.clock.advance(31)
    await deadlines(edge)
    assert (state(edge), await attention(edge)) == ("in_progress", [])
    (message,) = (await heartbeat(edge, lease))[1]["messages"]
    assert (message["type"], message["answer"], message["decision"]) == ("question_expired", None, "deny")
    assert (await answer(edge, question, answer="late"))[0] == 409
    assert (await edge.get(f"/api/v1/questions/{question}"))[1]["state"] == "expired"


async def test_an_answer_in_time_takes_the_deadline_away(edge: Edge) -> None:
    question = await asked(edge, await holder(edge), deadlineSeconds=30)
    await answer(edge, question, answer="yes")
    with edge.store.snapshot() as snapshot:
        assert [timer.key.partition(":")[0] for _, timer in snapshot.timers(2**62, 10)] == ["lease"]


@pytest.mark.parametrize("end", ["complete", "fail", "abort", "force-done", "expire", "event"])
async def test_a_question_dies_with_its_lease(edge: Edge, end: str) -> None:
    lease = await holder(edge)
    question = await asked(edge, lease, deadlineSeconds=3600)
    if end in ("complete", "fail"):
        await edge.post(f"/api/leases/{lease['id']}/{end}", {"agentId": "a", "fence": lease["fence"]})
    elif end == "abort":
        await edge.post("/api/v1/acme%2Fweb%2342/abort", {"reason": "changed my mind"})
    elif end == "force-done":
        await edge.post("/api/admin/issues/force-done?repo=acme/web&issueNumber=42")
    elif end == "event":
        await edge.post("/api/events", {"type": "ISSUE_UNASSIGNED", "repo": "acme/web", "issueNumber": 42})
    else:
        edge.clock.advance(300)
        await deadlines(edge)
    row = edge.store.get(QUESTIONS, "default", question)
    assert row is not None
    assert row.state == "withdrawn"
    assert [r for r in await attention(edge) if r["kind"] == "question"] == []
    assert (await answer(edge, question, answer="late"))[0] == 409
    status, body = await heartbeat(edge, lease)
    assert (status, body["code"], body["details"]["lease"]) == (409, "stale_lease", lease["id"])
    if end == "abort":
        assert body["details"]["reason"] == "changed my mind"
    edge.clock.advance(3600)
    await deadlines(edge)
    with edge.store.snapshot() as snapshot:
        assert [t.key for _, t in snapshot.timers(2**62, 10) if t.key.startswith("question:")] == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"agentId": "a", "fence": 0}, 409),
        ({"agentId": "b", "fence": 1}, 409),
        ({"agentId": "a"}, 400),
        ({"agentId": "a", "fence": 1, "question": ""}, 400),
        ({"agentId": "a", "fence": 1, "deadlineSeconds": 0}, 400),
        ({"agentId": "a", "fence": 1, "options": ["x"] * 21}, 400),
        ({"agentId": "a", "fence": 1, "urgent": True}, 400),
    ],
)
async def test_what_does_not_hold_the_lease_or_says_nothing_does_not_ask(edge: Edge, body: dict[str, Any], status: int) -> None:
    lease = await holder(edge)
    got, _ = await edge.post(f"/api/leases/{lease['id']}/questions", {"question": "Why?", **body})
    assert (got, state(edge)) == (status, "in_progress")


async def test_unknown_questions_and_leases_are_404(edge: Edge) -> None:
    body = {"agentId": "a", "fence": 1, "question": "Why?"}
    assert (await edge.post("/api/leases/none/questions", body))[0] == 404
    for key in ("none", "approval:acme/web#999", "approval:none", "other:acme/web#1"):
        assert (await answer(edge, key, answer="x"))[0] == 404
    assert (await edge.get("/api/v1/questions/none"))[0] == 404


async def test_a_repeated_question_is_told_apart_by_its_key(edge: Edge) -> None:
    lease = await holder(edge)
    body = {"agentId": "a", "fence": lease["fence"], "question": "Why?"}
    headers = {"Idempotency-Key": "q"}
    first = await edge.post(f"/api/leases/{lease['id']}/questions", body, headers=headers)
    assert await edge.post(f"/api/leases/{lease['id']}/questions", body, headers=headers) == first
    assert len(await attention(edge)) == 1


async def test_a_question_can_be_waited_for(edge: Edge) -> None:
    question = await asked(edge, await holder(edge))
    waiting = asyncio.ensure_future(edge.get(f"/api/v1/questions/{question}?wait=30"))
    await asyncio.sleep(0.05)
    await answer(edge, question, answer="blue")
    async with asyncio.timeout(5):
        assert (await waiting)[1]["answer"] == "blue"


async def test_the_key_of_an_attempt_asks_without_a_fence_and_reads_its_own_answer(make_edge: MakeEdge) -> None:
    edge = await make_edge(auth_mode="required")
    operator = {"Authorization": f"Bearer {await edge.key('op', 'orchestrator:admin')}"}
    await edge.approve(42)
    _, claimed = await edge.post("/api/assignments/claim", {"agentId": "a"}, headers=operator)
    own = {"executionId": "e-1", "issue": ISSUE, "leaseId": claimed["lease"]["id"], "fence": 1, "agentId": "a"}
    mine = {"Authorization": f"Bearer {await edge.key('mine', **own)}"}
    other = {"Authorization": f"Bearer {await edge.key('other', **{**own, 'executionId': 'e-2', 'leaseId': 'l-2'})}"}
    path = f"/api/leases/{claimed['lease']['id']}/questions"
    assert (await edge.post(path, {"question": "May I?"}, headers=other))[0] == 403
    status, body = await edge.post(path, {"question": "May I?"}, headers=mine)
    assert status == 201
    question = f"/api/v1/questions/{body['questionId']}"
    assert (await edge.post(f"{question}/answer", {"decision": "approve"}, headers=mine))[0] == 403
    assert (await edge.get(question, headers=other))[0] == 403
    assert (await edge.post(f"{question}/answer", {"decision": "approve"}, headers=operator))[0] == 200
    assert (await edge.get(question, headers=mine))[1]["decision"] == "approve"
    _, renewed = await edge.post(f"/api/leases/{claimed['lease']['id']}/heartbeat", {}, headers=mine)
    assert [m["decision"] for m in renewed["messages"]] == ["approve"]


async def hold(edge: Edge) -> None:
    await edge.post(
        "/api/events", {"type": "ISSUE_NEEDS_HUMAN", "repo": "acme/web", "issueNumber": 42, "reason": "not trusted"}
    )


async def fail(edge: Edge) -> None:
    await edge.approve(42)
    await edge.post("/api/events", {"type": "ESCALATED", "repo": "acme/web", "issueNumber": 42, "reason": "three tries"})


async def gate(edge: Edge) -> None:
    for type_ in ("ISSUE_APPROVED", "PR_CREATED", "HUMAN_GATE_TRIGGERED"):
        await edge.post("/api/events", {"type": type_, "repo": "acme/web", "issueNumber": 42, "reason": "touches money"})


@pytest.mark.parametrize(
    ("make", "kind", "says", "said", "after"),
    [
        (hold, "approval", "not trusted", "approve", "queued"),
        (hold, "approval", "not trusted", "deny", "cancelled"),
        (fail, "failure", "three tries", "retry", "queued"),
        (fail, "failure", "three tries", "cancel", "cancelled"),
        (gate, "gate", "touches money", "approve", "in_review"),
        (gate, "gate", "touches money", "deny", "in_progress"),
    ],
)
async def test_what_else_waits_for_a_person_is_settled_by_its_id(
    edge: Edge, make: Any, kind: str, says: str, said: str, after: str
) -> None:
    await make(edge)
    (row,) = await attention(edge)
    assert (row["id"], row["kind"], row["subject"]) == (f"{kind}:{ISSUE}", kind, ISSUE)
    assert says in row["question"]
    assert said in row["options"]
    assert (await answer(edge, row["id"], answer="something else"))[0] == 422
    assert (await answer(edge, row["id"], answer=said))[0] == 200
    assert (state(edge), await attention(edge)) == (after, [])
    assert (await answer(edge, row["id"], answer=said))[0] == 409


async def test_what_happens_elsewhere_takes_the_row_away(edge: Edge) -> None:
    await gate(edge)
    await edge.post("/api/events", {"type": "REVIEW_PASSED", "repo": "acme/web", "issueNumber": 42})
    assert await attention(edge) == []
    await edge.store.commit(Unit("default", (NewEvent("acme/web#7", "issue_needs_human", encode({})),)))
    assert [row["id"] for row in await attention(edge)] == ["approval:acme/web#7"]
    await edge.approve(7)
    assert await attention(edge) == []


async def test_attention_is_paged_oldest_first(edge: Edge) -> None:
    for number in (3, 1, 2):
        edge.clock.advance(1)
        await edge.post("/api/events", {"type": "ISSUE_NEEDS_HUMAN", "repo": "acme/web", "issueNumber": number})
    _, rows = await edge.get("/api/v1/attention?limit=2&offset=1")
    assert [row["subject"] for row in rows] == ["acme/web#1", "acme/web#2"]


async def test_the_event_stream_shows_rows_of_attention_as_they_come_and_go(edge: Edge) -> None:
    lease = await holder(edge)
    async with edge.client.get("/api/v1/events?views=attention&topics=question_asked") as response:
        question = await asked(edge, lease)
        await answer(edge, question, answer="yes")
        text = ""
        async with asyncio.timeout(10):
            while '"row":null' not in text:
                text += (await response.content.readany()).decode()
    assert "event: question_asked" in text
    assert '"view":"attention"' in text
