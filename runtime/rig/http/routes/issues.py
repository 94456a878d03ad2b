"""Issues: create, list, queue, trace, steer, abort, force done."""

from typing import Literal

import msgspec
from aiohttp import web

from rig.clock import iso
from rig.errors import AlreadyExists, BadRequest, NotFound, VersionConflict
from rig.http import longpoll
from rig.http.ask import Ask, outcome
from rig.http.queries import issues as queries
from rig.http.routes import lists
from rig.model import facts, identity
from rig.model.decide import issue as commands
from rig.model.decide import steer as steering
from rig.model.events import NewEvent, encode
from rig.model.rows import IssueRow, SteerRow
from rig.model.states import CONDUCTOR_STATES, VOCABULARY, WORKING
from rig.model.tables import ISSUES, QUEUE, STEERS, Query
from rig.store.reading import Reading
from rig.store.units import Committed, Outcome
from rig.wire.shapes import answers, requests

_told = msgspec.json.Decoder(answers.Steered).decode


async def create_issue(ask: Ask) -> web.StreamResponse:
    """``POST /api/v1/issues``: the first event of a new issue; 409 when there is one."""
    body = await ask.body(requests.NewIssue)
    given = {k: v for k, v in body.model_dump(by_alias=True).items() if v is not None}
    fact = facts.parse({"type": "ISSUE_APPROVED", **given})
    tenant, stream = ask.call.tenant, fact.stream
    with ask.deps.store.snapshot() as snapshot:
        version = snapshot.stream_version(tenant, stream)
        exists = snapshot.get(ISSUES, tenant, stream) is not None
    if exists:
        raise AlreadyExists(f"issue {stream} exists already")

    def answer(committed: Committed) -> Outcome:
        row = committed.rows.get(("issues", stream))
        state = VOCABULARY[row.state].conductor if isinstance(row, IssueRow) else "queued"
        return outcome(answers.IssueCreated(identifier=stream, stream_id=stream, state=state), 201)

    event = NewEvent(stream, fact.type.name, encode(fact.body))
    try:
        return await ask.commit(event, answer=answer, expect={stream: version})
    except VersionConflict:
        raise AlreadyExists(f"issue {stream} exists already") from None


async def list_issues(ask: Ask) -> web.StreamResponse:
    """``GET /api/issues``: by repository and number (6.1)."""
    state = ask.text("state")
    if state is not None and state not in CONDUCTOR_STATES:
        raise BadRequest(f"state must be one of: {', '.join(CONDUCTOR_STATES)}", field="state")
    limit, offset = lists.window(ask)
    inner = tuple(s for s, words in VOCABULARY.items() if words.conductor == state)
    query = Query(ISSUES, ask.call.tenant, (("state", "in", inner),) if state else (), ("repo", "number"), limit, offset)
    return await lists.answer(ask, queries.issues, query)


async def list_queue(ask: Ask) -> web.StreamResponse:
    """``GET /api/queue``: what waits and may be handed out, in that order (R0-27, R0-30)."""
    query = Query(QUEUE, ask.call.tenant, (("ready", "=", 1),), ("rank", "queued_sequence"), *lists.window(ask))
    return await lists.answer(ask, queries.queue, query)


async def find_issue_trace(ask: Ask) -> web.StreamResponse:
    """``GET /api/issues/trace?repo=&issueNumber=``."""
    return await _trace(ask, _named(ask))


async def get_issue_trace(ask: Ask) -> web.StreamResponse:
    """``GET /api/issues/{id}/trace``."""
    return await _trace(ask, ask.path("id"))


def _named(ask: Ask) -> str:
    """The issue that ``repo`` and ``issueNumber`` name."""
    repo = ask.required("repo")
    ask.required("issueNumber")
    return identity.issue_stream(repo, ask.integer("issueNumber", 0, 1, identity.MAX_ISSUE_NUMBER))


async def _trace(ask: Ask, stream: str) -> web.StreamResponse:
    body: bytes | None = await ask.deps.store.read(Reading(queries.trace, (ask.call.tenant, stream)))
    if body is None:
        raise NotFound("no event of this issue is known")
    return ask.bytes(body)


async def force_done(ask: Ask) -> web.StreamResponse:
    """``POST /api/admin/issues/force-done``: R0-59 … R0-62."""
    stream = _named(ask)
    body = await ask.body(requests.Reason)
    reason = body.reason or ask.text("reason") or ""
    repo, number = identity.split_issue(stream)
    assert repo is not None
    assert number is not None

    def answer(committed: Committed) -> Outcome:
        if not committed.events:
            return outcome(answers.ForcedDone(repo=repo, issue_number=number, already_done=True, state="done"))
        before = msgspec.json.decode(committed.events[0].body)["previousState"]
        words = VOCABULARY[before].conductor
        return outcome(answers.ForcedDone(repo=repo, issue_number=number, forced_done=True, previous_state=words))

    return await ask.command("issue", stream, commands.ForceDone(reason=reason), answer)


async def abort_issue(ask: Ask) -> web.StreamResponse:
    """``POST /api/v1/{id}/abort``: queued, running and retrying issues alike; a second one is 200."""
    stream = ask.path("id")
    if not identity.is_issue(stream):
        raise NotFound("no such issue")
    body = await ask.body(requests.Reason)
    row = ask.deps.store.get(ISSUES, ask.call.tenant, stream)
    if row is None:
        raise NotFound("no such issue")
    if row.state == "cancelled":
        return ask.answer(_aborted("cancelled", True, row.updated_at))
    status = "stopping" if row.state in WORKING else "cancelled"

    def answer(committed: Committed) -> Outcome:
        return outcome(_aborted(status, False, committed.at), 202)

    return await ask.command("issue", stream, commands.Abort(reason=body.reason or "operator_abort"), answer)


async def steer_issue(ask: Ask) -> web.StreamResponse:
    """``POST /api/v1/{id}/steer``: stored before it is answered, and told until an agent has it. A repeat says how it stands now."""
    stream, wait = ask.path("id"), longpoll.seconds(ask, 2)
    body = await ask.body(requests.Steer)
    known = ask.known_outcome()
    if known is None:
        if not identity.is_issue(stream) or ask.deps.store.get(ISSUES, ask.call.tenant, stream) is None:
            raise NotFound("no such issue")
        key = ask.deps.ids.uuid()

        def answer(_: Committed) -> Outcome:
            return outcome(answers.Steered(ok=True, status="queued", steer_id=key, reason=None))

        command = steering.Steer(id=key, message=body.message)
        committed = await ask.deps.system.ask("issue", ask.call, stream, command, outcome=answer)
        known = committed.outcome if committed.replayed else None
    if known is not None:
        key = _told(known.body).steer_id
    row = await _steered(ask, key, wait)
    status = _STATUS[row.state]
    shown = answers.Steered(
        ok=status != "rejected", status=status, steer_id=key, reason=row.reason if status == "rejected" else None
    )
    return ask.replay(outcome(shown), replayed=known is not None)


_STATUS: dict[str, Literal["delivered", "queued", "rejected"]] = {
    "pending": "queued",
    "delivered": "delivered",
    "rejected": "rejected",
    "withdrawn": "rejected",
}
"""State of a steer to what is answered."""


async def _steered(ask: Ask, key: str, wait: int) -> SteerRow:
    """A steer once it is pending no longer, or ``wait`` seconds have passed."""

    async def look() -> SteerRow:
        row = ask.deps.store.get(STEERS, ask.call.tenant, key)
        if row is None:
            raise NotFound("no such issue")
        return row

    return await longpoll.until(ask, look, lambda row: row.state != "pending", ("steers", key), wait=wait)


def _aborted(status: str, again: bool, at: int) -> answers.Aborted:
    return answers.Aborted(
        ok=True, status="cancelled" if status == "cancelled" else "stopping", already_stopping=again, requested_at=iso(at)
    )
