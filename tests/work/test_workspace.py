import asyncio
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from rig.errors import NotFound, WorkspaceError
from rig.work.git import Address, BadAddress, GitError
from rig.work.repository import base_of, locate
from rig.work.workspace import Workspace, WorkspaceDirty, Workspaces, WorkspaceSettings

Shell = Callable[..., str]


class Remote(Address):
    """A file address that is not resolved to its path, so that it is treated like one on another machine."""

    @property
    def protocol(self) -> str:
        return "file"


class Bench:
    """A manager of workspaces whose settings a test may change."""

    def __init__(self, root: Path, repository: Path) -> None:
        self.settings = WorkspaceSettings(repo=str(repository))
        self.workspaces = Workspaces(root, lambda: self.settings)


@pytest.fixture
def bench(tmp_path: Path, repository: Path) -> Bench:
    return Bench(tmp_path / "root", repository)


async def test_a_worktree_stands_on_the_issues_branch(bench: Bench, repository: Path, git: Shell) -> None:
    workspace = await bench.workspaces.ensure("owner/repo#42")
    assert workspace.branch == f"rig/{workspace.key}"
    assert workspace.folder.parent == bench.workspaces.root
    assert (workspace.folder / "README.md").read_text() == "hello\n"
    assert git(workspace.folder, "branch", "--show-current") == workspace.branch
    assert git(workspace.folder, "status", "--porcelain") == ""
    assert git(repository, "worktree", "list", "--porcelain").count("worktree ") == 2
    assert await bench.workspaces.head(workspace) == git(repository, "rev-parse", "main")


async def test_eight_worktrees_can_be_made_at_once(bench: Bench, repository: Path, git: Shell) -> None:
    made = await asyncio.gather(*(bench.workspaces.ensure(f"ENG-{n}") for n in range(8)))
    assert len({workspace.path for workspace in made}) == 8
    assert git(repository, "branch", "--list", "rig/*").count("rig/ENG-") == 8
    assert len(bench.workspaces.list()) == 8


async def test_workspaces_of_one_repository_can_be_asked_at_once_after_a_restart(bench: Bench, repository: Path) -> None:
    made = [await bench.workspaces.ensure(f"ENG-{n}") for n in range(4)]
    again = Bench(bench.workspaces.root, repository).workspaces
    heads = await asyncio.gather(*(again.head(workspace) for workspace in made))
    assert len(set(heads)) == 1


async def test_a_workspace_is_used_again_and_prepared_only_once(bench: Bench) -> None:
    prepared: list[Workspace] = []

    async def prepare(workspace: Workspace) -> None:
        assert (workspace.folder / "README.md").exists()
        prepared.append(workspace)

    first = await bench.workspaces.ensure("ENG-1", prepare=prepare)
    (first.folder / "half").write_text("done")
    bench.settings = replace(bench.settings, strategy="directory")
    again = await bench.workspaces.ensure("ENG-1", prepare=prepare)
    assert again == first
    assert (again.folder / "half").exists()
    assert len(prepared) == 1


async def test_a_workspace_whose_preparation_fails_is_discarded(bench: Bench) -> None:
    async def prepare(workspace: Workspace) -> None:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        await bench.workspaces.ensure("ENG-1", prepare=prepare)
    assert not (bench.workspaces.root / "ENG-1").exists()
    assert bench.workspaces.list() == []
    assert (await bench.workspaces.ensure("ENG-1")).ready


async def test_a_half_made_workspace_is_made_again(bench: Bench, tmp_path: Path, repository: Path) -> None:
    async def prepare(workspace: Workspace) -> None:
        (workspace.folder / "junk").write_text("x")
        shutil.copytree(bench.workspaces.root, tmp_path / "killed", symlinks=True)  # as a kill -9 here would leave it

    await bench.workspaces.ensure("ENG-1", prepare=prepare)
    shutil.rmtree(bench.workspaces.root)
    (tmp_path / "killed").rename(bench.workspaces.root)
    workspace = await Bench(bench.workspaces.root, repository).workspaces.ensure("ENG-1")
    assert workspace.ready
    assert not (workspace.folder / "junk").exists()


async def test_a_workspace_whose_folder_vanished_goes_on_from_its_branch(bench: Bench) -> None:
    workspace = await bench.workspaces.ensure("ENG-1")
    (workspace.folder / "a.txt").write_text("a")
    commit = await bench.workspaces.commit_leftovers(workspace, "work")
    shutil.rmtree(workspace.folder)
    again = await bench.workspaces.ensure("ENG-1")
    assert (again.folder / "a.txt").exists()
    assert await bench.workspaces.head(again) == commit


async def test_what_is_in_the_way_is_refused_and_left_alone(bench: Bench, tmp_path: Path) -> None:
    root = bench.workspaces.root
    (root / "FILE-1").write_text("mine")
    (root / "LINK-1").symlink_to(tmp_path)
    (root / "DIR-1").mkdir()
    (root / "DIR-1" / "mine").write_text("mine")
    for key in ("FILE-1", "LINK-1", "DIR-1"):
        with pytest.raises(WorkspaceError):
            await bench.workspaces.ensure(key)
    assert (root / "FILE-1").read_text() == "mine"
    assert (root / "DIR-1" / "mine").exists()
    assert (root / "LINK-1").is_symlink()


async def test_a_workspace_that_was_swapped_for_a_link_is_not_worked_on(bench: Bench, tmp_path: Path) -> None:
    workspace = await bench.workspaces.ensure("ENG-1")
    workspace.folder.rename(tmp_path / "elsewhere")
    workspace.folder.symlink_to(tmp_path / "elsewhere")
    for attempt in (bench.workspaces.commit_leftovers(workspace, "x"), bench.workspaces.head(workspace)):
        with pytest.raises(WorkspaceError):
            await attempt
    await bench.workspaces.remove(workspace, force=True)
    assert (tmp_path / "elsewhere" / "README.md").exists()


async def test_leftovers_are_committed_by_rig_on_the_issues_branch(bench: Bench, repository: Path, git: Shell) -> None:
    workspace = await bench.workspaces.ensure("ENG-1")
    assert await bench.workspaces.commit_leftovers(workspace, "nothing") is None
    (workspace.folder / "new.txt").write_text("new")
    (workspace.folder / "README.md").unlink()
    (workspace.folder / ".gitignore").write_text("*.log\n")
    (workspace.folder / "noise.log").write_text("noise")
    commit = await bench.workspaces.commit_leftovers(workspace, "ENG-1: work\n\nmore")
    assert commit == git(repository, "rev-parse", "rig/ENG-1") == await bench.workspaces.head(workspace)
    assert git(repository, "show", "--name-status", "--format=%an <%ae>%n%s", "rig/ENG-1").split() == (
        ["Rig", "<rig@rig.invalid>", "ENG-1:", "work", "A", ".gitignore", "D", "README.md", "A", "new.txt"]
    )
    assert git(workspace.folder, "status", "--porcelain") == ""
    assert git(repository, "rev-parse", "main") != commit


async def test_work_left_on_another_branch_ends_up_on_the_issues_branch(bench: Bench, repository: Path, git: Shell) -> None:
    workspace = await bench.workspaces.ensure("ENG-1")
    git(workspace.folder, "checkout", "--quiet", "-b", "agents-own")
    (workspace.folder / "one.txt").write_text("1")
    git(workspace.folder, "add", ".")
    git(workspace.folder, "commit", "--quiet", "-m", "one")
    (workspace.folder / "two.txt").write_text("2")
    commit = await bench.workspaces.commit_leftovers(workspace, "rest")
    assert git(repository, "log", "--format=%s", "rig/ENG-1").split() == ["rest", "one", "first"]
    assert git(workspace.folder, "branch", "--show-current") == "rig/ENG-1"
    git(workspace.folder, "checkout", "--quiet", "--detach", "main")
    (workspace.folder / "three.txt").write_text("3")
    merged = await bench.workspaces.commit_leftovers(workspace, "diverged")
    assert git(repository, "rev-parse", f"{merged}^1", f"{merged}^2").split() == [commit, git(repository, "rev-parse", "main")]


async def test_work_that_the_agent_committed_itself_needs_no_commit(bench: Bench, repository: Path, git: Shell) -> None:
    workspace = await bench.workspaces.ensure("ENG-1")
    (workspace.folder / "one.txt").write_text("1")
    git(workspace.folder, "add", ".")
    git(workspace.folder, "commit", "--quiet", "-m", "one")
    assert await bench.workspaces.commit_leftovers(workspace, "rest") is None
    assert git(repository, "log", "-1", "--format=%s", "rig/ENG-1") == "one"


async def test_locks_and_half_merges_of_a_dead_agent_do_not_stop_the_commit(bench: Bench) -> None:
    workspace = await bench.workspaces.ensure("ENG-1")
    gitdir = Path(workspace.gitdir or "")
    (gitdir / "index.lock").write_text("")
    (gitdir / "MERGE_HEAD").write_text("0" * 40 + "\n")
    (workspace.folder / "a").write_text("a")
    assert await bench.workspaces.commit_leftovers(workspace, "a")


@pytest.mark.parametrize("strategy", ["worktree", "clone"])
async def test_nothing_that_an_agent_configured_is_run(bench: Bench, tmp_path: Path, git: Shell, strategy: str) -> None:
    bench.settings = replace(bench.settings, strategy=strategy)  # type: ignore[arg-type]  # the parameter's two values
    workspace = await bench.workspaces.ensure("ENG-1")
    proof = tmp_path / "executed"
    evil = f"touch {proof}; cat"
    folder = workspace.folder
    hooks = Path(git(folder, "rev-parse", "--path-format=absolute", "--git-path", "hooks"))
    hooks.mkdir(exist_ok=True)
    for hook in (
        "pre-commit",
        "post-commit",
        "post-checkout",
        "reference-transaction",
        "post-index-change",
        "fsmonitor-watchman",
    ):
        (hooks / hook).write_text(f"#!/bin/sh\ntouch {proof}\n")
        (hooks / hook).chmod(0o755)
    for name in ("core.fsmonitor", "filter.evil.clean", "filter.evil.smudge", "filter.evil.process", "diff.external"):
        git(folder, "config", name, evil)
    for name in ("diff.evil.textconv", "merge.evil.driver", "core.sshCommand", "core.editor", "core.pager", "gpg.program"):
        git(folder, "config", name, evil)
    git(folder, "config", "commit.gpgSign", "true")
    git(folder, "config", "filter.evil.required", "true")
    (folder / ".gitattributes").write_text("* filter=evil diff=evil merge=evil\n")
    (folder / "README.md").write_text("changed\n")
    nested = folder / "nested"
    nested.mkdir()
    git(nested, "init", "--quiet")
    empty = folder / "empty"
    empty.mkdir()
    git(empty, "init", "--quiet")
    (nested / "x").write_text("x")
    git(nested, "add", ".")
    git(nested, "commit", "--quiet", "-m", "x")
    git(nested, "config", "core.fsmonitor", evil)
    (nested / "x").write_text("y")
    proof.unlink(missing_ok=True)

    commit = await bench.workspaces.commit_leftovers(workspace, "work")
    assert commit is not None
    (folder / "README.md").write_text("again\n")
    with pytest.raises(WorkspaceDirty):
        await bench.workspaces.remove(workspace)
    await bench.workspaces.commit_leftovers(workspace, "more")
    assert await bench.workspaces.head(workspace)
    await bench.workspaces.ensure("ENG-2")
    await bench.workspaces.remove(workspace, force=True)
    assert not proof.exists()


async def test_nested_repositories_are_left_out(bench: Bench, repository: Path, git: Shell) -> None:
    workspace = await bench.workspaces.ensure("ENG-1")
    nested = workspace.folder / "vendor" / "lib"
    nested.mkdir(parents=True)
    git(nested, "init", "--quiet")
    (workspace.folder / "vendor" / "ours.txt").write_text("x")
    await bench.workspaces.commit_leftovers(workspace, "work")
    assert git(repository, "ls-tree", "-r", "--name-only", "rig/ENG-1").split() == ["README.md", "vendor/ours.txt"]


async def test_dirty_or_unmerged_workspaces_are_removed_only_by_force(bench: Bench, repository: Path, git: Shell) -> None:
    workspace = await bench.workspaces.ensure("ENG-1")
    (workspace.folder / "a").write_text("a")
    with pytest.raises(WorkspaceDirty):
        await bench.workspaces.remove(workspace)
    commit = await bench.workspaces.commit_leftovers(workspace, "a")
    with pytest.raises(WorkspaceDirty):
        await bench.workspaces.remove(workspace)
    git(repository, "merge", "--quiet", "rig/ENG-1")
    await bench.workspaces.remove(workspace)
    assert not workspace.folder.exists()
    assert git(repository, "rev-parse", "rig/ENG-1") == commit
    assert git(repository, "worktree", "list", "--porcelain").count("worktree ") == 1


async def test_removal_follows_no_link_and_copes_with_locked_folders(bench: Bench, tmp_path: Path) -> None:
    workspace = await bench.workspaces.ensure("ENG-1")
    treasure = tmp_path / "treasure"
    treasure.mkdir()
    (treasure / "gold").write_text("x")
    (workspace.folder / "link").symlink_to(treasure)
    locked = workspace.folder / "locked"
    locked.mkdir()
    (locked / "file").write_text("x")
    locked.chmod(0o500)
    await bench.workspaces.remove(workspace, force=True)
    assert (treasure / "gold").exists()
    assert not workspace.folder.exists()


async def test_a_clone_has_a_repository_of_its_own(bench: Bench, repository: Path, git: Shell) -> None:
    bench.settings = replace(bench.settings, strategy="clone")
    workspace = await bench.workspaces.ensure("ENG-1")
    assert git(workspace.folder, "branch", "--show-current") == "rig/ENG-1"
    (workspace.folder / "a").write_text("a")
    commit = await bench.workspaces.commit_leftovers(workspace, "a")
    assert git(workspace.folder, "rev-parse", "HEAD") == commit
    assert git(repository, "branch", "--list", "rig/*") == ""
    with pytest.raises(WorkspaceDirty):
        await bench.workspaces.remove(workspace)
    await bench.workspaces.remove(workspace, force=True)


async def test_a_plain_directory_knows_no_git(bench: Bench) -> None:
    bench.settings = WorkspaceSettings(strategy="directory")
    workspace = await bench.workspaces.ensure("ENG-1")
    assert workspace.branch is None
    assert await bench.workspaces.head(workspace) is None
    (workspace.folder / "a").write_text("a")
    assert await bench.workspaces.commit_leftovers(workspace, "a") is None
    with pytest.raises(WorkspaceDirty):
        await bench.workspaces.remove(workspace)
    await bench.workspaces.remove(workspace, force=True)


async def test_a_remote_repository_is_mirrored_and_fetched_for_each_new_workspace(
    bench: Bench, repository: Path, git: Shell
) -> None:
    address = f"file://{repository}"
    bench.settings = WorkspaceSettings(allow=(address,))
    manager = bench.workspaces
    git_ = manager._git

    mirror = await locate(git_, Remote(address), manager.root / ".rig" / "mirrors")
    first = await base_of(git_, mirror, "HEAD")
    assert first.commit == git(repository, "rev-parse", "main")
    git(mirror, "branch", "rig/ENG-9", first.commit)
    (repository / "new").write_text("x")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "-m", "second")
    git(mirror, "config", "url.ext::false.insteadOf", "file://")
    assert await locate(git_, Remote(address), manager.root / ".rig" / "mirrors") == mirror
    assert (await base_of(git_, mirror, "main")).commit == git(repository, "rev-parse", "main")
    assert git(mirror, "rev-parse", "rig/ENG-9") == first.commit


async def test_what_the_work_itself_names_must_be_allowed(bench: Bench, repository: Path) -> None:
    with pytest.raises(BadAddress):
        await bench.workspaces.ensure("ENG-1", repo=str(repository))
    with pytest.raises(WorkspaceError, match="no commit"):
        await bench.workspaces.ensure("ENG-1", base="nowhere")
    bench.settings = WorkspaceSettings(repo=str(repository.parent / "gone"))
    with pytest.raises(WorkspaceError, match="no repository"):
        await bench.workspaces.ensure("ENG-1")
    assert bench.workspaces.list() == []


async def test_a_branch_that_is_checked_out_elsewhere_is_said_so(bench: Bench, repository: Path, git: Shell) -> None:
    git(repository, "checkout", "--quiet", "-b", "rig/ENG-1")
    with pytest.raises(GitError, match="already checked out"):
        await bench.workspaces.ensure("ENG-1")


@pytest.mark.parametrize("key", ["..", ".", "", ".rig", "../x", "a/b", "/etc", "a\0", "NOPE-1"])
def test_a_key_that_is_none_is_not_found(bench: Bench, key: str) -> None:
    with pytest.raises(NotFound):
        bench.workspaces.find(key)
