"""The git side of one workspace: fill it, see what is uncommitted, commit it on the issue's branch."""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rig.work.git import Git, GitError
from rig.work.threads import in_thread

AUTHOR = {
    "GIT_AUTHOR_NAME": "Rig",
    "GIT_AUTHOR_EMAIL": "rig@rig.invalid",
    "GIT_COMMITTER_NAME": "Rig",
    "GIT_COMMITTER_EMAIL": "rig@rig.invalid",
}
_LISTING = 256 << 20
"""Bytes that a listing of the index may have."""


@dataclass(frozen=True)
class Tree:
    """A working tree on ``branch``; ``env`` is the view that commands run on (``Git.view``)."""

    git: Git
    folder: Path
    gitdir: Path
    env: Mapping[str, str]
    branch: str

    async def fill(self) -> None:
        """Write the files of the branch into an empty working tree."""
        await self._git("reset", "--hard", "--quiet", seconds=900.0)

    async def start(self, commit: str) -> None:
        """Make the branch at ``commit`` and stand on it."""
        await self._git("update-ref", f"refs/heads/{self.branch}", commit)
        await self._git("symbolic-ref", "HEAD", f"refs/heads/{self.branch}")

    async def tip(self) -> str | None:
        """The commit that the branch stands at, None before the first."""
        return await self._resolve(f"refs/heads/{self.branch}")

    async def is_dirty(self) -> bool:
        """Whether anything is uncommitted; ignored files do not count."""
        return bool(
            await self._git("status", "--porcelain", "--ignore-submodules=all", "--untracked-files=normal", limit=_LISTING)
        )

    async def is_merged(self, base: str | None) -> bool:
        """Whether everything committed here, on the branch or off it, is also on another branch or in ``base``."""
        for commit in {await self.tip(), await self._resolve("HEAD")} - {None, base}:
            names = await self._git("for-each-ref", "--format=%(refname)", f"--contains={commit}", limit=_LISTING)
            if not set(names.splitlines()) - {f"refs/heads/{self.branch}"}:
                return False
        return True

    async def commit_leftovers(self, message: str) -> str | None:
        """Commit everything uncommitted that is not ignored; the new commit, None when nothing was.

        Whatever branch the agent left the tree on, its work ends up on the issue's branch: moved forward where that is
        enough, else as a second parent; the tree then stands on the issue's branch again. Nested repositories are left out.
        """
        await in_thread(self._break_locks)
        if await self._resolve("HEAD") is None:
            await self._git("symbolic-ref", "HEAD", f"refs/heads/{self.branch}")
        head, tip = await self._resolve("HEAD"), await self.tip()
        nested = await in_thread(self._nested)
        excluded = [f":(exclude,literal,top){path}" for path in nested]
        await self._git("add", "--all", "--", ":/", *excluded, seconds=900.0)
        tree = await self._git("write-tree")
        onto = head if tip is None or head is None or await self._is_ancestor(tip, head) else tip
        changed = head is None or tree != await self._git("rev-parse", f"{head}^{{tree}}")
        commit = onto
        if changed or onto != head:
            parents = dict.fromkeys(parent for parent in (onto, head) if parent is not None)
            flags = [part for parent in parents for part in ("-p", parent)]
            commit = await self._git("commit-tree", tree, *flags, "-F", "-", stdin=message.encode()[:60_000], extra=AUTHOR)
        if commit is not None and commit != tip:
            await self._git("update-ref", "-m", "rig: leftovers", f"refs/heads/{self.branch}", commit, tip or "", extra=AUTHOR)
        await self._git("symbolic-ref", "HEAD", f"refs/heads/{self.branch}")
        return commit if changed else None

    async def _is_ancestor(self, older: str, newer: str) -> bool:
        return await self.git.succeeds("merge-base", "--is-ancestor", older, newer, cwd=self.folder, extra=self.env)

    async def _resolve(self, name: str) -> str | None:
        try:
            return await self._git("rev-parse", "--quiet", "--verify", "--end-of-options", f"{name}^{{commit}}")
        except GitError:
            return None

    async def _git(
        self,
        *arguments: str,
        seconds: float = 120.0,
        stdin: bytes = b"",
        extra: Mapping[str, str] | None = None,
        limit: int = 1 << 20,
    ) -> str:
        env = {**self.env, **(extra or {})}
        return await self.git.run(*arguments, cwd=self.folder, seconds=seconds, stdin=stdin, extra=env, limit=limit)

    def _nested(self) -> list[str]:
        """Folders in the tree that are repositories themselves: git would run what their configuration says."""
        found = []
        for place, folders, files in os.walk(self.folder):
            path = os.path.relpath(place, self.folder)
            if path == ".":
                folders[:] = [name for name in folders if name.lower() != ".git"]
            elif any(name.lower() == ".git" for name in (*folders, *files)):
                found.append(path)
                folders.clear()
        return found

    def _break_locks(self) -> None:
        """Locks and half-done operations of an agent whose processes are all gone."""
        for name in ("index.lock", "HEAD.lock", "MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD"):
            with suppress(OSError):
                (self.gitdir / name).unlink()
