"""What a program that Rig starts gets to see: an allow-listed environment, a home of its own, and limits."""

import os
import re
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rig.errors import ProcessError

_INHERITED = re.compile(r"(?:PATH|LANG|LANGUAGE|TERM|TZ|LC_[A-Z]+)\Z")
_NEVER = frozenset({"BASH_ENV", "ENV"})
"""Names that would make the shell which sets the limits run something else first."""

MARKER = "RIG_EXECUTION_ID"
"""Variable by which processes of an execution are found that left its process group."""


def environment(given: Mapping[str, str], inherited: Mapping[str, str] | None = None) -> dict[str, str]:
    """PATH, LANG, LC_*, TERM and TZ of ``inherited`` (None: this process), and what is ``given``; nothing else (I21).

    Raises ProcessError for a name or value that no environment can hold.
    """
    source = os.environ if inherited is None else inherited
    result = {name: value for name, value in source.items() if _INHERITED.match(name)}
    result.setdefault("PATH", os.defpath)
    result.setdefault("LANG", "C.UTF-8")
    for name, value in given.items():
        if not name or "=" in name or "\0" in name or "\0" in value or name in _NEVER:
            raise ProcessError(f"the variable {name[:64]!r} cannot be given to a program")
        result[name] = value
    return result


def make_home(folder: Path, name: str, email: str) -> dict[str, str]:
    """Make a home directory, mode 0700, whose git knows who commits; returns HOME and TMPDIR. Blocks; the folder may exist."""
    temporary = folder / "tmp"
    temporary.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    config = folder / ".gitconfig"
    if not config.exists():
        quoted = re.sub(r'["\\\n\0]', "_", name)
        config.write_text(f'[user]\n\tname = "{quoted}"\n\temail = {email}\n[init]\n\tdefaultBranch = main\n')
    return {"HOME": str(folder), "TMPDIR": str(temporary)}


@dataclass(frozen=True)
class Limits:
    """Resource limits of a program and, each for itself, of all it starts; None leaves what the daemon has."""

    core_bytes: int | None = 0
    cpu_seconds: int | None = None
    file_bytes: int | None = None
    memory_bytes: int | None = None
    """Address space; programs on Node.js or Java reserve far more than they use."""
    open_files: int | None = None
    processes: int | None = None
    """Counted by the kernel over all processes of the user, the daemon included."""

    def wrap(self, argv: Sequence[str]) -> list[str]:
        """``argv`` behind a shell that sets the limits and becomes the program: no Python runs between fork and exec."""
        flags = {
            "c": _blocks(self.core_bytes, 1024),
            "t": self.cpu_seconds,
            "f": _blocks(self.file_bytes, 1024),
            "v": _blocks(self.memory_bytes, 1024),
            "n": self.open_files,
            "u": self.processes,
        }
        limits = [f"ulimit -{flag} {int(value)}" for flag, value in flags.items() if value is not None]
        script = " && ".join([*limits, 'exec -- "$@"'])
        return [shutil.which("bash") or "/bin/bash", "--noprofile", "--norc", "-c", script, "rig", *argv]


def _blocks(amount: int | None, size: int) -> int | None:
    return None if amount is None else -(-amount // size)


def shown(argv: Sequence[str]) -> str:
    """``argv`` as a person would type it, for messages."""
    return shlex.join(argv)[:200]
