"""Executions with their logs, and jobs."""

import re
from collections.abc import Sequence

import msgspec
from aiohttp import web

from rig.clock import iso
from rig.errors import BadRequest, Forbidden, NotFound
from rig.http.ask import AS_OF, Ask, outcome
from rig.http.deps import LogRecord
from rig.http.headers import finish
from rig.http.queries import work as queries
from rig.http.queries.issues import history
from rig.http.routes import lists
from rig.model.decide import job as commands
from rig.model.events import Event
from rig.model.rows import ExecutionRow, JobRow
from rig.model.steps import steps
from rig.model.tables import EXECUTIONS, JOBS, Query
from rig.store.port import Snapshot
from rig.store.reading import Reading
from rig.store.units import Committed, Outcome
from rig.wire import views
from rig.wire.shapes import answers, requests

_WHOLE = re.compile(r"^-?[0-9]{1,12}$")
STATUSES = ("running", "completed", "failed", "stuck")
SHOWN_LINES = 1000
"""Newest log lines that a detail shows."""
OPEN_LINES = 50_000
"""More lines than an unsealed segment can hold."""


async def list_execution_logs(ask: Ask) -> web.StreamResponse:
    """``GET /api/execution-logs``: summaries, newest first, of all issues or of one (R0-38 … R0-42)."""
    limit = ask.integer("limit", 50, 1, 500, clamp=True)
    status = ask.text("status")
    if status is not None and status.lower() not in STATUSES:
        raise BadRequest(f"Invalid status '{status[:50]}'. Must be one of: {', '.join(STATUSES)}", field="status")
    issue = ask.text("issue")
    given = (("status", None if status is None else status.lower()), ("issue", issue))
    where = tuple((column, "=", value) for column, value in given if value is not None)
    query = Query(EXECUTIONS, ask.call.tenant, where, ("-started_at",), limit)  # type: ignore[arg-type]  # "=" is a literal
    return await lists.answer(ask, queries.executions, query, ask.deps.logs.written())


async def get_execution_log(ask: Ask) -> web.StreamResponse:
    """``GET /api/execution-logs/{id}``: an execution with steps and its newest log lines."""
    tenant, execution = ask.call.tenant, ask.path("id")
    _own(ask, execution)

    def job(snapshot: Snapshot) -> tuple[ExecutionRow | None, list[Event], int]:
        row = snapshot.get(EXECUTIONS, tenant, execution)
        found = steps(row.id, *history(snapshot, tenant, row.issue)) if row is not None and row.issue else []
        return row, found, snapshot.as_of(tenant)

    row, found, as_of = await lists.snapshot(ask, job)
    if row is None:
        raise NotFound("no such execution")
    lines = await _newest(ask, row)
    written = ask.deps.logs.written().get(execution, 0)
    return ask.answer(views.execution_detail(row, found, [_line(x) for x in lines], written), headers={AS_OF: str(as_of)})


async def _newest(ask: Ask, row: ExecutionRow) -> Sequence[LogRecord]:
    """The newest lines; ``row.logs`` counts sealed ones, the open segment comes behind them."""
    lines = await ask.deps.logs.read(row.id, max(0, row.logs - SHOWN_LINES), SHOWN_LINES + OPEN_LINES)
    return lines[-SHOWN_LINES:]


def _line(record: LogRecord) -> answers.LogLine:
    return answers.LogLine(line=record.n, at=iso(record.at), stream=record.stream, text=record.text)


def _own(ask: Ask, execution: str) -> None:
    if ask.identity.execution not in (None, execution):
        raise Forbidden("an attempt may read its own log only")


async def get_attempt_logs(ask: Ask) -> web.StreamResponse:
    """``GET /api/v1/attempts/{id}/logs``: NDJSON, or SSE with ``Accept: text/event-stream``; both can follow."""
    execution = ask.path("id")
    _own(ask, execution)
    request = ask.request
    events = "text/event-stream" in request.headers.get("Accept", "")
    after = ask.integer("after", 0, 0, 10**12)
    if events and (last := request.headers.get("Last-Event-ID")):
        if not last.isdigit() or len(last) > 12:
            raise BadRequest("Last-Event-ID must be a line number")
        after = int(last)
    follow = events or request.query.get("follow", "false").lower() in ("1", "true", "yes")
    if ask.deps.store.get(EXECUTIONS, ask.call.tenant, execution) is None:
        raise NotFound("no such execution")
    response = web.StreamResponse()
    response.content_type = "text/event-stream" if events else "application/x-ndjson"
    finish(response, ask.call.request_id)
    await response.prepare(request)
    if request.method == "HEAD":
        return response
    if follow:
        async for batch in ask.deps.logs.follow(execution, after):
            await response.write(_encoded(batch, events))
        if events:
            row = ask.deps.store.get(EXECUTIONS, ask.call.tenant, execution)
            await response.write(b"event: end\ndata: %s\n\n" % msgspec.json.encode({"status": row.status if row else None}))
        return response
    while lines := await ask.deps.logs.read(execution, after, SHOWN_LINES):
        after = lines[-1].n
        await response.write(_encoded(lines, events))
    return response


def _encoded(batch: Sequence[LogRecord], events: bool) -> bytes:
    if not events:
        return b"".join(msgspec.json.encode(_line(r)) + b"\n" for r in batch)
    return b"".join(b"id: %d\nevent: log\ndata: %s\n\n" % (r.n, msgspec.json.encode(_line(r))) for r in batch)


async def list_jobs(ask: Ask) -> web.StreamResponse:
    """``GET /api/jobs``: newest first; page and limit are moved into their range (R2-11)."""
    page, limit = _whole(ask, "page", 1), min(max(_whole(ask, "limit", 20), 1), 100)
    chain = ask.text("chainId")
    return ask.bytes(await ask.deps.store.read(Reading(queries.jobs, (ask.call.tenant, max(page, 1), limit, chain))))


def _whole(ask: Ask, name: str, default: int) -> int:
    """A whole number, the default for anything else (R2-11)."""
    text = ask.request.query.get(name, "")
    return int(text) if _WHOLE.match(text) else default


async def get_job(ask: Ask) -> web.StreamResponse:
    """``GET /api/jobs/{id}``."""
    tenant, job = ask.call.tenant, ask.path("id")
    row: JobRow | None = ask.deps.store.get(JOBS, tenant, job)
    if row is None:
        raise NotFound("no such job")
    logs: list[str] = []
    if row.execution is not None:
        execution = ask.deps.store.get(EXECUTIONS, tenant, row.execution)
        if execution is not None:
            logs = [line.text for line in await _newest(ask, execution)]
    return ask.answer(views.job_detail(row, logs))


async def cancel_job(ask: Ask) -> web.StreamResponse:
    """``POST /api/jobs/{id}/cancel``: 400 for a job that has ended (R2-18)."""
    job = ask.path("id")
    body = await ask.body(requests.Reason)

    def answer(committed: Committed) -> Outcome:
        return outcome(answers.JobCancelled(job_id=job, status="cancelled"))

    return await ask.command("job", job, commands.Cancel(reason=body.reason or "cancelled by an operator"), answer)
