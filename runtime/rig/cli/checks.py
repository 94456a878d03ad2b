"""What of an installation can be checked besides its store: configuration, folders, the key, programs, the sandbox."""

import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rig.errors import RigError
from rig.store.doctor import Finding

if TYPE_CHECKING:
    from rig.config import Configuration

Which = Callable[[str], str | None]


def of_configuration(file: Path | None, plugins_loaded: Sequence[tuple[str, str, str | None]]) -> Iterator[Finding]:
    """A valid configuration, and each plugin (name, state, last error) that could not be used."""
    yield Finding("ok", "config", f"{file} is valid" if file else "no rig.toml: the built-in defaults hold")
    broken = [(name, state, error) for name, state, error in plugins_loaded if state not in ("enabled", "disabled")]
    for name, state, error in broken:
        yield Finding("warn", "plugins", f"{name}: {state}: {error or 'no reason given'}")
    if not broken:
        yield Finding("ok", "plugins", ", ".join(name for name, state, _ in plugins_loaded if state == "enabled") or "none")


def of_directory(directory: Path) -> Finding:
    """The data directory's owner and mode."""
    try:
        status = directory.stat()
    except FileNotFoundError:
        return Finding("ok", "data dir", f"{directory} is made at the first start")
    except OSError as error:
        return Finding("fail", "data dir", f"{directory}: {(error.strerror or str(error)).lower()}")
    if not stat.S_ISDIR(status.st_mode):
        return Finding("fail", "data dir", f"{directory} is not a directory; name another with --data-dir")
    if not os.access(directory, os.R_OK | os.W_OK | os.X_OK):
        return Finding("fail", "data dir", f"{directory} cannot be written by this user")
    if status.st_uid != os.geteuid():
        return Finding("warn", "data dir", f"{directory} belongs to another user")
    if status.st_mode & 0o077:
        return Finding("warn", "data dir", f"others may look into {directory}; run: chmod 700 {directory}")
    return Finding("ok", "data dir", f"{directory}, yours alone")


def of_vault(data_dir: Path, key_file: Path) -> Finding:
    """Whether the master key is there, safe, and the one that values are sealed with. Makes nothing."""
    from rig.vault.master import CHECK_FILE, VARIABLE, open_vault

    given = os.environ.get(VARIABLE)
    if not given and not key_file.exists() and not (data_dir / CHECK_FILE).exists():
        return Finding("ok", "vault", "the master key is made at the first start")
    if not (data_dir / CHECK_FILE).exists():
        return Finding("ok", "vault", f"the key of {VARIABLE if given else key_file}; nothing is sealed yet")
    try:
        open_vault(data_dir, key_file)
    except RigError as error:
        return Finding("fail", "vault", error.message)
    return Finding("ok", "vault", f"the master key of {VARIABLE if given else key_file} opens what is sealed")


INSTALL = {"claude": "npm install -g @anthropic-ai/claude-code", "codex": "npm install -g @openai/codex"}
"""Programs of providers, and how each is installed."""


def of_programs(configuration: "Configuration", which: Which = shutil.which) -> Iterator[Finding]:
    """Git, and the programs of the providers that may run."""
    git = which("git")
    yield Finding("ok", "git", git) if git else Finding("fail", "git", "not found; worktrees need it")
    settings = configuration.settings
    for name, how in INSTALL.items():
        table = settings.providers.get(name, {})
        command = str(table.get("command", name))
        wanted = name in settings.providers or settings.dispatch.provider == name
        if not wanted and name != "claude":
            continue
        found = which(command)
        if found is None:
            yield Finding(
                "fail" if wanted and settings.dispatch.enabled else "warn", name, f"{command} is not on PATH; install it: {how}"
            )
        else:
            yield Finding("ok", name, found)
            if name == "codex" and table.get("sandbox") != "danger-full-access":
                yield _of_codex_sandbox(found)


def _of_codex_sandbox(program: str) -> Finding:
    """Whether codex can confine the commands of its sessions on this machine."""
    with tempfile.TemporaryDirectory(prefix="rig-doctor-") as home:
        try:
            asked = subprocess.run(
                [program, "sandbox", "--", "true"],
                cwd=home,
                env=os.environ | {"HOME": home},
                capture_output=True,
                timeout=20,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return Finding("warn", "codex", "its sandbox could not be tried")
    if asked.returncode == 0:
        return Finding("ok", "codex", "it can confine its commands to their workspace")
    how = 'allow user namespaces or install bubblewrap, or set providers.codex.sandbox = "danger-full-access"'
    return Finding("fail", "codex", f"it can't confine its commands on this machine, so its sessions fail: {how}")


def of_sandbox(which: Which = shutil.which) -> Finding:
    """What keeps agents apart from their user: nothing of Rig's own."""
    there = "bubblewrap is installed, yet Rig does not use it" if which("bwrap") else "there is no sandbox"
    return Finding(
        "warn", "sandbox", f"{there}: agents run as your user and may do what you may; codex confines its commands itself"
    )
