"""Handing out work: look, claim, renew, end."""

import math
from collections.abc import Awaitable, Callable

from aiohttp import web

from rig.clock import iso
from rig.errors import BadRequest, Forbidden, NotFound, StaleLease, Vetoed
from rig.http import longpoll
from rig.http.ask import Ask, outcome
from rig.model import identity
from rig.model.decide import issue as commands
from rig.model.decide.claim import pushed
from rig.model.decide.held import event_of, lease_payload
from rig.model.events import NewEvent
from rig.model.folds.streams import entry_key
from rig.model.rows import IssueRow, LeaseRow, QueueRow, SteerRow
from rig.model.states import VOCABULARY, WORKING
from rig.model.tables import ENTRIES, ISSUES, LEASES, QUESTIONS, QUEUE, STEERS, STREAMS, Query
from rig.store.units import Claim, Committed, Outcome, Timer
from rig.wire import views
from rig.wire.shapes import answers, requests


async def get_next_assignment(ask: Ask) -> web.StreamResponse:
    """``GET /api/assignments/next``: a pure read of what a claim of the agent would get (R0-28, R0-29)."""
    agent = ask.text("agentId")
    if agent is not None:
        identity.agent_stream(agent)

    async def look() -> web.StreamResponse | None:
        head = _head(ask, agent, ask.deps.clock.now())
        return None if head is None else ask.answer(views.assignment(head))

    return await _wait_for(ask, agent, look)


def _head(ask: Ask, agent: str | None, now: int) -> IssueRow | None:
    tenant = ask.call.tenant
    where = (("ready", "=", 1), ("pool", "=", ""), ("not_before", "<=", now))
    with ask.deps.store.snapshot() as snapshot:
        if agent is not None:
            own = pushed(
                agent,
                snapshot.get(STREAMS, tenant, agent),
                lambda number: snapshot.get(ENTRIES, tenant, entry_key(agent, number)),
                lambda issue: snapshot.get(ISSUES, tenant, issue),
            )
            if own.issue is not None:
                return own.issue
        for _, row in snapshot.page(Query(QUEUE, tenant, where, ("rank", "queued_sequence"), 1)):  # type: ignore[arg-type]
            return snapshot.get(ISSUES, tenant, row.stream)
    return None


async def claim_assignment(ask: Ask) -> web.StreamResponse:
    """``POST /api/assignments/claim``: decided by the store's writer, in arrival order (I8)."""
    body = await ask.body(requests.Claim)
    agent = body.agent_id or ask.text("agentId")
    if agent is None:
        raise BadRequest("agentId is missing", field="agentId")
    identity.agent_stream(agent)
    call, ids = ask.call, ask.deps.ids

    async def take() -> web.StreamResponse | None:
        lease = ids.uuid()

        def answer(committed: Committed) -> Outcome:
            row = committed.rows["leases", lease]
            assert isinstance(row, LeaseRow)
            issue = committed.rows["issues", row.issue]
            assert isinstance(issue, IssueRow)
            return outcome(views.claimed(issue, row))

        committed = await ask.deps.store.claim(
            Claim(
                call.tenant,
                agent,
                lease,
                ids.job(),
                body.lease_seconds,
                provider=body.provider,
                pool=body.pool,
                principal=call.principal,
                operation=call.operation,
                request_id=call.request_id,
                idempotency=ask.idempotency,
                outcome=answer,
            )
        )
        return None if committed is None else ask.outcome(committed, answer)

    return await _wait_for(ask, agent, take)


async def _wait_for(
    ask: Ask, agent: str | None, attempt: Callable[[], Awaitable[web.StreamResponse | None]]
) -> web.StreamResponse:
    """Try, and with ``?wait=`` try again whenever queue or agent's stream change or an issue's wait is over; 204 in the end."""
    rows = (("queue", None), *(() if agent is None else (("streams", agent),)))
    wait = longpoll.seconds(ask)
    found = await longpoll.until(ask, attempt, lambda answer: answer is not None, *rows, wait=wait, due_in=lambda: _due_in(ask))
    return web.Response(status=204) if found is None else found


def _due_in(ask: Ask) -> float:
    """Seconds until the next waiting issue may be tried again; infinite where there is none."""
    now = ask.deps.clock.now()
    query: Query[QueueRow] = Query(QUEUE, ask.call.tenant, (("ready", "=", 1), ("not_before", ">", now)), ("not_before",), 1)
    with ask.deps.store.snapshot() as snapshot:
        for _, row in snapshot.page(query):
            return max(0.01, (row.not_before - now) / 1e6)
    return math.inf


def lease_of(ask: Ask, agent: str | None, fence: int | None) -> tuple[LeaseRow, str, int]:
    """The lease of the path with the agent and fence that prove it; raises NotFound, BadRequest, Forbidden, StaleLease."""
    lease = ask.path("id")
    mine = ask.identity
    if mine.execution is not None:
        if mine.lease is None or mine.lease[0] != lease:
            raise Forbidden("an attempt may use its own lease only")
        agent, fence = agent or mine.agent, mine.lease[1] if fence is None else fence
    if agent is None or fence is None:
        missing = "fence" if fence is None else "agentId"
        raise BadRequest(f"{missing} is missing", field=missing)
    row = ask.deps.store.get(LEASES, ask.call.tenant, lease)
    if row is None:
        raise NotFound("no such lease")
    if row.agent != agent or row.fence != fence:
        raise StaleLease("the lease is another agent's or its fence is another", lease=lease)
    return row, agent, fence


async def heartbeat_lease(ask: Ask) -> web.StreamResponse:
    """``POST /api/leases/{id}/heartbeat``: moves the lease's timer; no event, a lease is presence.

    Raises StaleLease with why, when it has ended: what ends the work ends its lease.
    """
    body = await ask.body(requests.LeaseHeartbeat)
    row, _, fence = lease_of(ask, body.agent_id, body.fence)
    if row.state != "live":
        raise StaleLease(f"the lease has ended: {row.reason or row.state}", lease=row.id, state=row.state, reason=row.reason)
    tenant, due = ask.call.tenant, ask.deps.clock.now() + (body.lease_seconds or row.seconds or 120) * 1_000_000
    with ask.deps.store.snapshot() as snapshot:
        questions = [q for _, q in snapshot.page(Query(QUESTIONS, tenant, (("lease", "=", row.id),), limit=10_000))]
        issue = snapshot.get(ISSUES, tenant, row.issue)
        waiting = issue.steers if issue is not None and issue.steerable is None else ()  # Rig's own sessions are told otherwise
        steers = [steer for key in waiting if (steer := snapshot.get(STEERS, tenant, key)) is not None]
    ended = sorted((q for q in questions if q.ended_sequence > body.after), key=lambda q: q.ended_sequence)
    renewed = answers.LeaseRenewed(
        expires_at=iso(due),
        messages=sorted(
            [
                *(views.message(q) for q in ended),
                *(views.steer_message(s, n) for s in steers if (n := _number(s, row)) > body.after),
            ],
            key=lambda message: message.id,
        ),
        cancel_requested=issue is None or issue.state not in WORKING,
        budget_left=None,
    )
    timer = Timer(f"lease:{row.id}", due, lease_payload(row.issue, fence))
    heard = [_heard(issue, s.id) for s in steers if issue is not None and _number(s, row) <= body.after]
    return await ask.commit(*heard, answer=lambda _: outcome(renewed), timers=(timer,), fences=((row.id, fence),))


def _number(steer: SteerRow, lease: LeaseRow) -> int:
    """The id of a steer's message: what an earlier attempt was not told is told anew under the next lease."""
    return max(steer.requested_sequence, lease.sequence)


def _heard(issue: IssueRow, steer: str) -> NewEvent:
    """An agent says by its heartbeat's ``after`` that a message came."""
    return event_of(issue, "steer_delivered", steerId=steer, agentId=issue.agent, executionId=issue.execution)


async def complete_lease(ask: Ask) -> web.StreamResponse:
    """``POST /api/leases/{id}/complete``."""
    body = await ask.body(requests.LeaseEnd)
    row, agent, fence = lease_of(ask, body.agent_id, body.fence)
    to = ask.deps.success_state()
    issue = ask.deps.store.get(ISSUES, ask.call.tenant, row.issue)
    work = {"branch": body.branch, "commit": body.commit, "result": body.result}
    veto = await ask.deps.completion(issue, row.issue, agent, to, **work)
    if veto is not None:
        raise Vetoed(f"not accepted by {veto}")
    command = commands.Complete(
        agent=agent,
        lease=row.id,
        fence=fence,
        state=to,
        branch=body.branch,
        commit=body.commit,
        result=body.result,
        reason=body.reason,
        turns=body.turns,
    )
    return await ask.command("issue", row.issue, command, _ended(row))


async def fail_lease(ask: Ask) -> web.StreamResponse:
    """``POST /api/leases/{id}/fail``: the issue waits for its next attempt, or has failed."""
    body = await ask.body(requests.LeaseEnd)
    row, agent, fence = lease_of(ask, body.agent_id, body.fence)
    issue = ask.deps.store.get(ISSUES, ask.call.tenant, row.issue)
    seconds = ask.deps.retry_after(issue.attempt if issue is not None else 1)
    command = commands.Fail(
        agent=agent,
        lease=row.id,
        fence=fence,
        reason=body.reason or "failed",
        retry_at=None if seconds is None else ask.deps.clock.now() + int(seconds * 1e6),
        result=body.result,
        turns=body.turns,
    )
    return await ask.command("issue", row.issue, command, _ended(row))


def _ended(lease: LeaseRow) -> Callable[[Committed], Outcome]:
    def answer(committed: Committed) -> Outcome:
        row = committed.rows.get(("issues", lease.issue))
        state = VOCABULARY[row.state].conductor if isinstance(row, IssueRow) else "unknown"
        return outcome(answers.LeaseEnded(stream_id=lease.issue, state=state, lease_id=lease.id))

    return answer
