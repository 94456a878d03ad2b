"""The overlay's mirror for people: `overlay.toml` in the data directory. The truth is in the log; nothing reads this file."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w

_HEADING = "# What was changed at run time. Written by Rig, read by nobody: change it with the API, edits here are lost.\n"


def write_mirror(path: Path, overlay: Mapping[str, Any]) -> None:
    """Replace the mirror at once and for good: whoever looks sees the old text or the new one (F27). Raises OSError."""
    fd, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(_HEADING + tomli_w.dumps(overlay))
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except BaseException:
        os.unlink(draft)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
