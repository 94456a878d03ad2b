"""Searches the text files below the current folder; the program that the tool ``search`` runs, so that it can be ended.

A regular expression of the model's may take for ever, and Python can't be stopped in one. Reads a JSON object on stdin: ``pattern``,
``regex``, ``ignore_case``, ``glob``, ``parts`` (the folder or file to search, below the current one) and ``limit``; writes a line a
match and one of what was left out. Links are not followed. Needs nothing but the standard library, and is run without Rig.
"""

import fnmatch
import json
import os
import re
import stat
import sys
from collections.abc import Iterator

MAX_FILE = 8 << 20
MAX_LINE = 300
FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
SKIPPED = frozenset({".git", "node_modules", "__pycache__", ".venv", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".tox"})


def lines_of(name: str, folder: int) -> Iterator[tuple[int, str]]:
    """The lines of a text file with their numbers; none of what is no such file."""
    try:
        descriptor = os.open(name, FLAGS, dir_fd=folder)
    except OSError:
        return
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_FILE:
            return
        try:
            content = file.read(MAX_FILE)
        except OSError:
            return
    if b"\0" not in content[:8192]:
        yield from enumerate(content.decode("utf-8", "replace").splitlines(), 1)


def files(parts: list[str]) -> Iterator[tuple[str, str, int]]:
    """(path, name, descriptor of the folder) of every file below ``parts``, or of the file that it is."""
    folder = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    for part in parts[:-1]:
        folder = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
    name = parts[-1] if parts else "."
    if not stat.S_ISDIR(os.lstat(name, dir_fd=folder).st_mode):
        yield "/".join(parts), name, folder
        return
    prefix = "".join(f"{part}/" for part in parts)
    for place, folders, names, descriptor in os.fwalk(name, dir_fd=folder):
        folders[:] = sorted(set(folders) - SKIPPED)
        below = os.path.relpath(place, name)
        for found in sorted(names):
            yield prefix + (found if below == "." else f"{below}/{found}"), found, descriptor


def shown(line: str, start: int) -> str:
    """A line, cut around what was found in it."""
    begin = max(0, start - MAX_LINE // 3)
    cut = line[begin : begin + MAX_LINE]
    return f"{'…' if begin else ''}{cut}{'…' if begin + MAX_LINE < len(line) else ''}"


def main() -> None:
    asked = json.loads(sys.stdin.buffer.read())
    pattern = asked["pattern"] if asked["regex"] else re.escape(asked["pattern"])
    sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace", newline="\n")  # type: ignore[union-attr]
    try:
        find = re.compile(pattern, re.IGNORECASE if asked["ignore_case"] else 0).search
    except (re.error, OverflowError, RecursionError) as error:
        sys.exit(f"not a regular expression: {error}")
    glob, left = asked["glob"], asked["limit"]
    try:
        for path, name, folder in files(asked["parts"]):
            if glob and not (fnmatch.fnmatchcase(name, glob) or fnmatch.fnmatchcase(path, glob)):
                continue
            for number, line in lines_of(name, folder):
                if (match := find(line)) is not None:
                    if not left:
                        print("… there are more matches; search for something narrower", flush=True)
                        return
                    left -= 1
                    print(f"{path!r}" if "\n" in path else path, number, shown(line, match.start()), sep=":", flush=True)
    except OSError as error:
        sys.exit(f"not searched: {error.strerror}")


if __name__ == "__main__":
    main()
