"""The operator's own shell texts around a workspace's life; trusted code, yet bounded in time, output and environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from rig.errors import WorkspaceError
from rig.work.command import run
from rig.work.environment import environment

HookName = Literal["after_create", "before_run", "after_run", "before_remove"]

OUTPUT_BYTES = 64 * 1024
_OPERATORS = ("HOME", "SSH_AUTH_SOCK")
"""A hook may push or install: it has the operator's home, which an agent has not."""


class HookFailed(WorkspaceError):
    """A hook failed."""

    code = "hook_failed"


@dataclass(frozen=True)
class Hooks:
    """``[hooks]``: a shell text for each name, none where there is nothing to do."""

    scripts: Mapping[HookName, str] = field(default_factory=dict)
    seconds: float = 60.0


@dataclass(frozen=True)
class HookResult:
    """What came of a hook."""

    name: HookName
    ok: bool
    reason: str = ""
    """Why it failed, empty when ok."""
    output: str = ""
    """What it said on stdout and stderr, at most ``OUTPUT_BYTES`` of each."""

    def checked(self) -> "HookResult":
        """Itself when ok; raises HookFailed."""
        if not self.ok:
            raise HookFailed(f"hook {self.name}: {self.reason}")
        return self


async def run_hook(
    hooks: Hooks,
    name: HookName,
    folder: Path,
    given: Mapping[str, str],
    *,
    inherited: Mapping[str, str] | None = None,
    seconds: float | None = None,
) -> HookResult | None:
    """Run a hook with ``bash -lc`` in ``folder``; None when there is none. Its whole process group is gone afterwards.

    ``seconds``, when given, shortens the configured time.
    """
    script = hooks.scripts.get(name, "")
    if not script.strip():
        return None
    source = os.environ if inherited is None else inherited
    env = environment({variable: source[variable] for variable in _OPERATORS if variable in source} | dict(given), source)
    limit = hooks.seconds if seconds is None else min(seconds, hooks.seconds)
    done = await run(["bash", "-lc", script], cwd=folder, env=env, seconds=limit, limit=OUTPUT_BYTES, grace=1.0)
    output = (done.stdout + done.stderr).decode(errors="replace")
    if done.timed_out:
        return HookResult(name, False, f"took longer than {limit:g} s", output)
    if done.code:
        last = done.last_line[:200]
        reason = f"exit status {done.code}" if done.code > 0 else f"ended by signal {-done.code}"
        return HookResult(name, False, f"{reason}: {last}" if last else reason, output)
    return HookResult(name, True, "", output)
