"""The loop of a session: the model answers, its tool calls are made, and it is told of their results, until it has nothing to call."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rig import Asks, Model, PluginError, Resumable, Session, SessionResult, Steered
from rig_openai.answers import Answer, ToolCall
from rig_openai.config import OpenAIConfig
from rig_openai.conversation import Conversation, plain, result, said
from rig_openai.pulse import alive
from rig_openai.refusals import NoModel, NoTools, Refused, TooLong
from rig_openai.repeats import GIVE_UP, SAME, Repeats
from rig_openai.schemas import tools
from rig_openai.server import Server
from rig_openai.telling import Telling, called, resulted
from rig_openai.text import described, find, thoughtless
from rig_openai.toolbox import Result, Toolbox

APPROVE, DENY = "approve", "deny"

INSTRUCTIONS = """\
You are a coding agent that works by itself in a folder, the workspace. Do the task that you are given with your tools.
Paths are relative to the workspace, and nothing outside of it can be read or written. Look before you change something, make small
changes, and check them where you can. Never push, and change nothing that the task does not need. Nobody answers questions.
When the task is done, say in a few words what you did, without calling a tool: that ends your work.
"""


class OpenAIProvider:
    """Drives a model of one server."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def run(self, session: Session) -> SessionResult:
        config: OpenAIConfig = session.config
        async with Server(config.address(self.name), config) as server:
            return await Loop(self.name, session, server).run()

    async def list_models(self, config: OpenAIConfig) -> Sequence[Model]:
        """What the server says that it serves."""
        async with Server(config.address(self.name), config) as server:
            return [Model(identity) for identity in await server.models()]


class Ended(Exception):
    """The session is over and has failed."""

    def __init__(self, reason: str, *, resumable: bool = True) -> None:
        self.reason = reason
        self.resumable = resumable
        """Whether a later attempt should go on with the conversation; it would end in the same way where it is what went wrong."""


class Loop:
    """One session."""

    def __init__(self, name: str, session: Session, server: Server) -> None:
        self._name = name
        self._session = session
        self._server = server
        self._config: OpenAIConfig = session.config
        self._tools = tools(self._config.disallowed_tools) if self._config.react_enabled else []
        self._toolbox = Toolbox(name, session, self._config, self._permitted)
        self._plain = self._config.tool_calls == "text"
        self._repeats = Repeats()
        self._model = ""
        self._limit = min((n for n in (self._config.max_turns, session.max_turns) if n), default=0)
        """Answers of the model, 0 for any number."""
        self._turns = 0
        self._steps = 0
        self._empty = 0
        """Answers in a row that were of no use."""
        self._summary: str | None = None
        self._conversation: Conversation | None = None

    async def run(self) -> SessionResult:
        reason, resumable = "", True
        try:
            conversation = await self._begin()
            while await self._turn(conversation):
                pass
        except Ended as end:
            reason, resumable = end.reason, end.resumable
        except PluginError as error:
            reason, resumable = error.message, not isinstance(error, TooLong)
        except asyncio.CancelledError:
            if self._conversation is None:
                raise
            await self._session.log(["the turn was interrupted"], "system")
            reason = "interrupted"
        identity = self._conversation.identity if self._conversation is not None and resumable else None
        return SessionResult(not reason, reason, self._summary, self._turns, identity)

    async def _begin(self) -> Conversation:
        session = self._session
        self._model = session.model or self._config.model or await self._chosen()
        home = Path(session.environment.get("HOME") or session.workspace / ".rig-home")
        conversation = None
        if session.resume:
            conversation = await asyncio.to_thread(Conversation.resume, home, session.resume)
            if conversation is None:
                await session.log([f"session {session.resume} is gone, starting afresh"], "system")
        if conversation is None:
            conversation = await asyncio.to_thread(Conversation.begin, home)
        self._conversation = conversation
        if isinstance(session, Resumable):
            await session.can_resume(conversation.identity)
        await session.log([f"[session] {conversation.identity} model {self._model} at {self._server.address}"], "agent")
        await asyncio.to_thread(conversation.add, {"role": "user", "content": session.prompt})
        return conversation

    async def _chosen(self) -> str:
        """The model of a server that serves one, or one that is called as the provider is."""
        served = await self._server.models()
        fitting = served if len(served) == 1 else [model for model in served if self._name in model.lower()]
        if len(fitting) != 1:
            raise Ended(f"name a model; the server has: {', '.join(served[:20]) or 'none'}")
        return fitting[0]

    async def _turn(self, conversation: Conversation) -> bool:
        """One answer, and the calls in it; False when it was the last."""
        if self._limit and self._turns >= self._limit:
            raise Ended(f"reached the maximum of {self._limit} turns")
        await self._steer(conversation)
        answer = await self._answer(conversation)
        self._turns += 1
        text, calls, useful = self._read(answer)
        conversation_text = text if text or calls else "(nothing)"  # servers refuse messages without anything in them
        await asyncio.to_thread(conversation.add, said(conversation_text, calls))
        self._summary = text or self._summary
        await self._session.progress(f"turn {self._turns}", turns=self._turns, steps=self._steps)
        if calls:
            self._empty = 0
            cut = answer.finish == "length"
            for call in calls:
                made = await self._made(call, cut=cut and call is calls[-1])
                await asyncio.to_thread(conversation.add, result(call, made.text))
            if self._repeats.hopeless:
                raise Ended(f"it repeats the same call: {called(calls[-1])}", resumable=False)
            await self._session.progress(f"turn {self._turns}", turns=self._turns, steps=self._steps)
            return True
        if useful:  # what was said too late for it gets an answer of its own, where there may be one more
            waits = isinstance(self._session, Steered) and self._session.steer_waits
            return waits and (not self._limit or self._turns < self._limit)
        if not self._tools:
            raise Ended("the answer was cut off: it is longer than the model may write" if text else "the answer was empty")
        self._empty += 1
        if self._empty >= GIVE_UP:
            raise Ended(f"{GIVE_UP} answers in a row were empty or cut off", resumable=False)
        cut_off = "Your answer was cut off: it was too long. Go on, in smaller steps."
        nudge = cut_off if answer.finish == "length" else "Your answer was empty. Go on, or say what you did if you are done."
        await asyncio.to_thread(conversation.add, {"role": "user", "content": nudge})
        return True

    async def _steer(self, conversation: Conversation) -> None:
        """Put what people have said meanwhile into the conversation."""
        session = self._session
        while isinstance(session, Steered) and session.steer_waits:
            steer = await session.next_steer()
            await asyncio.to_thread(conversation.add, {"role": "user", "content": steer.text})
            await session.log([f"told: {line}" for line in steer.text.splitlines()], "system")
            await session.steer_delivered(steer)

    async def _answer(self, conversation: Conversation) -> Answer:
        telling = Telling(self._session, whole=self._plain)
        try:
            async with alive(self._session):
                answer = await self._server.answer(self._body(conversation), telling.heard, telling.waiting)
        except TooLong as error:
            if not (cut := conversation.shorten()):
                raise
            await self._session.log([f"{error.message}; {cut} older results are cut"], "system")
            return await self._answer(conversation)
        except NoTools as error:
            if self._config.tool_calls != "auto" or self._plain:
                raise
            await self._session.log([f"{error.message}; its tools are called in plain text"], "system")
            self._plain = True
            return await self._answer(conversation)
        except NoModel as error:
            try:
                served = await self._server.models()
            except Refused:
                raise error from None
            raise Ended(f"{error.message}; it has: {', '.join(served[:20]) or 'none'}") from None
        usage = answer.usage(self._model)
        if usage is not None:
            await self._session.usage(usage)
        elif not self._turns:
            await self._session.log(["the server does not say how many tokens it used"], "system")
        return answer

    def _body(self, conversation: Conversation) -> dict[str, Any]:
        parts = [INSTRUCTIONS if self._tools else "", described(self._tools) if self._tools and self._plain else ""]
        instructions = "\n".join(part for part in (*parts, self._config.instructions) if part)
        messages = plain(conversation.messages) if self._plain or not self._tools else conversation.messages
        if instructions:
            messages = [{"role": "system", "content": instructions}, *messages]
        body = {"model": self._model, "messages": messages, "stream": True, "stream_options": {"include_usage": True}}
        if self._tools and not self._plain:
            body["tools"] = self._tools
        return {**self._config.parameters, **body}

    def _read(self, answer: Answer) -> tuple[str, list[ToolCall], bool]:
        """What the model said, what it calls, and whether it is a last word where it calls nothing."""
        text, _ = thoughtless(answer.text)
        calls = answer.calls if self._tools else []
        if self._tools and not calls and (found := find(text, tags_only=not self._plain)) is not None:
            text = text[: found.start].rstrip()
            calls = [ToolCall(f"call_{self._turns}", found.name, found.arguments)]
        for number, call in enumerate(calls):
            call.identity = f"t{self._turns}_{number}_{call.identity}"[:64]  # some servers begin anew with each answer
        return text, calls, bool(text) and answer.finish != "length"

    async def _made(self, call: ToolCall, *, cut: bool) -> Result:
        await self._session.log([f"[tool] {called(call)}"], "agent")
        self._steps += 1
        if self._repeats.stuck(call.name, call.arguments):
            made = Result(
                False, f"not done: this very call came to the same {SAME} times; do something else, or say what is wrong"
            )
        else:
            made = await self._toolbox.call(call.name, call.arguments)
            self._repeats.made(call.name, call.arguments, made.text, made.changed)
        if cut and not made.ok:
            made = Result(False, f"{made.text}\nYour answer was cut off: it was too long. Do it in smaller steps.")
        await self._session.log(resulted(made), "agent")
        return made

    async def _permitted(self, question: str) -> bool:
        answer = None
        if self._config.approval == "ask" and isinstance(self._session, Asks):
            answer = await self._session.ask(question, (APPROVE, DENY), deadline_seconds=self._config.ask_seconds)
        allowed = answer is not None and answer.approved is True
        await self._session.log([f"{'approved' if allowed else 'not approved'}: {question.splitlines()[0]}"], "system")
        return allowed
