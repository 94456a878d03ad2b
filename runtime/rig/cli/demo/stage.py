"""What the demo plays on: a folder with a git repository, a configuration, and a daemon in a process of its own."""

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from rig.errors import ProcessError, WaitedTooLong
from rig.text import one_line

FILES = {
    "README.md": "# Todo\n\nTeh smallest list of things to do.\n",
    "todo.py": "def add(items, item):\n    return [*items, item]\n\n\ndef first(items):\n    return items[0]\n",
    "test_todo.py": "import todo\n\n\ndef test_add_appends():\n    assert todo.add([1], 2) == [1, 2]\n",
}
OURS = ("RIG_", "GIT_")
OTHERS = ("PORT", "SUBMIT_API_KEYS", "WORKSPACE_DIR")
"""Variables that configure a daemon; the demo's own knows its configuration."""
READY_SECONDS = 20.0
STOP_SECONDS = 10.0


@dataclass(frozen=True)
class Stage:
    """A folder with everything in it."""

    root: Path
    secret: str
    """What the webhook's deliveries are signed with."""

    @property
    def repository(self) -> Path:
        return self.root / "todo"

    @property
    def config(self) -> Path:
        return self.root / "rig.toml"

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def log(self) -> Path:
        return self.root / "serve.log"

    def remove(self) -> None:
        """Take it all away."""
        shutil.rmtree(self.root, ignore_errors=True)


def set_up() -> Stage:
    """A new stage in the temporary folder. Raises ProcessError when git does not do its part."""
    stage = Stage(Path(tempfile.mkdtemp(prefix="rig-demo-")).resolve(), secrets.token_urlsafe(24))
    try:
        _commit_files(stage.repository)
        stage.config.write_text(_configuration(stage))
        stage.config.chmod(0o600)  # the secret is in it
    except BaseException:
        stage.remove()
        raise
    return stage


def _configuration(stage: Stage) -> str:
    import tomli_w

    return tomli_w.dumps(
        {
            "server": {"port": 0},
            "executor": {"slots": 2},
            "dispatch": {"enabled": True, "provider": "mock", "success_state": "done"},
            "workspace": {"repo": str(stage.repository), "strategy": "worktree"},
            "webhook_sources": [{"name": "github", "type": "github", "secret": stage.secret}],
        }
    )


def _commit_files(folder: Path) -> None:
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text)
    _git(folder, "init", "--quiet", "--initial-branch=main")
    _git(folder, "add", ".")
    _git(folder, "commit", "--quiet", "--message", "A list of things to do")


def _git(folder: Path, *arguments: str) -> None:
    who = ("-c", "user.name=Demo", "-c", "user.email=demo@localhost", "-c", "commit.gpgsign=false")
    environ = _environ() | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    command = ["git", "-C", str(folder), *who, *arguments]
    try:
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=30, check=False)
    except FileNotFoundError:
        raise ProcessError("the demo needs git, and there is none on PATH") from None
    if done.returncode:
        raise ProcessError(f"git {arguments[0]} failed: {one_line(done.stderr)}")


def _environ() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith(OURS) and k not in OTHERS}


@asynccontextmanager
async def daemon(stage: Stage) -> AsyncIterator[str]:
    """A daemon on the stage; gives its address, and ends it with everything that it started."""
    command = [sys.executable, "-P", "-m", "rig.cli", "serve", "--config", str(stage.config), "--data-dir", str(stage.data)]
    with stage.log.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *command, stdout=subprocess.PIPE, stderr=log, env=_environ(), cwd=stage.root, start_new_session=True
        )
    try:
        yield await _address(process, stage)
    finally:
        await _end(process)


async def watching(stage: Stage, url: str) -> int:
    """Have the dashboard on the terminal until it is left; its exit code. It is a program of its own: it stands above ``rig``."""
    command = [sys.executable, "-P", "-m", "rigtui", url, "--data-dir", str(stage.data)]
    process = await asyncio.create_subprocess_exec(*command, env=_environ())
    try:
        return await process.wait()
    finally:
        await _end(process)


async def _address(process: asyncio.subprocess.Process, stage: Stage) -> str:
    assert process.stdout is not None
    try:
        async with asyncio.timeout(READY_SECONDS):
            line = (await process.stdout.readline()).decode(errors="replace").strip()
    except TimeoutError:
        raise WaitedTooLong(f"the demo's daemon was not ready within {READY_SECONDS:g} s") from None
    if not line.startswith("rig listening on "):
        said = stage.log.read_text(errors="replace").strip().splitlines()
        raise ProcessError(f"the demo's daemon did not start: {one_line(said[-1], 500) if said else 'it said nothing'}")
    return line.removeprefix("rig listening on ")


async def _end(process: asyncio.subprocess.Process) -> None:
    """TERM, and KILL when that takes too long, to its whole group where it leads one."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                leads = os.getpgid(process.pid) == process.pid
                os.killpg(process.pid, signal.SIGKILL) if leads else process.kill()
            await process.wait()
    transport = getattr(process, "_transport", None)
    if transport is not None:
        transport.close()
