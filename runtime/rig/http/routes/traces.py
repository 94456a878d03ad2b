"""Traces: what became of an issue, as spans read from its events."""

import re

import msgspec
from aiohttp import web

from rig.errors import BadRequest, NotFound
from rig.http.ask import AS_OF, Ask
from rig.http.queries.issues import history
from rig.http.routes import lists
from rig.model import identity
from rig.model.events import Event
from rig.model.rows import IssueRow
from rig.model.spans import first_of, spans, trace_id
from rig.model.tables import EXECUTIONS, ISSUES, JOBS
from rig.store.port import Snapshot
from rig.wire import views
from rig.wire.shapes import answers

_TRACE = re.compile(r"[0-9a-f]{16}[0-7][0-9a-f]{15}\Z")
_FILTERS = ("issue", "job", "run")
PAGE = 1000
REACH = 20
"""Pages of the log, newest first, in which recent traces are looked for."""


async def list_traces(ask: Ask) -> web.StreamResponse:
    """``GET /api/v1/traces``: the trace of an issue, of a job or of a run; without any, the traces that moved last."""
    given = {name: value for name in _FILTERS if (value := ask.text(name)) is not None}
    if len(given) > 1:
        raise BadRequest(f"give one of: {', '.join(_FILTERS)}", field=list(given)[1])
    if not given:
        return await _recent(ask)
    tenant = ask.call.tenant

    def job(snapshot: Snapshot) -> tuple[bytes | None, int]:
        stream = _found(snapshot, tenant, **given)
        return _shown(snapshot, tenant, stream), snapshot.as_of(tenant)

    return _answer(ask, *await lists.snapshot(ask, job))


def _found(
    snapshot: Snapshot, tenant: str, issue: str | None = None, job: str | None = None, run: str | None = None
) -> str | None:
    """The issue that is meant; a run is an execution of it."""
    if job is not None:
        row = snapshot.get(JOBS, tenant, job)
        return row.issue if row is not None else None
    if run is not None:
        execution = snapshot.get(EXECUTIONS, tenant, run)
        return execution.issue if execution is not None else None
    return issue


async def get_trace(ask: Ask) -> web.StreamResponse:
    """``GET /api/v1/traces/{traceId}``."""
    trace, tenant = ask.path("traceId"), ask.call.tenant
    if not _TRACE.match(trace):
        raise BadRequest("a trace id is 32 lowercase hex digits", field="traceId")

    def job(snapshot: Snapshot) -> tuple[bytes | None, int]:
        first = first_of(trace)
        found = snapshot.events(tenant, first - 1, 1) if first else []
        known = found and found[0].sequence == first and trace_id(tenant, found[0].stream, first) == trace
        return _shown(snapshot, tenant, found[0].stream if known else None, trace), snapshot.as_of(tenant)

    return _answer(ask, *await lists.snapshot(ask, job))


def _answer(ask: Ask, body: bytes | None, as_of: int) -> web.StreamResponse:
    if body is None:
        raise NotFound("no such trace")
    return ask.bytes(body, headers={AS_OF: str(as_of)})


def _shown(snapshot: Snapshot, tenant: str, stream: str | None, trace: str | None = None) -> bytes | None:
    """The trace of an issue as JSON, None when there is none (or another one than asked for)."""
    if stream is None or not identity.is_issue(stream):
        return None
    events, unapplied = history(snapshot, tenant, stream)
    if not events:
        return None
    found = trace_id(tenant, stream, events[0].sequence)
    if trace not in (None, found):
        return None
    return msgspec.json.encode(views.span_trace(found, spans(tenant, events, unapplied)))


async def _recent(ask: Ask) -> web.StreamResponse:
    tenant = ask.call.tenant
    limit = ask.integer("limit", 50, 1, 500, clamp=True)

    def job(snapshot: Snapshot) -> bytes:
        rows: list[tuple[Event, IssueRow]] = []
        for stream in _moved(snapshot, tenant, limit):
            (first,), row = snapshot.stream(tenant, stream, limit=1), snapshot.get(ISSUES, tenant, stream)
            if row is not None:
                rows.append((first, row))
        traces = [views.trace_summary(tenant, first, row) for first, row in rows]
        return msgspec.json.encode(answers.Traces(traces=traces, as_of=snapshot.as_of(tenant)))

    return ask.bytes(await lists.snapshot(ask, job))


def _moved(snapshot: Snapshot, tenant: str, limit: int) -> list[str]:
    """The issues of the newest events, the last one to move first."""
    found: dict[str, None] = {}
    end = snapshot.as_of(tenant)
    for _ in range(REACH):
        start = max(0, end - PAGE)
        for event in reversed(snapshot.events(tenant, start, end - start)):
            if identity.is_issue(event.stream):
                found[event.stream] = None
                if len(found) == limit:
                    return list(found)
        end = start
        if not end:
            break
    return list(found)
