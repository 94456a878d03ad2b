"""Runs the model's tool calls in the workspace of a session."""

import asyncio
import json
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rig import ProcessError, Session
from rig_openai import grep
from rig_openai.config import OpenAIConfig
from rig_openai.folder import Folder, ToolError
from rig_openai.pulse import alive
from rig_openai.schemas import Call, Edit, Read, Run, Search, Write, parsed
from rig_openai.texts import MAX_SHOWN, Output, decoded, encoded, excerpt, listing, replaced

MATCHES = 200
SEARCH_SECONDS = 20
MAX_QUESTION = 3_000
"""Characters of a call that are shown to who is asked."""
GRACE = 2.0
"""Seconds between TERM and KILL of a command that took too long."""
LINE_BYTES = 1 << 20


@dataclass(frozen=True)
class Result:
    """What a tool call came to."""

    ok: bool
    text: str
    changed: bool = False
    """Whether a file is another than before."""


class Permission(Protocol):
    """Asks whether a call may be made."""

    async def __call__(self, question: str) -> bool: ...


class Toolbox:
    """The tools of one session."""

    def __init__(self, name: str, session: Session, config: OpenAIConfig, permission: Permission) -> None:
        self._name = name
        self._session = session
        self._config = config
        self._permission = permission
        self._folder = Folder(session.workspace)

    async def call(self, name: str, arguments: str) -> Result:
        """Make a call as the model wrote it; whatever is wrong with it is a result."""
        try:
            call = parsed(name, arguments, self._config.disallowed_tools)
            if isinstance(call, Write | Edit):
                self._folder.parts(call.path, write=True)  # nobody is asked for what can't be done anyway
            if self._config.needs_permission(name) and not await self._permitted(call):
                return Result(False, f"{name} was not allowed")
            return await self._made(call)
        except (ToolError, ProcessError) as error:
            return Result(False, str(error))

    async def _permitted(self, call: Call) -> bool:
        if isinstance(call, Run) and self._config.approval == "ask" and len(repr(command(call))) > MAX_QUESTION:
            raise ToolError("the command is too long to be shown to a person; make it shorter")
        return await self._permission(question(self._name, call))

    async def _made(self, call: Call) -> Result:
        match call:
            case Read():
                return Result(True, await asyncio.to_thread(self._read, call))
            case Write():
                return await asyncio.to_thread(self._write, call)
            case Edit():
                return await asyncio.to_thread(self._edit, call)
            case Search():
                return await self._search(call)
            case Run():
                return await self._run(call)

    def _read(self, call: Read) -> str:
        if (entries := self._folder.entries(call.path)) is not None:
            return listing(call.path, entries)
        return excerpt(call, decoded(call.path, self._folder.read(call.path)))

    def _write(self, call: Write) -> Result:
        content = encoded(call.content)
        try:
            same = self._folder.read(call.path) == content
        except ToolError:
            same = False
        if same:
            return Result(True, f"{call.path} has that content already")
        made = self._folder.write(call.path, content)
        return Result(True, f"{'made' if made else 'replaced'} {call.path}, {len(content)} bytes", changed=True)

    def _edit(self, call: Edit) -> Result:
        text = replaced(call, decoded(call.path, self._folder.read(call.path), exactly=True))
        self._folder.write(call.path, encoded(text), make=False)
        return Result(True, f"edited {call.path}", changed=True)

    async def _search(self, call: Search) -> Result:
        parts = await asyncio.to_thread(self._folder.parts, call.path)
        encoded(call.pattern)
        asked = {**call.model_dump(exclude={"path"}), "parts": parts, "limit": MATCHES}
        program = [sys.executable, "-I", str(Path(grep.__file__))]
        code, output = await self._program(program, SEARCH_SECONDS, json.dumps(asked).encode())
        if code is None:
            raise ToolError(f"the search took longer than {SEARCH_SECONDS} s; search for something simpler")
        found = output[:MAX_SHOWN]
        return Result(code == 0, found if found.strip() else "nothing was found")

    async def _run(self, call: Run) -> Result:
        given = [call.command] if isinstance(call.command, str) else call.command
        if not given or not given[0].strip():
            raise ToolError("the command is empty")
        argv = ["bash", "-c", *given] if isinstance(call.command, str) else given
        for argument in argv:
            if "\0" in argument:
                raise ToolError("the command holds a NUL")
            encoded(argument)
        seconds = min(call.seconds, self._config.run_seconds)
        # the shell between gives both outputs one pipe, in their order, and says what is no program
        code, output = await self._program(["bash", "-c", 'exec 2>&1; exec -- "$@"', "run", *argv], seconds, b"")
        ended = (
            f"ended after {seconds} s, which is all it has"
            if code is None
            else f"exit {code}"
            if code >= 0
            else f"signal {-code}"
        )
        return Result(code == 0, f"[{ended}]\n{output}" if output else f"[{ended}, no output]")

    async def _program(self, argv: list[str], seconds: int, stdin: bytes) -> tuple[int | None, str]:
        """Run a program to its end; its status, None when it took too long, and its output. Nothing that it started is left."""
        child = await self._session.spawn(argv, stdin=stdin, line_bytes=LINE_BYTES)
        output = Output()
        code: int | None = None
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), alive(self._session):
                async for batch in child.lines():
                    output.add("".join(f"{line.decode('utf-8', 'replace')}\n" for line in batch))
                code = await child.wait()
        if not await child.end(GRACE):
            raise ToolError("some of what it started could not be ended")
        return code, output.text.replace("\0", "\ufffd")


def command(call: Run) -> str:
    """A command as a person reads it."""
    return call.command if isinstance(call.command, str) else json.dumps(call.command, ensure_ascii=False)


def question(name: str, call: Call) -> str:
    """What to ask for a call."""
    match call:
        case Run():
            what, shown = "run a command", command(call)
        case Write():
            what, shown = f"write {_named(call.path)}", call.content
        case Edit():
            lines = [*(f"- {line}" for line in call.old.split("\n")), *(f"+ {line}" for line in call.new.split("\n"))]
            what, shown = f"edit {_named(call.path)}", "\n".join(lines)
        case _:
            what, shown = "use a tool", call.model_dump_json()
    more = len(shown) - MAX_QUESTION
    return f"{name} wants to {what}:\n{shown[:MAX_QUESTION]}" + (f"\n… {more} characters more" if more > 0 else "")


def _named(path: str) -> str:
    return path if path.isprintable() else repr(path)
