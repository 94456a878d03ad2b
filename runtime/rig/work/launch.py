"""Starting a program: found on its own PATH, in a session of its own, with pipes for everything it reads and writes."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from rig.errors import ProcessError
from rig.work.environment import shown


def found(argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> str:
    """The program that ``argv`` names; raises ProcessError when it, or its folder, is not there."""
    if any("\0" in argument for argument in argv):
        raise ProcessError("an argument holds a NUL")
    if not cwd.is_dir():
        raise ProcessError(f"the folder of the program is gone: {cwd.name}")
    if "/" in argv[0]:
        return argv[0]
    program = shutil.which(argv[0], path=env.get("PATH", os.defpath))
    if program is None:
        raise ProcessError(f"{argv[0]}: there is no such program on PATH")
    return program


def launch(argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    """Start it; blocks until it has become the program. Raises ProcessError."""
    pipe = subprocess.PIPE
    try:
        return subprocess.Popen(
            argv, cwd=cwd, env=dict(env), stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0, start_new_session=True
        )
    except OSError as error:
        raise ProcessError(f"{shown(argv)} could not be started: {error.strerror}") from error


def output_pipes(popen: "subprocess.Popen[bytes]") -> tuple[IO[bytes], IO[bytes]]:
    """Its stdout and stderr."""
    if popen.stdout is None or popen.stderr is None:
        raise ProcessError("the program was started without pipes")
    return popen.stdout, popen.stderr


def dispose(popen: "subprocess.Popen[bytes]") -> None:
    """Close its pipes and reap it; blocks until it has ended."""
    for file in (popen.stdin, popen.stdout, popen.stderr):
        if file is not None:
            file.close()
    popen.wait()
