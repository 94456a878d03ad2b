"""Git, run so that nothing an agent or an issue wrote is executed: no hooks, filters, drivers or helpers but the operator's.

A command on a workspace never reads that repository's own configuration. It runs on a *view*: a common directory of Rig's
own with a fresh ``config``, whose objects and refs are links to the real ones. What the tree's attributes name has no
definition there, so it means nothing, however the real ``.git/config`` is rewritten, and whenever.
"""

import asyncio
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from rig.errors import WorkspaceError
from rig.text import Redactor, one_line
from rig.work.command import run
from rig.work.environment import environment
from rig.work.threads import in_thread

LOCAL_SECONDS = 120.0
NETWORK_SECONDS = 900.0

_OVERRIDES = {
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "core.attributesFile": os.devnull,
    "core.excludesFile": os.devnull,
    "core.editor": "false",
    "core.pager": "cat",
    "core.askPass": "",
    "diff.external": "",
    "diff.ignoreSubmodules": "all",
    "submodule.recurse": "false",
    "fetch.recurseSubmodules": "false",
    "commit.gpgSign": "false",
    "tag.gpgSign": "false",
    "gpg.program": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "protocol.ext.allow": "never",
    "advice.detachedHead": "false",
    "advice.addEmbeddedRepo": "false",
}
"""Whatever a configuration file says, these hold: the command's own scope goes before every file."""

_LINKED = ("objects", "refs", "packed-refs", "shallow")


class GitError(WorkspaceError):
    """Git could not do what it was asked to."""

    code = "git_failed"


class BadAddress(WorkspaceError):
    """The repository's address is not allowed."""

    code = "git_address_refused"


class BadReference(WorkspaceError):
    """That is no name of a branch, a tag or a commit."""

    code = "git_reference_refused"


@dataclass(frozen=True)
class Address:
    """Where a repository is, checked: a local path, or a URL that git may be given."""

    text: str
    path: Path | None = None
    """The resolved folder of a local repository, None for a remote one."""

    @property
    def protocol(self) -> str:
        if self.path is not None:
            return "file"
        scheme, found, _ = self.text.partition("://")
        return scheme if found else "ssh"


_SCP = re.compile(r"(?:[A-Za-z0-9._-]+@)?[A-Za-z0-9][A-Za-z0-9.-]*:(?!/)[^\s:-][^\s:]*\Z")
_URL = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<userinfo>[^/@\s]*@)?(?P<host>[^/@\s]*)(?P<path>/[^\s]*)?\Z")


def checked_address(text: str, allow: Sequence[str] = ()) -> Address:
    """The address that ``text`` gives, if it may be used: https and ssh, and what begins with an entry of ``allow``.

    Raises BadAddress: another scheme, a helper (``ext::``), a host or path that looks like an option, or a password in it,
    which would show in argument lists.
    """
    shown = one_line(Redactor()(text), 120)
    if not text or "\0" in text or "\n" in text or text.startswith("-") or re.match(r"[A-Za-z0-9+.-]*::", text):
        raise BadAddress(f"not an address of a repository: {shown}")
    url = _URL.match(text)
    if url is not None:
        if ":" in (url["userinfo"] or "") or url["host"].startswith("-") or (url["userinfo"] or "").startswith("-"):
            raise BadAddress(f"the address must not carry a password or an option: {shown}")
        if url["scheme"] == "file":
            path = Path(url["path"] or "/")
            if not _begins(text, allow) and not _inside(path, allow):
                raise BadAddress(f"[workspace] allow does not name {shown}")
            return Address(text, path.resolve())
        if url["scheme"] in ("https", "ssh") and url["host"] or _begins(text, allow):
            return Address(text)
        raise BadAddress(f"[workspace] allow does not name {shown}")
    if text.startswith(("/", "~", ".")):
        path = Path(text).expanduser().absolute()
        if not _inside(path, allow):
            raise BadAddress(f"[workspace] allow does not name {shown}")
        return Address(text, path.resolve())
    if _SCP.match(text):
        return Address(text)
    raise BadAddress(f"not an address of a repository: {shown}")


def _begins(text: str, allow: Sequence[str]) -> bool:
    return any(entry and (text == entry or text.startswith(entry.rstrip("/") + "/")) for entry in allow)


def _inside(path: Path, allow: Sequence[str]) -> bool:
    resolved = path.resolve()
    folders = (Path(entry).expanduser().resolve() for entry in allow if entry.startswith(("/", "~", ".")))
    return any(resolved.is_relative_to(folder) for folder in folders)


@dataclass(frozen=True)
class Git:
    """Runs git commands; one for a whole daemon."""

    state: Path
    """Folder of the views, mode 0700, outside every workspace."""
    inherited: Mapping[str, str] | None = None
    """The daemon's environment, None for the process's own; of it commands on the network also see HOME and the ssh agent."""
    executable: str = "git"
    _views: dict[Path, Path] = field(default_factory=dict, repr=False, compare=False)
    _making: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False, compare=False)

    async def run(
        self,
        *arguments: str,
        cwd: Path,
        seconds: float = LOCAL_SECONDS,
        stdin: bytes = b"",
        extra: Mapping[str, str] | None = None,
        protocols: Sequence[str] = (),
        limit: int = 1 << 20,
    ) -> str:
        """The output of one command without its last newline. ``protocols`` are those it may fetch by; none by default.

        Raises GitError with git's last line on stderr, also when ``seconds`` are over.
        """
        code, output, message = await self._run(arguments, cwd, seconds, stdin, extra or {}, protocols, limit)
        if code != 0:
            raise GitError(f"git {arguments[0]}: {message or f'exit status {code}'}")
        return output.removesuffix("\n")

    async def succeeds(self, *arguments: str, cwd: Path, extra: Mapping[str, str] | None = None) -> bool:
        """Whether a command that answers by its exit status says yes."""
        code, _, message = await self._run(arguments, cwd, LOCAL_SECONDS, b"", extra or {}, (), 1 << 20)
        if code not in (0, 1):
            raise GitError(f"git {arguments[0]}: {message or f'exit status {code}'}")
        return code == 0

    async def _run(
        self,
        arguments: Sequence[str],
        cwd: Path,
        seconds: float,
        stdin: bytes,
        extra: Mapping[str, str],
        protocols: Sequence[str],
        limit: int,
    ) -> tuple[int, str, str]:
        source = os.environ if self.inherited is None else self.inherited
        env = environment(
            {
                "LC_ALL": "C.UTF-8",
                "HOME": os.devnull,
                "GIT_CONFIG_GLOBAL": os.devnull,
                "GIT_CONFIG_NOSYSTEM": "1",
                "GIT_ATTR_NOSYSTEM": "1",
                "GIT_TERMINAL_PROMPT": "0",
                "GIT_ASKPASS": "",
                "GIT_SSH_COMMAND": "false",
                "GIT_ALLOW_PROTOCOL": ":".join(protocols) or "none",
                "GIT_OPTIONAL_LOCKS": "0",
                **extra,
            },
            source,
        )
        if protocols:  # the operator's own credentials and ssh settings, which no workspace can change
            env["GIT_SSH_COMMAND"] = "ssh -o BatchMode=yes"
            del env["GIT_CONFIG_GLOBAL"]
            env |= {name: source[name] for name in ("HOME", "SSH_AUTH_SOCK", "GIT_ASKPASS", "SSL_CERT_FILE") if name in source}
        settings = [part for name, value in _OVERRIDES.items() for part in ("-c", f"{name}={value}")]
        if protocols:
            settings = [*settings, *(part for name in protocols for part in ("-c", f"protocol.{name}.allow=always"))]
        done = await run([self.executable, *settings, *arguments], cwd=cwd, env=env, stdin=stdin, seconds=seconds, limit=limit)
        if done.timed_out:
            raise GitError(f"git {arguments[0]} took longer than {seconds:g} s")
        if done.dropped and done.code == 0:
            raise GitError(f"git {arguments[0]} said more than {limit} bytes")
        return done.code, done.stdout.decode(errors="replace"), one_line(Redactor()(done.last_line))

    async def check_reference(self, name: str) -> str:
        """``name`` if it can be a branch, a tag or a whole commit id; raises BadReference."""
        if re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", name) or name == "HEAD":
            return name
        bad = not name or name.startswith("-") or "\0" in name or len(name) > 255
        if bad or not await self.succeeds("check-ref-format", f"refs/heads/{name}", cwd=Path("/")):
            raise BadReference(f"no name of a branch, a tag or a commit: {one_line(name, 80)}")
        return name

    async def view(self, gitdir: Path, common: Path, worktree: Path | None = None) -> dict[str, str]:
        """Environment that makes commands use ``gitdir``'s HEAD and index, ``common``'s objects and refs, and Rig's config."""
        async with self._making:
            folder = self._views.get(common)
            if folder is None or not (folder / "config").is_file():
                folder = await self._make_view(common)
        env = {"GIT_DIR": str(gitdir), "GIT_COMMON_DIR": str(folder)}
        return env | {"GIT_WORK_TREE": str(worktree)} if worktree is not None else env

    async def _make_view(self, common: Path) -> Path:
        folder = self.state / sha256(str(common).encode()).hexdigest()[:32]
        format_ = await self.run("rev-parse", "--show-object-format", cwd=common, extra={"GIT_DIR": str(common)})
        await in_thread(lambda: _make_view(self.state, folder, common, format_))
        self._views[common] = folder
        return folder


def _make_view(state: Path, folder: Path, common: Path, object_format: str) -> None:
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = state / f".new-{os.getpid()}-{folder.name}"
    shutil.rmtree(fresh, ignore_errors=True)
    (fresh / "info").mkdir(mode=0o700, parents=True)
    extension = "" if object_format == "sha1" else f"[extensions]\n\tobjectFormat = {object_format}\n"
    version = 0 if object_format == "sha1" else 1
    logs = (common / "logs").is_dir()
    core = f"[core]\n\trepositoryFormatVersion = {version}\n\tbare = false\n\tlogAllRefUpdates = {str(logs).lower()}\n"
    (fresh / "config").write_text(core + extension)
    (fresh / "HEAD").write_text("ref: refs/heads/rig-view\n")
    for name in (*_LINKED, "logs") if logs else _LINKED:
        (fresh / name).symlink_to(common / name)
    shutil.rmtree(folder, ignore_errors=True)
    os.rename(fresh, folder)
