"""``python -m rig.testing TARGET``: runs every suite that suits a plugin; ``rig plugin test`` reads what it says on a pipe.

One JSON array a line: ``["plan", plugin, checks]``, then for each check ``["began"]`` and ``["ended", result]``; or
``["error", message, exit code]``.
"""

import os
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from rig.errors import RigError
from rig.testing.plugin import PluginContract
from rig.testing.results import checks, result
from rig.testing.subject import Subject
from rig.testing.suite import Suite
from rig.testing.suites import KINDS
from rig.testing.target import found


def main(text: str, config: str, first: int, pipe: int, commands: Sequence[str]) -> int:
    """Run the checks from the ``first`` on; ``config`` is the path of a TOML file, empty for none; ``commands`` are Rig's own."""

    def say(*words: object) -> None:
        os.write(pipe, msgspec.json.encode(words) + b"\n")

    try:
        plugin = found(text)
        tables = tomllib.loads(Path(config).read_text("utf-8")) if config else {}
    except RigError as error:
        say("error", error.message, error.exit_code)
        return error.exit_code
    except (OSError, ValueError) as error:
        say("error", f"{config}: {error}", 78)
        return 78
    name = Subject(plugin).name
    members = {"plugin": plugin, "commands": commands, **_given(tables, name)}
    suites = [("plugin", PluginContract), *_suites(Subject(plugin, members.get("config")).loaded.hooks)]
    plan = [(kind, type(suite.__name__, (suite,), members), check) for kind, suite in suites for check in checks(suite)]
    say("plan", name, [(kind, check.removeprefix("test_").replace("_", " ")) for kind, _, check in plan])
    for kind, suite, check in plan[first:]:
        say("began")
        say("ended", result(kind, suite, check))
    return 0


def _given(tables: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What a configuration file says of a plugin, as members of its suites."""
    found = {}
    for member, section in (("config", "plugins"), ("provider_config", "providers")):
        of = tables.get(section)
        if isinstance(of, dict) and isinstance(own := of.get(name), dict):
            found[member] = own
    return found


def _suites(hooks: tuple[str, ...]) -> list[tuple[str, type[Suite]]]:
    return [(kind.name, suite) for kind in KINDS if kind.hooks & set(hooks) for suite in (kind.contract, kind.faults)]


if __name__ == "__main__":
    code = main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5:])
    sys.stdout.flush()
    os._exit(code)  # not even a thread that never ends holds it up
