"""What is done to folders that an agent may have tampered with: no link is followed, no mode stands in the way."""

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from rig.errors import WorkspaceError


def check(folder: Path) -> None:
    """Raise WorkspaceError unless ``folder`` is one and no link."""
    if folder.is_symlink() or not folder.is_dir():
        raise WorkspaceError(f"the workspace {folder.name} is no folder any more")


def settle(nursery: Path, admin: Path, folder: Path) -> None:
    """Move a worktree from where it was made to its place, and let both sides know."""
    if not (admin / "HEAD").is_file():
        raise WorkspaceError(f"git made the worktree of {folder.name} under another name")
    with suppress(FileNotFoundError):
        folder.rmdir()  # an empty one may be there
    os.rename(nursery, folder)
    (folder / ".git").write_text(f"gitdir: {admin}\n")
    (admin / "gitdir").write_text(f"{folder / '.git'}\n")


def clear(*folders: Path) -> None:
    """Delete folders, whatever modes an agent gave what is in them; a link itself goes, never what it points to."""
    for folder in folders:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.is_symlink():
            folder.unlink()
        elif folder.exists():
            shutil.rmtree(folder, onerror=_open_and_retry)


def _open_and_retry(function: Callable[..., object], path: str, _: object) -> None:
    """Give a folder back the modes that deleting in it needs, then try again once."""
    parent = os.path.dirname(path)
    for place in (parent, path):
        if os.path.isdir(place) and not os.path.islink(place):
            os.chmod(place, 0o700)
    if function in (os.unlink, os.rmdir, os.remove):
        function(path)
    else:
        shutil.rmtree(path)
