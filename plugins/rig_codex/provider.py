"""Drives ``codex app-server``: one program, one thread and one or more turns a session."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from rig import Answer, Asks, PluginError, ProcessError, RigError, Session, SessionResult, __version__
from rig_codex.approvals import APPROVALS, ASKS_USER, decision, question, refusal
from rig_codex.config import CodexConfig, prepare
from rig_codex.connection import Connection, Refused, Unknown
from rig_codex.stream import Reading, TurnEnd

Message = Mapping[str, Any]

APPROVE, DENY = "approve", "deny"

LINE_BYTES = 10 << 20
"""Longest message; a command's whole output comes in one."""

INTERRUPT_SECONDS = 0.6
"""What a cancelled session may take to end its turn properly; Rig ends its programs soon after."""


class CodexProvider:
    """Drives one Codex app-server a session."""

    name = "codex"

    async def run(self, session: Session) -> SessionResult:
        conversation = Conversation(session)
        return await conversation.run()


class Conversation:
    """One session: the program, its connection and what has been read of it."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._config: CodexConfig = session.config
        self._model: str | None = session.model or self._config.model
        self._reading = Reading()
        self._ended = asyncio.Event()
        """The turn has ended."""

    async def run(self) -> SessionResult:
        session, config = self._session, self._config
        home = Path(session.environment.get("HOME") or session.workspace / ".rig-home")
        folder = await asyncio.to_thread(prepare, home, config, self._model)
        child = await session.spawn(
            [config.command, "app-server"], env={"CODEX_HOME": str(folder)}, keep_stdin=True, line_bytes=LINE_BYTES
        )
        connection = Connection(child, self._notified, self._asked, self._stray)
        serving = asyncio.create_task(connection.serve())
        try:
            await self._begin(connection)
            end = await self._turn(connection, serving)
        except asyncio.CancelledError:
            await self._interrupt(connection)
            if not self._reading.thread:
                raise
            end = TurnEnd("interrupted", "interrupted")
        except (PluginError, ProcessError) as error:
            end = TurnEnd("failed", error.message)
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
            await child.close_stdin()
        ok = end.status == "completed"
        return SessionResult(
            ok, "" if ok else end.reason, self._reading.summary, self._reading.turns, self._reading.thread or None
        )

    async def _begin(self, connection: Connection) -> None:
        client = {"name": "rig", "title": "Rig", "version": __version__}
        said = await connection.request("initialize", {"clientInfo": client, "capabilities": {"experimentalApi": True}})
        await connection.notify("initialized")
        options = {
            "cwd": str(self._session.workspace),
            "approvalPolicy": self._config.approval_policy,
            "approvalsReviewer": "user",
            "sandbox": self._config.sandbox_mode,
            **({"model": self._model} if self._model else {}),
        }
        answer = None
        if resume := self._session.resume:
            try:
                answer = await connection.request("thread/resume", {"threadId": resume, "excludeTurns": True, **options})
            except Refused as error:
                await self._session.log([f"session {resume} is gone, starting afresh: {error.message}"], "system")
        if answer is None:
            answer = await connection.request("thread/start", options)
        thread = answer.get("thread")
        identity = thread.get("id") if isinstance(thread, dict) else None
        if not isinstance(identity, str) or not identity:
            raise PluginError("codex started a thread without an id")
        self._reading.began(identity, answer.get("model"))
        version = str(said.get("userAgent") or "?").partition(" ")[0]
        await self._session.log([f"[session] {identity} model {self._reading.model} version {version}"], "agent")

    async def _turn(self, connection: Connection, serving: "asyncio.Task[None]") -> TurnEnd:
        """Start a turn with the prompt and wait for its end."""
        self._reading.ended = None
        self._ended.clear()
        text = [{"type": "text", "text": self._session.prompt}]
        await connection.request("turn/start", {"threadId": self._reading.thread, "input": text})
        waiting = asyncio.create_task(self._ended.wait())
        try:
            await asyncio.wait([waiting, serving], return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if serving.done() and not self._ended.is_set():
            if not serving.cancelled() and (error := serving.exception()) is not None:
                raise error  # what took a notification failed: a lost lease, for one
            return TurnEnd("failed", "codex ended before its turn did")
        return self._reading.ended or TurnEnd("failed", "the turn ended without a word")

    async def _interrupt(self, connection: Connection) -> None:
        """End the turn that runs, so that the thread can be gone on with; whatever does not work out is left to Rig's signals."""
        if (turn := self._reading.turn) is None:
            return
        with suppress(RigError, TimeoutError):
            async with asyncio.timeout(INTERRUPT_SECONDS):
                await connection.request("turn/interrupt", {"threadId": self._reading.thread, "turnId": turn})
                await self._ended.wait()
        if self._ended.is_set():
            await self._session.log(["the turn was interrupted"], "system")

    async def _notified(self, method: str, params: Message) -> None:
        reading = self._reading
        before = (reading.turns, reading.steps, reading.plan)
        if method == "thread/tokenUsage/updated":
            if (usage := reading.usage(params)) is not None:
                await self._session.usage(usage)
            return
        if lines := reading.feed(method, params):
            await self._session.log(lines, "agent")
        if (reading.turns, reading.steps, reading.plan) != before:
            message = reading.plan or f"turn {reading.turns}"
            await self._session.progress(message, turns=reading.turns, steps=reading.steps)
        if reading.ended is not None:
            self._ended.set()

    async def _asked(self, method: str, params: Message) -> Message:
        """Answer a request of the program; what is not known is refused."""
        if method in APPROVALS:
            change = self._reading.changes.get(str(params.get("itemId")), "")
            return decision(method, params, await self._approved(question(method, params, change)))
        if method == ASKS_USER:
            return {"answers": await self._answers(params)}
        if (refused := refusal(method)) is not None:
            return refused
        await self._session.log([f"codex asked for {method}, which is not supported"], "system")
        raise Unknown(method)

    async def _approved(self, text: str) -> bool:
        if self._config.approval == "auto":
            return True
        answer = await self._ask(text, (APPROVE, DENY))
        approved = answer is not None and answer.approved is True
        await self._session.log([f"{'approved' if approved else 'not approved'}: {text.splitlines()[0]}"], "system")
        return approved

    async def _answers(self, params: Message) -> dict[str, Any]:
        """What humans say to the agent's own questions, by their ids; no answer is an empty list."""
        answers: dict[str, Any] = {}
        for asked in params.get("questions") or ():
            if isinstance(asked, dict):
                listed = asked.get("options") or ()
                labels = tuple(str(o.get("label")) for o in listed if isinstance(o, dict))
                options = () if asked.get("isOther") else labels  # with "other" any text will do
                known = f"\n({', '.join(labels)})" if labels and not options else ""
                answer = await self._ask(f"{asked.get('question')}{known}", options)
                answers[str(asked.get("id"))] = {"answers": [] if answer is None else [answer.text]}
        return answers

    async def _ask(self, text: str, options: tuple[str, ...]) -> Answer | None:
        if self._config.approval != "ask" or not isinstance(self._session, Asks):
            return None
        return await self._session.ask(text, options, deadline_seconds=self._config.ask_seconds)

    async def _stray(self, line: bytes) -> None:
        await self._session.log([line.decode("utf-8", "replace")])
