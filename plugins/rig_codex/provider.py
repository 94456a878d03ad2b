"""Drives ``codex app-server``: one program, one thread and one or more turns a session."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from rig import (
    Answer,
    Asks,
    Limited,
    Model,
    PluginError,
    ProcessError,
    Resumable,
    RigError,
    Session,
    SessionResult,
    Steer,
    Steered,
    __version__,
)
from rig.probes import converse
from rig_codex.approvals import APPROVALS, ASKS_USER, decision, question, refusal
from rig_codex.config import CONFINE, UNCONFINED, CodexConfig, prepare
from rig_codex.connection import Connection, Refused, Unknown
from rig_codex.stream import Reading, TurnEnd, heard, models

Message = Mapping[str, Any]

APPROVE, DENY = "approve", "deny"

LINE_BYTES = 10 << 20
"""Longest message; a command's whole output comes in one."""

INTERRUPT_SECONDS = 0.6
"""What a cancelled session may take to end its turn properly; Rig ends its programs soon after."""


class CodexProvider:
    """Drives one Codex app-server a session."""

    name = "codex"

    def __init__(self) -> None:
        self._confining: set[str] = set()
        """Programs that were seen to confine commands here."""

    async def run(self, session: Session) -> SessionResult:
        if not await self._confines(session):
            return SessionResult(False, UNCONFINED)
        return await Conversation(session).run()

    async def list_models(self, config: CodexConfig) -> Sequence[Model]:
        """What the program knows by its protocol (``model/list``), but for what it hides."""
        quiet = ["-c", "check_for_update_on_startup=false", "-c", "analytics.enabled=false"]
        asked = [
            {
                "id": 1,
                "method": "initialize",
                "params": {"clientInfo": {"name": "rig", "title": "Rig", "version": __version__}},
            },
            {"method": "initialized"},
            {"id": 2, "method": "model/list", "params": {"limit": 200}},
        ]
        said = b"".join(json.dumps(message).encode() + b"\n" for message in asked)
        return await converse([config.command, *quiet, "app-server"], {}, said, models)

    async def _confines(self, session: Session) -> bool:
        """Whether the commands of a session are confined as its configuration says; never widened without a word."""
        config: CodexConfig = session.config
        if not config.confined or config.command in self._confining:
            return True
        child = await session.spawn([config.command, *CONFINE])
        async for batch in child.lines():
            await session.log([line.decode("utf-8", "replace") for line in batch], "system")
        if await child.wait() != 0:
            return False
        self._confining.add(config.command)
        return True


class Conversation:
    """One session: the program, its connection and what has been read of it."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._config: CodexConfig = session.config
        self._model: str | None = session.model or self._config.model
        self._reading = Reading()
        limits = [n for n in (self._config.max_turns, session.max_turns) if n]
        self._limit = min(limits, default=0)
        """Answers of the model, 0 for any number."""
        self._ended = asyncio.Event()
        """The turn has ended, or has to."""
        self._steers: dict[str, Steer] = {}
        """What people said and is not in the conversation yet."""
        self._given: set[str] = set()
        """Those that the turn that runs was given."""
        self._giving = asyncio.Lock()

    async def run(self) -> SessionResult:
        session, config = self._session, self._config
        home = Path(session.environment.get("HOME") or session.workspace / ".rig-home")
        folder = await asyncio.to_thread(prepare, home, config, self._model)
        child = await session.spawn(
            [config.command, "app-server"], env={"CODEX_HOME": str(folder)}, keep_stdin=True, line_bytes=LINE_BYTES
        )
        connection = Connection(child, self._notified, self._asked, self._stray)
        serving = asyncio.create_task(connection.serve())
        steering: asyncio.Task[None] | None = None
        try:
            await self._begin(connection)
            if isinstance(session, Steered):
                steering = asyncio.create_task(self._steer(connection, session))
            end = await self._turns(connection, serving)
        except asyncio.CancelledError:
            await self._interrupt(connection)
            if not self._reading.thread:
                raise
            end = TurnEnd("interrupted", "interrupted")
        except (PluginError, ProcessError) as error:
            end = TurnEnd("failed", error.message)
        finally:
            tasks = [serving, *([steering] if steering is not None else [])]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await child.close_stdin()
        ok = end.status == "completed"
        return SessionResult(
            ok, "" if ok else end.reason, self._reading.summary, self._reading.answers, self._reading.thread or None
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
        if isinstance(self._session, Resumable):
            await self._session.can_resume(identity)
        version = str(said.get("userAgent") or "?").partition(" ")[0]
        await self._session.log([f"[session] {identity} model {self._reading.model} version {version}"], "agent")

    async def _turns(self, connection: Connection, serving: "asyncio.Task[None]") -> TurnEnd:
        """A turn with the prompt, then one with all that came too late for the turn before, until nothing does."""
        end = await self._turn(connection, serving, [self._session.prompt])
        while end.status == "completed":
            async with self._giving:  # what is being given is in the turn that ended, or is not
                self._given.clear()
                while isinstance(self._session, Steered) and self._session.steer_waits:
                    steer = await self._session.next_steer()
                    self._steers[steer.id] = steer
                late, self._steers = self._steers, {}
            if not late:
                break
            end = await self._turn(connection, serving, [steer.text for steer in late.values()], list(late.values()))
        return end

    async def _turn(
        self, connection: Connection, serving: "asyncio.Task[None]", texts: Sequence[str], steers: Sequence[Steer] = ()
    ) -> TurnEnd:
        """Start a turn and wait for its end; ``steers`` are what its texts deliver."""
        reading = self._reading
        reading.ended = None
        self._ended.clear()
        said = [{"type": "text", "text": text} for text in texts]
        answer = await connection.request("turn/start", {"threadId": reading.thread, "input": said})
        for steer in steers:
            await self._told(steer)
        reading.starts(answer.get("turn"))
        await self._give(connection)
        waiting = asyncio.create_task(self._ended.wait())
        try:
            await asyncio.wait([waiting, serving], return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if serving.done() and not self._ended.is_set():
            if not serving.cancelled() and (error := serving.exception()) is not None:
                raise error  # what took a notification failed: a lost lease, for one
            return TurnEnd("failed", "codex ended before its turn did")
        if reading.ended is None and self._over:
            await self._interrupt(connection)
            return TurnEnd("failed", f"reached the maximum of {self._limit} turns")
        return reading.ended or TurnEnd("failed", "the turn ended without a word")

    @property
    def _over(self) -> bool:
        """Whether the model would be asked once more than it may be."""
        return bool(self._limit) and self._reading.answers >= self._limit and self._reading.acted

    async def _steer(self, connection: Connection, steered: Steered) -> None:
        """Take in what people say; what the turn that runs does not take is for the next."""
        while True:
            steer = await steered.next_steer()
            self._steers[steer.id] = steer
            with suppress(RigError):  # a program that is gone ends the session by itself
                await self._give(connection)

    async def _give(self, connection: Connection) -> None:
        """Give the turn that runs what it was not given yet."""
        async with self._giving:
            for steer in list(self._steers.values()):
                turn = self._reading.turn
                if turn is None or steer.id in self._given:
                    continue
                self._given.add(steer.id)
                said = [{"type": "text", "text": steer.text}]
                asked = {"threadId": self._reading.thread, "expectedTurnId": turn, "input": said}
                try:
                    await connection.request("turn/steer", {**asked, "clientUserMessageId": steer.id})
                except Refused as error:  # it has just ended, or takes nothing now
                    await self._session.log([f"told later: {error.message}"], "system")
                    return

    async def _told(self, steer: Steer) -> None:
        await self._session.log([f"told: {line}" for line in steer.text.splitlines()], "system")
        if isinstance(self._session, Steered):
            await self._session.steer_delivered(steer)

    async def _interrupt(self, connection: Connection) -> None:
        """End the turn that runs, so that the thread can be gone on with; whatever does not work out is left to Rig's signals."""
        if (turn := self._reading.turn) is None:
            return
        with suppress(RigError, TimeoutError):
            self._ended.clear()
            async with asyncio.timeout(INTERRUPT_SECONDS):
                await connection.request("turn/interrupt", {"threadId": self._reading.thread, "turnId": turn})
                await self._ended.wait()
        if self._reading.ended is not None:
            await self._session.log(["the turn was interrupted"], "system")

    async def _notified(self, method: str, params: Message) -> None:
        reading = self._reading
        before, limits = (reading.answers, reading.steps, reading.plan), reading.limits
        if method == "thread/tokenUsage/updated":
            if (usage := reading.usage(params)) is not None:
                await self._session.usage(usage)
        elif (steer := self._steers.pop(heard(method, params) or "", None)) is not None:
            await self._told(steer)
        if lines := reading.feed(method, params):
            await self._session.log(lines, "agent")
        if reading.limits != limits and isinstance(self._session, Limited):
            await self._session.limits(f"used: {reading.limits}")
        if (reading.answers, reading.steps, reading.plan) != before:
            message = reading.plan or f"turn {max(1, reading.answers)}"
            await self._session.progress(message, turns=reading.answers, steps=reading.steps)
        if reading.ended is not None or (reading.turn is not None and self._over):
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

    async def _approved(self, text: str | None) -> bool:
        if self._config.approval == "auto":
            return True
        if text is None:
            await self._session.log(["not approved: a command that is too long to be shown to a person"], "system")
            return False
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
