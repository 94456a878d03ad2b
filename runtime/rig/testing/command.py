"""The suites of commands (``rig_register_commands``). Only what asks for help or is wrong is run unless the author says more."""

import asyncio
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING
from unittest import SkipTest

from rig.errors import RigError
from rig.testing.suite import ThingSuite, check, must

if TYPE_CHECKING:
    import click

_NAME = re.compile(r"[a-z][a-z0-9-]{0,63}")


class _Commands(ThingSuite):
    hook = "rig_register_commands"
    calls: Sequence[Sequence[str]] = ()
    """Arguments of calls that are to end with exit code 0; the first is the command's name."""

    async def _run(self, command: "click.Command", arguments: Sequence[str]) -> tuple[int, str]:
        """(exit code, output) of a command, as ``rig`` itself runs it; fails when it ends with a traceback."""
        import click
        from click.testing import CliRunner

        said = " ".join([str(command.name), *arguments])[:100]
        found = await asyncio.to_thread(CliRunner().invoke, command, list(arguments), standalone_mode=False)
        match found.exception:
            case None:
                return found.return_value if isinstance(found.return_value, int) else 0, found.output
            case click.ClickException() | RigError():
                return found.exception.exit_code, found.output
            case click.Abort():
                return 1, found.output
            case SystemExit():
                return found.exit_code, found.output
        raise AssertionError(f"{said!r} ends with a traceback: {found.exception!r}")


class CommandContract(_Commands):
    """What ``rig`` expects of a command."""

    @check
    async def test_it_registers_a_command_with_a_name_and_help(self) -> None:
        must(self.found(), "it registers no command with this configuration")
        for command in self.found():
            must(_NAME.fullmatch(command.name or ""), f"{command.name!r} is no name: lower case letters, digits and -")
            must(command.help, f"{command.name}: it says nothing of what it does: give it a docstring")

    @check
    async def test_it_shows_its_help(self) -> None:
        for command in self.things():
            code, shown = await self._run(command, ["--help"])
            must(code == 0 and shown, f"{command.name} --help ends with {code}")

    @check
    async def test_ordinary_calls_end_well(self) -> None:
        if not self.calls:
            raise SkipTest("what may be called is not known: set calls")
        by_name = {command.name: command for command in self.things()}
        for name, *arguments in self.calls:
            must(name in by_name, f"it has no command {name!r}")
            code, shown = await self._run(by_name[name], arguments)
            must(code == 0, f"{name} {' '.join(arguments)} ends with {code}: {shown[-200:]}")


class CommandFaults(_Commands):
    """What a command meets on bad days."""

    @check
    async def test_an_unknown_option_is_a_usage_error(self) -> None:
        for command in self.things():
            code, _ = await self._run(command, ["--no-such-option-of-yours"])
            must(code == 2, f"{command.name} with an unknown option ends with {code}, not 2")

    @check
    async def test_too_many_arguments_are_a_usage_error(self) -> None:
        for command in self.things():
            if any(parameter.nargs == -1 for parameter in command.params) or hasattr(command, "commands"):
                continue
            code, _ = await self._run(command, ["x"] * 50)
            must(code == 2, f"{command.name} with 50 arguments ends with {code}, not 2")
