"""What waits for a person: lists, questions, answers."""

from aiohttp import web

from rig.errors import Forbidden, NotFound
from rig.http import longpoll
from rig.http.ask import Ask, outcome
from rig.http.routes import lists
from rig.http.routes.assignments import lease_of
from rig.model import identity
from rig.model.decide import attention as settling
from rig.model.decide import question as commands
from rig.model.folds.attention import OPTIONS
from rig.model.rows import AttentionRow, IssueRow, QuestionRow
from rig.model.states import VOCABULARY
from rig.model.tables import ATTENTION, ISSUES, QUESTIONS, Query
from rig.store.units import Committed, Outcome
from rig.wire import views
from rig.wire.shapes import answers, requests


async def list_attention(ask: Ask) -> web.StreamResponse:
    """``GET /api/v1/attention``: oldest first."""
    limit, offset = lists.window(ask)
    return await lists.array(ask, Query(ATTENTION, ask.call.tenant, (), ("since",), limit, offset), views.attention)


async def ask_question(ask: Ask) -> web.StreamResponse:
    """``POST /api/leases/{id}/questions``."""
    body = await ask.body(requests.NewQuestion)
    lease, agent, fence = lease_of(ask, body.agent_id, body.fence)
    question = ask.deps.ids.uuid()
    seconds = body.deadline_seconds
    command = commands.Ask(
        id=question,
        agent=agent,
        lease=lease.id,
        fence=fence,
        question=body.question,
        options=tuple(dict.fromkeys(body.options)),
        deadline=None if seconds is None else ask.deps.clock.now() + seconds * 1_000_000,
    )
    return await ask.command("issue", lease.issue, command, lambda _: outcome(answers.QuestionAsked(question_id=question), 201))


async def get_question(ask: Ask) -> web.StreamResponse:
    """``GET /api/v1/questions/{id}``; ``?wait=`` until it is no longer open."""
    tenant, key = ask.call.tenant, ask.path("id")

    async def look() -> QuestionRow:
        row: QuestionRow | None = ask.deps.store.get(QUESTIONS, tenant, key)
        if row is None:
            raise NotFound("no such question")
        if ask.identity.execution is not None and (ask.identity.lease is None or ask.identity.lease[0] != row.lease):
            raise Forbidden("an attempt may read its own questions only")
        return row

    wait = longpoll.seconds(ask)
    row = await longpoll.until(ask, look, lambda row: row.state != "open", ("questions", key), wait=wait)
    return ask.answer(views.question(row))


async def answer_question(ask: Ask) -> web.StreamResponse:
    """``POST /api/v1/questions/{id}/answer``: a question's id, or that of anything else in Attention."""
    body = await ask.body(requests.Answer)
    tenant, key = ask.call.tenant, ask.path("id")
    row = _row(ask, tenant, key)
    command = settling.command(row, body.answer, body.decision)
    said, decision = commands.chosen(row.options, body.answer, body.decision)
    kind, subject = row.kind, row.subject

    def answer(committed: Committed) -> Outcome:
        issue = committed.rows.get(("issues", subject))
        state = VOCABULARY[issue.state].conductor if isinstance(issue, IssueRow) else "unknown"
        shown = answers.Answered(id=key, kind=kind, subject=subject, answer=said, decision=decision, state=state)
        return outcome(shown)

    return await ask.command("issue", subject, command, answer)


def _row(ask: Ask, tenant: str, key: str) -> AttentionRow:
    """What an id of Attention means, also when it no longer waits. Raises NotFound."""
    row: QuestionRow | None = ask.deps.store.get(QUESTIONS, tenant, key)
    if row is not None:
        return AttentionRow(id=key, kind="question", subject=row.issue, question=row.question, options=row.options)
    kind, _, subject = key.partition(":")
    if kind not in OPTIONS or not identity.is_issue(subject) or ask.deps.store.get(ISSUES, tenant, subject) is None:
        raise NotFound("no such question")
    return AttentionRow(id=key, kind=kind, subject=subject, question="", options=OPTIONS[kind])  # type: ignore[arg-type]
