import time
from pathlib import Path

import pytest

from rig.work.hooks import HookFailed, Hooks, run_hook

DAEMON = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "RIG_MASTER_KEY": "secret-of-the-daemon"}


async def test_a_hook_runs_in_the_workspace_and_sees_nothing_of_the_daemon(tmp_path: Path) -> None:
    hooks = Hooks({"before_run": "pwd; env; echo warn >&2"})
    result = await run_hook(hooks, "before_run", tmp_path, {"RIG_ISSUE": "ENG-1"}, inherited=DAEMON)
    assert result is not None
    assert result.checked().ok
    assert str(tmp_path) in result.output
    assert "RIG_ISSUE=ENG-1" in result.output
    assert "warn" in result.output
    assert "secret-of-the-daemon" not in result.output


async def test_no_script_is_no_hook(tmp_path: Path) -> None:
    assert await run_hook(Hooks({"before_run": "  \n"}), "before_run", tmp_path, {}) is None
    assert await run_hook(Hooks(), "after_run", tmp_path, {}) is None


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo it broke >&2; exit 3", "exit status 3: it broke"),
        ("exit 1", "exit status 1"),
        ("kill -KILL $$", "ended by signal 9"),
    ],
)
async def test_a_failing_hook_says_why(tmp_path: Path, script: str, reason: str) -> None:
    result = await run_hook(Hooks({"after_create": script}), "after_create", tmp_path, {}, inherited=DAEMON)
    assert result is not None
    assert result.reason == reason
    with pytest.raises(HookFailed, match="hook after_create: " + reason):
        result.checked()


async def test_a_hook_has_a_deadline_and_bounded_output(tmp_path: Path) -> None:
    began = time.monotonic()
    hooks = Hooks({"before_run": "yes | head -c 1000000; sleep 30"}, seconds=0.3)
    result = await run_hook(hooks, "before_run", tmp_path, {}, inherited=DAEMON)
    assert result is not None
    assert result.reason == "took longer than 0.3 s"
    assert len(result.output) == 65_536
    assert time.monotonic() - began < 10
