"""Repositories that workspaces are made from: a local one as it is, a remote one as a bare mirror that is fetched."""

import re
import shutil
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from rig.errors import WorkspaceError
from rig.work.git import NETWORK_SECONDS, Address, Git, GitError
from rig.work.threads import in_thread


@dataclass(frozen=True)
class Base:
    """What a new branch starts from."""

    common: Path
    """The repository's common directory, where objects and refs are."""
    commit: str


async def locate(git: Git, address: Address, mirrors: Path) -> Path:
    """The common directory of the repository at ``address``; a remote one is mirrored, and fetched if it was before.

    Raises GitError when it can't be reached, WorkspaceError when the path is no repository.
    """
    if address.path is not None:
        return await common_directory(git, address.path)
    mirror = mirrors / f"{sha256(address.text.encode()).hexdigest()[:32]}.git"
    if not (mirror / "HEAD").is_file():
        mirrors.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = mirrors / f".new-{mirror.name}"
        await in_thread(lambda: shutil.rmtree(fresh, ignore_errors=True))
        await git.run("init", "--quiet", "--bare", "--template=", "--", str(fresh), cwd=mirrors)
        fresh.rename(mirror)
    await _fetch(git, address, mirror)
    return mirror


async def common_directory(git: Git, path: Path) -> Path:
    """The common directory of the local repository at ``path``."""
    if not path.is_dir():
        raise WorkspaceError(f"there is no repository at {path}")
    try:
        found = await git.run("rev-parse", "--path-format=absolute", "--git-common-dir", cwd=path)
    except GitError as error:
        raise WorkspaceError(f"{path} is no repository that can be used: {error.message}") from error
    return Path(found).resolve()


async def _fetch(git: Git, address: Address, mirror: Path) -> None:
    view = await git.view(mirror, mirror)
    view["GIT_DIR"] = view["GIT_COMMON_DIR"]  # also HEAD is the view's: a fetch needs none
    refspecs = ("+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*")
    options = ("--quiet", "--prune", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head")
    protocols = (address.protocol,)
    await git.run(
        "fetch", *options, "--", address.text, *refspecs, cwd=mirror, seconds=NETWORK_SECONDS, extra=view, protocols=protocols
    )
    head = await git.run(
        "ls-remote",
        "--symref",
        "--",
        address.text,
        "HEAD",
        cwd=mirror,
        seconds=NETWORK_SECONDS,
        extra=view,
        protocols=protocols,
    )
    if named := re.match(r"ref: refs/heads/(\S+)\tHEAD", head):
        await git.run("symbolic-ref", "refs/remotes/origin/HEAD", f"refs/remotes/origin/{named[1]}", cwd=mirror, extra=view)


async def base_of(git: Git, common: Path, reference: str) -> Base:
    """The commit that ``reference``, a branch, tag or commit id, names in the repository; ``HEAD`` is its default branch.

    Raises BadReference for what can be no name, WorkspaceError when there is no such commit.
    """
    name = await git.check_reference(reference)
    for candidate in (f"refs/remotes/origin/{name}", f"refs/heads/{name}", f"refs/tags/{name}", name):
        if candidate == name and name != "HEAD" and not re.fullmatch(r"[0-9a-f]{40,64}", name):
            continue
        try:
            arguments = ("rev-parse", "--quiet", "--verify", "--end-of-options", f"{candidate}^{{commit}}")
            return Base(common, await git.run(*arguments, cwd=common, extra={"GIT_DIR": str(common)}))
        except GitError:
            continue
    raise WorkspaceError(f"the repository has no commit that {name} names")
