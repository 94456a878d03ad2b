"""Workspaces: one folder for each issue, under one root, kept across attempts and never thrown away with work in it."""

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal
from weakref import WeakValueDictionary

import msgspec

from rig.errors import Conflict, NotFound, WorkspaceError
from rig.work import folders
from rig.work.git import NETWORK_SECONDS, Git, checked_address
from rig.work.keys import DEFAULT_TENANT, is_key, workspace_key
from rig.work.repository import base_of, common_directory, locate
from rig.work.threads import in_thread
from rig.work.tree import Tree

Strategy = Literal["worktree", "clone", "directory"]
STATE = ".rig"
"""Folder under the root for records, mirrors and views; no key begins with a dot."""


class WorkspaceDirty(Conflict):
    """The workspace holds work that would be lost; repeat with force to remove it all the same."""

    code = "workspace_dirty"


@dataclass(frozen=True)
class WorkspaceSettings:
    """``[workspace]``, as it is when a workspace is made; what exists keeps what it was made with."""

    strategy: Strategy = "worktree"
    repo: str = ""
    """Address or path for issues whose order names none. The operator's own, so a path needs no entry in ``allow``."""
    base: str = "HEAD"
    """Branch, tag or commit that new branches start from; ``HEAD`` is the default branch."""
    allow: tuple[str, ...] = ()


class Workspace(msgspec.Struct, frozen=True, kw_only=True):
    """A workspace as its record tells it."""

    key: str
    identifier: str
    tenant: str
    path: str
    strategy: Strategy
    branch: str | None = None
    """``rig/<key>``; None for a plain directory."""
    common: str | None = None
    gitdir: str | None = None
    base: str | None = None
    """Commit that the branch started from."""
    ready: bool = False
    """False while it is being made: such a one is made again from the start."""

    @property
    def folder(self) -> Path:
        return Path(self.path)


Prepare = Callable[[Workspace], Awaitable[None]]
_workspace = msgspec.json.Decoder(Workspace).decode


class Workspaces:
    """All workspaces under one root. ``settings`` is asked each time one is made.

    Everything here runs off the event loop; commands on one repository run one after another.
    """

    def __init__(self, root: Path, settings: Callable[[], WorkspaceSettings], git: Git | None = None) -> None:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.root = root.resolve()
        self._settings = settings
        self._state = self.root / STATE
        self._git = git or Git(self._state / "views")
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def plan(self, identifier: str, tenant: str = DEFAULT_TENANT) -> Workspace:
        """What ``ensure`` is going to use, without touching the disk beyond reading the record."""
        key = workspace_key(identifier, tenant)
        recorded = self._read(key)
        if recorded is not None:
            return recorded
        strategy = self._settings().strategy
        branch = None if strategy == "directory" else f"rig/{key}"
        path = str(self.root / key)
        return Workspace(key=key, identifier=identifier, tenant=tenant, path=path, strategy=strategy, branch=branch)

    async def ensure(
        self,
        identifier: str,
        *,
        tenant: str = DEFAULT_TENANT,
        repo: str | None = None,
        base: str | None = None,
        prepare: Prepare | None = None,
    ) -> Workspace:
        """The issue's workspace, made if it isn't there: then ``prepare`` runs in it, and if that fails it is discarded.

        ``repo`` is an address that the work itself names, checked against ``allow``. Raises WorkspaceError, BadAddress,
        BadReference, GitError, and whatever ``prepare`` raises.
        """
        planned = self.plan(identifier, tenant)
        async with self._lock(planned.key):
            if await in_thread(lambda: self._is_there(planned)):
                return planned
            await self._discard(planned)
            made = planned
            try:
                made = await self._make(planned, repo, base)
                if prepare is not None:
                    await prepare(made)
            except BaseException:
                await asyncio.shield(self._discard(self._read(planned.key) or made))
                raise
            ready = msgspec.structs.replace(made, ready=True)
            await in_thread(lambda: self._write(ready))
            return ready

    async def tree(self, workspace: Workspace) -> Tree | None:
        """The git side of a workspace, None for a plain directory. Raises WorkspaceError when somebody swapped its folder."""
        if workspace.common is None or workspace.gitdir is None or workspace.branch is None:
            return None
        await in_thread(lambda: folders.check(workspace.folder))
        gitdir = Path(workspace.gitdir)
        if gitdir.is_symlink() or not gitdir.is_dir():
            raise WorkspaceError(f"the workspace {workspace.key} has lost its git directory")
        env = await self._git.view(gitdir, Path(workspace.common), workspace.folder)
        return Tree(self._git, workspace.folder, gitdir, env, workspace.branch)

    async def commit_leftovers(self, workspace: Workspace, message: str) -> str | None:
        """Commit on the issue's branch what is uncommitted; the new commit, None when there was nothing.

        To be called when no process of the agent is left.
        """
        tree = await self.tree(workspace)
        if tree is None or workspace.common is None:
            return None
        async with self._lock(workspace.common):
            return await tree.commit_leftovers(message)

    async def head(self, workspace: Workspace) -> str | None:
        """The commit that the issue's branch stands at, None where there is no branch."""
        tree = await self.tree(workspace)
        return None if tree is None else await tree.tip()

    def find(self, key: str) -> Workspace:
        """The record of a workspace; raises NotFound, also for what can be no key."""
        found = self._read(key) if is_key(key) else None
        if found is None:
            raise NotFound("there is no such workspace")
        return found

    def list(self) -> list[Workspace]:
        """Every workspace that is or is being made, by key. Blocks on the disk."""
        names = sorted(file.stem for file in (self._state / "workspaces").glob("*.json"))
        return [found for name in names if (found := self._read(name)) is not None]

    async def remove(self, workspace: Workspace, *, force: bool = False) -> None:
        """Delete the folder; the branch stays. Links are never followed.

        Raises WorkspaceDirty without ``force`` when something is uncommitted, or committed only here.
        """
        async with self._lock(workspace.key):
            await self.check_removal(workspace, force=force)
            await self._discard(workspace)

    async def check_removal(self, workspace: Workspace, *, force: bool = False) -> None:
        """Raise what ``remove`` would, and change nothing."""
        if force or not workspace.ready or not workspace.folder.exists():
            return
        tree = await self.tree(workspace)
        if tree is None:
            if await in_thread(lambda: any(workspace.folder.iterdir())):
                raise WorkspaceDirty("the workspace is not empty; repeat with force to remove it all the same")
            return
        if await tree.is_dirty():
            raise WorkspaceDirty("the workspace has uncommitted changes; repeat with force to remove it all the same")
        if not await tree.is_merged(workspace.base):
            raise WorkspaceDirty("the workspace's commits are on no other branch; repeat with force to remove it all the same")

    def _is_there(self, workspace: Workspace) -> bool:
        """Whether the workspace can be used as it is; raises WorkspaceError when something else is in its place."""
        try:
            mode = workspace.folder.lstat().st_mode
        except FileNotFoundError:
            return False
        if not stat.S_ISDIR(mode):
            raise WorkspaceError(f"something that is no folder is in the place of the workspace {workspace.key}")
        if workspace.ready:
            if workspace.gitdir is not None and not Path(workspace.gitdir).is_dir():
                raise WorkspaceError(
                    f"the workspace {workspace.key} has lost its repository; look into it and remove it by force"
                )
            return True
        if self._read(workspace.key) is None and any(workspace.folder.iterdir()):
            raise WorkspaceError(f"a folder that Rig did not make is in the place of the workspace {workspace.key}")
        return False

    async def _make(self, planned: Workspace, repo: str | None, base: str | None) -> Workspace:
        settings = self._settings()
        if planned.strategy == "directory":
            await in_thread(lambda: self._write(planned))
            planned.folder.mkdir(mode=0o700)
            return planned
        given = repo or settings.repo
        if not given:
            raise WorkspaceError("no repository: neither the issue nor [workspace] repo names one")
        own = (settings.repo,) if not repo and settings.repo.startswith(("/", "~", ".")) else ()
        address = checked_address(given, (*settings.allow, *own))
        reference = base or settings.base
        if planned.strategy == "clone":
            return await self._clone(
                planned, address.text if address.path is None else str(address.path), address.protocol, reference
            )
        mirrors = self._state / "mirrors"
        async with self._lock(str(address.path or address.text)):
            common = await locate(self._git, address, mirrors)
        async with self._lock(str(common)):
            return await self._add_worktree(planned, common, reference)

    async def _add_worktree(self, planned: Workspace, common: Path, reference: str) -> Workspace:
        branch = planned.branch or ""
        start = await base_of(self._git, common, reference)
        name = f"rig-{planned.key}-{sha256(str(self.root).encode()).hexdigest()[:8]}"  # several roots may use one repository
        admin = common / "worktrees" / name
        made = msgspec.structs.replace(planned, common=str(common), gitdir=str(admin), base=start.commit)
        await in_thread(lambda: self._write(made))
        # the name of the entry is that of the folder: made under a name of Rig's own, then moved to its place
        nursery = self._state / "nursery" / name
        await in_thread(lambda: folders.clear(nursery, admin))
        extra = {"GIT_DIR": str(common)}
        exists = await self._git.succeeds("show-ref", "--quiet", "--verify", f"refs/heads/{branch}", cwd=common, extra=extra)
        what = ("--", str(nursery), branch) if exists else ("--no-track", "-b", branch, "--", str(nursery), start.commit)
        await self._git.run("worktree", "add", "--no-checkout", *what, cwd=common, extra=extra)
        await in_thread(lambda: folders.settle(nursery, admin, made.folder))
        tree = Tree(self._git, made.folder, admin, await self._git.view(admin, common, made.folder), branch)
        await tree.fill()
        return made

    async def _clone(self, planned: Workspace, source: str, protocol: str, reference: str) -> Workspace:
        gitdir = planned.folder / ".git"
        made = msgspec.structs.replace(planned, common=str(gitdir), gitdir=str(gitdir))
        await in_thread(lambda: self._write(made))
        options = ("--quiet", "--no-checkout", "--template=", "--no-hardlinks", "--no-recurse-submodules")
        await self._git.run(
            "clone", *options, "--", source, str(planned.folder), cwd=self.root, seconds=NETWORK_SECONDS, protocols=(protocol,)
        )
        common = await common_directory(self._git, planned.folder)
        start = await base_of(self._git, common, reference)
        made = msgspec.structs.replace(made, base=start.commit)
        view = await self._git.view(gitdir, common, planned.folder)
        tree = Tree(self._git, planned.folder, gitdir, view, planned.branch or "")
        await tree.start(start.commit)
        await tree.fill()
        return made

    async def _discard(self, workspace: Workspace) -> None:
        """Delete folder, worktree entry and record of a workspace, as far as they are there."""
        if workspace.common is not None and workspace.strategy == "worktree":
            async with self._lock(workspace.common):
                await in_thread(lambda: folders.clear(workspace.folder, Path(workspace.gitdir or workspace.path)))
        else:
            await in_thread(lambda: folders.clear(workspace.folder))
        await in_thread(lambda: self._file(workspace.key).unlink(missing_ok=True))

    @asynccontextmanager
    async def _lock(self, name: str) -> AsyncIterator[None]:
        lock = self._locks.get(name)
        if lock is None:
            lock = self._locks[name] = asyncio.Lock()
        async with lock:
            yield

    def _file(self, key: str) -> Path:
        return self._state / "workspaces" / f"{key}.json"

    def _read(self, key: str) -> Workspace | None:
        try:
            found = _workspace(self._file(key).read_bytes())
        except (FileNotFoundError, msgspec.DecodeError):
            return None
        return found if found.key == key and found.folder == self.root / key else None

    def _write(self, workspace: Workspace) -> None:
        file = self._file(workspace.key)
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = file.with_suffix(".new")
        with open(fresh, "wb") as out:
            out.write(msgspec.json.encode(workspace))
            out.flush()
            os.fsync(out.fileno())
        os.replace(fresh, file)
