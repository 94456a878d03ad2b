from pathlib import Path

import pytest

from rig.work.git import BadAddress, BadReference, Git, GitError, checked_address


@pytest.mark.parametrize(
    "text",
    [
        "https://github.com/a/b",
        "https://me@host:8443/x.git",
        "ssh://git@host/x",
        "git@github.com:owner/repo.git",
        "host:path/repo",
    ],
)
def test_https_and_ssh_are_always_allowed(text: str) -> None:
    assert checked_address(text).path is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "--upload-pack=touch x",
        "-oProxyCommand=x",
        "ext::sh -c id",
        "fd::3",
        "file:///etc",
        "/etc",
        "../x",
        "git://host/x",
        "http://host/x",
        "ssh://-oProxyCommand=x/y",
        "ssh://-x@host/y",
        "https:///x",
        "https://user:token@host/x",
        "https://host/a b",
        "https://host/\nx",
        "host:-x",
        "host:/x\0",
        "-x@host:y",
    ],
)
def test_every_other_address_is_refused(text: str) -> None:
    with pytest.raises(BadAddress) as raised:
        checked_address(text)
    assert "token" not in raised.value.message or "user" not in raised.value.message


@pytest.mark.parametrize(
    ("text", "allow", "allowed"),
    [
        ("git://127.0.0.1:9418/x", ["git://127.0.0.1:9418"], True),
        ("git://127.0.0.1:94180/x", ["git://127.0.0.1:9418"], False),
        ("http://host/a/b", ["http://host/a"], True),
        ("http://host/ab", ["http://host/a"], False),
        ("/srv/git/x", ["/srv/git"], True),
        ("/srv/git/../x", ["/srv/git"], False),
        ("/srv/gitx", ["/srv/git"], False),
        ("file:///srv/git/x", ["/srv/git"], True),
        ("file:///srv/git/x", ["file:///srv"], True),
        ("ext::sh", ["ext::sh"], False),
    ],
)
def test_others_are_allowed_by_prefix(text: str, allow: list[str], allowed: bool) -> None:
    if allowed:
        checked_address(text, allow)
    else:
        with pytest.raises(BadAddress):
            checked_address(text, allow)


@pytest.mark.parametrize("name", ["-x", "a..b", "@{-1}", "a b", "a\nb", "", "x.lock", "a~1", "HEAD^", "a:b", "*"])
async def test_what_can_be_no_reference_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadReference):
        await Git(tmp_path).check_reference(name)


async def test_references_are_accepted(tmp_path: Path) -> None:
    for name in ("main", "feature/x-1", "HEAD", "a" * 40):
        assert await Git(tmp_path).check_reference(name) == name


async def test_a_failure_carries_the_last_line_that_git_said(tmp_path: Path) -> None:
    with pytest.raises(GitError, match="git rev-parse: fatal: not a git repository"):
        await Git(tmp_path).run("rev-parse", "--git-dir", cwd=Path("/"))


async def test_git_sees_nothing_of_the_daemons_environment(tmp_path: Path) -> None:
    script = tmp_path / "git"
    script.write_text("#!/bin/sh\nenv\n")
    script.chmod(0o755)
    git = Git(
        tmp_path, inherited={"PATH": "/usr/bin:/bin", "RIG_MASTER_KEY": "secret", "HOME": "/home/me"}, executable=str(script)
    )
    shown = await git.run("x", cwd=tmp_path)
    assert "secret" not in shown
    assert "GIT_TERMINAL_PROMPT=0" in shown
    assert "GIT_ALLOW_PROTOCOL=none" in shown
    assert "HOME=/dev/null" in shown
    assert "HOME=/home/me" in await git.run("x", cwd=tmp_path, protocols=("https",))
