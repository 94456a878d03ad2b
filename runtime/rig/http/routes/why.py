"""Why a thing is where it is."""

from typing import Any

from aiohttp import web

from rig.errors import NotFound
from rig.http.ask import AS_OF, Ask
from rig.http.routes import lists
from rig.model import identity, why
from rig.model.cycles import Cycles, waits_for
from rig.model.rows import IssueRow
from rig.model.tables import AGENTS, ISSUES, JOBS, LEASES, LINKS, QUESTIONS, QUEUE, TRACKED, UNAPPLIED, Query
from rig.store.port import Snapshot
from rig.wire.shapes import answers
from rig.wire.views import ONLINE

LOOKED_AT = 10_000
"""Issues, leases and agents that are looked at for one answer."""
PAGE = 500
OWN = "rig-"
"""Agents of the daemon's own slots are called so."""


async def get_why(ask: Ask) -> web.StreamResponse:
    """``GET /api/v1/why/{id}``: an issue's stream, or a job's id."""
    tenant, key = ask.call.tenant, ask.path("id")
    now, config = ask.deps.clock.now(), ask.deps.config.effective()

    def job(snapshot: Snapshot) -> tuple[str, list[why.Reason], int] | None:
        as_of = snapshot.as_of(tenant)
        if identity.JOB.match(key):
            found = snapshot.get(JOBS, tenant, key)
            if found is None:
                return None
            row = snapshot.get(ISSUES, tenant, found.issue) if found.issue else None
            reasons = why.why(_facts(snapshot, tenant, row, now, config)) if row is not None and row.job == key else []
            return found.state, why.job(found, reasons), as_of
        row = snapshot.get(ISSUES, tenant, key)
        if row is None:
            return _tracked(snapshot, tenant, key, as_of)
        return (row.state, why.why(_facts(snapshot, tenant, row, now, config)), as_of)

    answer = await lists.snapshot(ask, job)
    if answer is None:
        raise NotFound("no such issue or job")
    state, reasons, as_of = answer
    shown = [answers.WhyReason(code=r.code, text=r.text, sequence=r.sequence) for r in reasons]
    return ask.answer(answers.Why(state=state, reasons=shown), headers={AS_OF: str(as_of)})


def _tracked(snapshot: Snapshot, tenant: str, key: str, as_of: int) -> tuple[str, list[why.Reason], int] | None:
    """Why an issue that only a tracker knows is no work."""
    rows = snapshot.page(Query(TRACKED, tenant, (("stream", "=", key),), limit=10))
    reasons = [why.Reason("tracker", f"{row.tracker} lists it, and {row.why or row.state}", row.sequence) for _, row in rows]
    return ("untracked", reasons, as_of) if reasons else None


def _facts(snapshot: Snapshot, tenant: str, row: IssueRow, now: int, config: Any) -> why.Facts:
    def waits(stream: str) -> Any:
        return waits_for(snapshot.get(ISSUES, tenant, stream))

    query: Query[Any] = Query(UNAPPLIED, tenant, (("stream", "=", row.stream),), limit=LOOKED_AT)
    unapplied = tuple(found for _, found in snapshot.page(query))
    cycles = Cycles(waits, LOOKED_AT)
    queue = snapshot.get(QUEUE, tenant, row.stream)
    ready = Query(QUEUE, tenant, (("ready", "=", 1), ("not_before", "<=", now)))
    ahead = 0
    if queue is not None:
        for more in (
            (("rank", "<", queue.rank),),
            (("rank", "=", queue.rank), ("queued_sequence", "<", queue.queued_sequence)),
        ):
            ahead += snapshot.count(Query(QUEUE, tenant, (*ready.where, *more)))
    lease = snapshot.get(LEASES, tenant, row.lease) if row.lease else None
    timer = snapshot.timer(tenant, f"lease:{row.lease}") if row.lease else None
    questions = (snapshot.get(QUESTIONS, tenant, question) for question in row.questions)
    return why.Facts(
        row=row,
        now=now,
        history=why.history(snapshot.stream(tenant, row.stream), frozenset(u.sequence for u in unapplied)),
        queue=queue,
        ahead=ahead,
        ready=snapshot.count(ready) if queue is not None else 0,
        blockers=tuple(_blockers(snapshot, tenant, row, cycles)),
        cycle=cycles.of(row.stream),
        subs=_open_subs(snapshot, tenant, row.stream),
        lease=lease,
        lease_until=timer.due if timer is not None else None,
        questions=tuple(question for question in questions if question is not None),
        unapplied=unapplied,
        fleet=_fleet(snapshot, tenant, now, config),
        required_labels=tuple(config.get("tracker", {}).get("required_labels") or ()),
    )


def _blockers(snapshot: Snapshot, tenant: str, row: IssueRow, cycles: Cycles) -> list[why.Blocker]:
    found: list[why.Blocker] = []
    for stream in row.depends_on:
        blocker = snapshot.get(ISSUES, tenant, stream)
        if blocker is None or blocker.state != "done":
            found.append(why.Blocker(stream, blocker.state if blocker else None, cycles.of(stream)))
    return found


def _open_subs(snapshot: Snapshot, tenant: str, stream: str) -> tuple[str, ...]:
    prefix = f"sub\n{stream}\n"
    found: list[str] = []
    after = prefix
    while page := snapshot.page(Query(LINKS, tenant, limit=PAGE, after_key=after)):
        for key, link in page:
            if not key.startswith(prefix):
                return tuple(found)
            if link.open:
                found.append(key[len(prefix) :])
        after = page[-1][0]
    return tuple(found)


def _fleet(snapshot: Snapshot, tenant: str, now: int, config: Any) -> why.Fleet:
    agents = [row for _, row in snapshot.page(Query(AGENTS, tenant, limit=LOOKED_AT)) if not row.id.startswith(OWN)]
    online = sum(1 for row in agents if row.last_heartbeat is not None and now - row.last_heartbeat <= ONLINE)
    live = snapshot.page(Query(LEASES, tenant, (("state", "=", "live"),), limit=LOOKED_AT))
    dispatch, slots = config.get("dispatch", {}), config.get("executor", {}).get("slots", 0)
    return why.Fleet(
        online=online,
        dispatch=bool(dispatch.get("enabled")),
        slots=min(slots, dispatch.get("max_concurrent", slots)),
        busy=sum(1 for _, lease in live if lease.agent.startswith(OWN)),
    )
