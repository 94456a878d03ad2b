"""The tools of a model: what they do, and that nothing outside of the workspace is read or written, as tables."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from rig.work.environment import environment
from rig.work.process import Child, spawn
from rig_openai import toolbox as toolbox_module
from rig_openai.config import OpenAIConfig
from rig_openai.folder import MAX_FILE, Folder, ToolError
from rig_openai.toolbox import MAX_QUESTION, Result, Toolbox
from tests.standins.session import LocalSession

SECRET = "what nobody may read"


class Launching(LocalSession):
    """A session whose programs are started and ended as Rig does it."""

    def __init__(self, workspace: Path, config: Any) -> None:
        super().__init__(workspace, config)
        self.children: list[Child] = []

    async def spawn(self, argv: Sequence[str], *, stdin: bytes | None = None, line_bytes: int = 0, **_: Any) -> Child:  # type: ignore[override]
        self.argv.append(list(argv))
        child = await spawn(argv, cwd=self.workspace, env=environment({}), line_bytes=line_bytes)
        self.children.append(child)
        child.feed(stdin or b"", close=True)
        return child


class Box:
    """A workspace with something outside of it, and the tools."""

    def __init__(self, folder: Path) -> None:
        self.outside = folder / "outside"
        self.root = folder / "workspace"
        self.outside.mkdir()
        self.root.mkdir()
        (self.outside / "secret.txt").write_text(SECRET)
        (self.root / "src").mkdir()
        (self.root / "src" / "app.py").write_text("one\ntwo\nthree\ntwo\n")
        self.questions: list[str] = []
        self.allowed = True
        self.session = Launching(self.root, None)

    def tools(self, **config: Any) -> Toolbox:
        return Toolbox("qwen", self.session, OpenAIConfig(**{"approval": "auto", **config}), self._asked)

    async def call(self, name: str, **arguments: Any) -> Result:
        return await self.tools().call(name, json.dumps(arguments))

    async def _asked(self, question: str) -> bool:
        self.questions.append(question)
        return self.allowed


@pytest.fixture
async def box(tmp_path: Path) -> AsyncIterator[Box]:
    made = Box(tmp_path)
    yield made
    for child in made.session.children:
        await child.end(0)


def to_file(box: Box) -> None:
    (box.root / "link").symlink_to(box.outside / "secret.txt")


def to_folder(box: Box) -> None:
    (box.root / "link").symlink_to(box.outside)


def relative(box: Box) -> None:
    (box.root / "src" / "link").symlink_to("../../outside")


def chain(box: Box) -> None:
    (box.root / "a").symlink_to("b")
    (box.root / "b").symlink_to(box.outside)


def loop(box: Box) -> None:
    (box.root / "link").symlink_to("link")


def root_beside(box: Box) -> None:
    (box.root.parent / "workspace-other").mkdir()
    (box.root.parent / "workspace-other" / "secret.txt").write_text(SECRET)
    (box.root / "link").symlink_to(box.root.parent / "workspace-other")


def gitlink(box: Box) -> None:
    (box.root / ".git").mkdir()
    (box.root / ".git" / "config").write_text(SECRET)
    (box.root / "link").symlink_to(".git")


def nothing(box: Box) -> None: ...


ESCAPES: list[tuple[str, Callable[[Box], None]]] = [
    ("/etc/passwd", nothing),
    ("//etc/passwd", nothing),
    ("../outside/secret.txt", nothing),
    ("src/../../outside/secret.txt", nothing),
    ("src/..", nothing),
    ("./../outside/secret.txt", nothing),
    ("~/secret.txt", nothing),
    ("", nothing),
    ("link", to_file),
    ("link/secret.txt", to_folder),
    ("src/link/secret.txt", relative),
    ("a/secret.txt", chain),
    ("link/new/deep.txt", to_folder),
    ("link", loop),
    ("link/secret.txt", root_beside),
    ("link/config", gitlink),
    (".git/config", gitlink),
    (".GIT/config", gitlink),
    ("src/.git/hooks/pre-commit", nothing),
    (".git", nothing),
    ("git~1/config", nothing),
    (".git./config", nothing),
    ("src/app.py\0.txt", nothing),
    ("src/\ud800", nothing),
    ("src/" + "x" * 300, nothing),
    ("x/" * 600, nothing),
    ("src/app.py/below", nothing),
]


@pytest.mark.parametrize(("path", "prepare"), ESCAPES)
async def test_no_path_leads_out_of_the_workspace_or_into_git(box: Box, path: str, prepare: Callable[[Box], None]) -> None:
    prepare(box)
    before = {p: p.read_bytes() for p in box.outside.rglob("*") if p.is_file()}
    for name, more in [
        ("read", {}),
        ("write", {"content": "x"}),
        ("edit", {"old": SECRET, "new": "x"}),
        ("search", {"pattern": "nobody"}),
    ]:
        made = await box.call(name, path=path, **more)
        assert SECRET not in made.text, name
        assert not (made.ok and name != "search"), (name, made)
        assert "Traceback" not in made.text
    assert {p: p.read_bytes() for p in box.outside.rglob("*") if p.is_file()} == before


async def test_search_does_not_follow_links_out(box: Box) -> None:
    to_folder(box)
    (box.root / "file").symlink_to(box.outside / "secret.txt")
    assert (await box.call("search", pattern="nobody")) == Result(True, "nothing was found")


async def test_a_link_within_the_workspace_is_followed_and_stays_a_link(box: Box) -> None:
    (box.root / "link.py").symlink_to("src/app.py")
    assert "three" in (await box.call("read", path="link.py")).text
    assert (await box.call("edit", path="link.py", old="three", new="3")).ok
    assert (box.root / "link.py").is_symlink()
    assert (box.root / "src" / "app.py").read_text() == "one\ntwo\n3\ntwo\n"


@pytest.mark.parametrize("what", ["file", "folder"])
def test_what_becomes_a_link_after_it_was_looked_at_is_not_followed(
    box: Box, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    folder = Folder(box.root)
    looked = Folder.parts

    def swapped(self: Folder, path: str, *, write: bool = False) -> list[str]:
        parts = looked(self, path, write=write)
        if what == "file":
            (box.root / "src" / "secret.txt").unlink(missing_ok=True)
            (box.root / "src" / "secret.txt").symlink_to(box.outside / "secret.txt")
        elif not (box.root / "src").is_symlink():
            (box.root / "src").rename(box.root / "was")
            (box.root / "src").symlink_to(box.outside)
        return parts

    (box.root / "src" / "secret.txt").write_text("harmless")
    monkeypatch.setattr(Folder, "parts", swapped)
    with pytest.raises(ToolError):
        folder.read("src/secret.txt")
    with pytest.raises(ToolError):
        folder.write("src/secret.txt", b"overwritten")
    if what == "folder":
        with pytest.raises(ToolError):
            folder.write("src/new/file.txt", b"made")
    assert [p.name for p in box.outside.iterdir()] == ["secret.txt"]
    assert (box.outside / "secret.txt").read_text() == SECRET


async def test_another_name_of_a_file_keeps_its_content(box: Box) -> None:
    os.link(box.outside / "secret.txt", box.root / "hard.txt")
    assert (await box.call("write", path="hard.txt", content="mine")).ok
    assert (box.outside / "secret.txt").read_text() == SECRET


async def test_what_is_no_ordinary_file_is_told_and_waited_for_by_nobody(box: Box) -> None:
    os.mkfifo(box.root / "pipe")
    async with asyncio.timeout(10):
        for made in (
            await box.call("read", path="pipe"),
            await box.call("write", path="pipe", content="x"),
            await box.call("edit", path="pipe", old="a", new="b"),
        ):
            assert not made.ok
            assert "no ordinary file" in made.text
        assert (await box.call("search", pattern="x")).text == "nothing was found"
        assert not (await box.call("write", path="src", content="x")).ok


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x7fELF\0\0", "binary file of 6 bytes"),
        (b"\xff\xfe latin \xe4\n", "latin"),
        (b"", "empty"),
        (b"x" * (MAX_FILE + 1), "larger than 8 MiB"),
        (b"y" * 100_000, "98000 characters more"),
        (b"z\n" * 50_000, "go on with start 1001"),
    ],
)
async def test_reading_says_what_a_file_is_and_never_more_than_fits(box: Box, content: bytes, said: str) -> None:
    (box.root / "some").write_bytes(content)
    made = await box.call("read", path="some")
    assert said in made.text
    assert len(made.text) < 45_000


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ({}, "[src/app.py, lines 1 to 4 of 4]\none\ntwo\nthree\ntwo"),
        ({"start": 3}, "[src/app.py, lines 3 to 4 of 4]\nthree\ntwo"),
        (
            {"start": 2, "lines": 1},
            "[src/app.py, lines 2 to 2 of 4]\ntwo\n[2 lines more; go on with start 3]",
        ),
        ({"start": "2", "lines": "1"}, "[src/app.py, lines 2 to 2 of 4]\ntwo\n[2 lines more; go on with start 3]"),
    ],
)
async def test_reading_gives_the_lines_that_were_asked_for(box: Box, arguments: dict[str, Any], shown: str) -> None:
    assert await box.call("read", path="src/app.py", **arguments) == Result(True, shown)


async def test_reading_past_the_end_and_reading_a_folder(box: Box) -> None:
    assert await box.call("read", path="src/app.py", start=5) == Result(False, "src/app.py has 4 lines")
    (box.root / ".git").mkdir()
    assert await box.call("read", path=".") == Result(True, "[., a folder of 1]\nsrc/")
    assert await box.call("read", path="src") == Result(True, "[src, a folder of 1]\napp.py")


async def test_writing_makes_folders_keeps_modes_and_leaves_nothing_behind(box: Box) -> None:
    assert await box.call("write", path="a/b/c.txt", content="äß€\n") == Result(True, "made a/b/c.txt, 8 bytes", True)
    (box.root / "a/b/c.txt").chmod(0o755)
    assert await box.call("write", path="a/b/c.txt", content="x") == Result(True, "replaced a/b/c.txt, 1 bytes", True)
    assert await box.call("write", path="a/b/c.txt", content="x") == Result(True, "a/b/c.txt has that content already")
    assert os.listdir(box.root / "a/b") == ["c.txt"]
    assert (box.root / "a/b/c.txt").stat().st_mode & 0o777 == 0o755
    assert not (await box.call("write", path="big", content="x" * (MAX_FILE + 1))).ok
    assert not (await box.call("write", path="bad", content="\ud800")).ok


@pytest.mark.parametrize(
    ("before", "old", "new", "after"),
    [
        ("one\ntwo\n", "two", "2", "one\n2\n"),
        ("one\r\ntwo\r\nthree\r\n", "one\ntwo", "1\n2", "1\r\n2\r\nthree\r\n"),
        ("tabs\there", "\t", " ", "tabs here"),
        ("gone\nstays\n", "gone\n", "", "stays\n"),
        ("two two", "two", "2", None),
        ("one", "two", "2", None),
        ("one", "one", "one", None),
        ("one", "", "x", None),
    ],
)
async def test_an_edit_replaces_a_text_that_is_there_once(box: Box, before: str, old: str, new: str, after: str | None) -> None:
    file = box.root / "file"
    file.write_bytes(before.encode())
    made = await box.call("edit", path="file", old=old, new=new)
    assert made.ok is (after is not None), made
    assert file.read_bytes().decode() == (before if after is None else after)


@pytest.mark.parametrize("content", [b"\0one", b"\xffone"])
async def test_what_is_no_text_is_not_edited(box: Box, content: bytes) -> None:
    (box.root / "file").write_bytes(content)
    assert not (await box.call("edit", path="file", old="one", new="two")).ok
    assert (box.root / "file").read_bytes() == content


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ({"pattern": "two"}, "src/app.py:2:two\nsrc/app.py:4:two\n"),
        ({"pattern": "t.o"}, "nothing was found"),
        ({"pattern": "^t.o$", "regex": True}, "src/app.py:2:two\nsrc/app.py:4:two\n"),
        ({"pattern": "TWO", "ignore_case": True, "path": "src"}, "src/app.py:2:two\nsrc/app.py:4:two\n"),
        ({"pattern": "two", "glob": "*.txt"}, "nothing was found"),
        ({"pattern": "three", "glob": "src/*.py"}, "src/app.py:3:three\n"),
        ({"pattern": "three", "path": "src/app.py"}, "src/app.py:3:three\n"),
    ],
)
async def test_search_finds_texts_and_expressions(box: Box, arguments: dict[str, Any], found: str) -> None:
    (box.root / "node_modules").mkdir()
    (box.root / "node_modules" / "x.py").write_text("two\nthree\n")
    (box.root / "binary").write_bytes(b"\0two")
    assert await box.call("search", **arguments) == Result(True, found)


async def test_search_tells_what_is_wrong_and_where_it_stops(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    (box.root / "many").write_text("word\n" * 1000)
    (box.root / "long").write_text("a" * 5000 + "needle" + "b" * 5000)
    many = (await box.call("search", pattern="word")).text
    assert many.count("many:") == toolbox_module.MATCHES
    assert "there are more matches" in many
    assert "needle" in (found := (await box.call("search", pattern="needle")).text)
    assert len(found) < 400
    monkeypatch.setattr(toolbox_module, "SEARCH_SECONDS", 1)
    endless = await box.call("search", pattern="(a+)+c", regex=True)
    assert endless == Result(False, "the search took longer than 1 s; search for something simpler")


@pytest.mark.parametrize(
    ("command", "output"),
    [
        ("echo out; echo err >&2; exit 3", "[exit 3]\nout\nerr\n"),
        (["printf", "%s|", "a b", "$HOME"], "[exit 0]\na b|$HOME|\n"),
        ("true", "[exit 0, no output]"),
        ("kill -9 $$", "[signal 9, no output]"),
        ("cat", "[exit 0, no output]"),
        ("printf '\\0x'", "[exit 0]\n\ufffdx\n"),
    ],
)
async def test_a_command_gives_its_output_and_its_end(box: Box, command: Any, output: str) -> None:
    made = await box.call("run", command=command)
    assert made == Result("exit 0" in output, output)


@pytest.mark.parametrize("command", ["", " ", [], [""], "a\0b", ["a", "\ud800"], {"a": 1}, None])
async def test_what_is_no_command_is_said(box: Box, command: Any) -> None:
    made = await box.call("run", command=command)
    assert not made.ok
    assert box.session.argv == []


async def test_a_command_that_is_not_there_is_said(box: Box) -> None:
    made = await box.call("run", command=["no-such-program-anywhere"])
    assert "not found" in made.text
    assert "exit 127" in made.text


def gone(pid: int) -> bool:
    """Whether a process has ended; nobody may have looked after it yet."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def test_a_command_that_takes_too_long_is_ended_with_all_it_started(box: Box) -> None:
    made = await box.call("run", command="echo begun; sleep 1000 & echo $! > child; sleep 1000", seconds=1)
    assert made == Result(False, "[ended after 1 s, which is all it has]\nbegun\n")
    assert gone(int((box.root / "child").read_text()))


async def test_what_a_command_leaves_running_is_ended(box: Box) -> None:
    await box.call("run", command="sleep 1000 > /dev/null 2>&1 & echo $! > child")
    assert gone(int((box.root / "child").read_text()))


async def test_an_endless_output_is_cut_in_its_middle(box: Box) -> None:
    made = await box.call("run", command="echo first; yes | head -c 3000000; echo last")
    assert made.text.startswith("[exit 0]\nfirst\n")
    assert made.text.endswith("last\n")
    assert "characters left out" in made.text
    assert len(made.text) < 45_000


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("delete", "{}", "there is no tool 'delete'; there are: read, search, write, edit, run"),
        ("read", "{", "the arguments are not JSON"),
        ("read", "[1]", "not a JSON object"),
        ("read", "", "path: Field required"),
        ("read", '{"path": "x", "start": 0}', "start: Input should be greater than or equal to 1"),
        ("read", '{"path": 3}', "path: Input should be a valid string"),
        ("write", '{"path": "x"}', "content: Field required"),
        ("read", "[" * 100_000, "the arguments are not JSON"),
        ("", "{}", "there is no tool ''"),
    ],
)
async def test_a_call_that_is_none_is_said(box: Box, name: str, arguments: str, said: str) -> None:
    made = await box.tools().call(name, arguments)
    assert not made.ok
    assert said in made.text


async def test_a_tool_that_is_taken_away_is_not_there(box: Box) -> None:
    made = await box.tools(disallowed_tools=("run",)).call("run", '{"command": "true"}')
    assert made == Result(False, "there is no tool 'run'; there are: read, search, write, edit")


NEEDING = {
    "write": {"path": "new.txt", "content": "some\ntext"},
    "edit": {"path": "src/app.py", "old": "three", "new": "3"},
    "run": {"command": "echo hello > said"},
}


@pytest.mark.parametrize("name", NEEDING)
async def test_what_needs_permission_is_asked_for_and_not_done_without(box: Box, name: str) -> None:
    given = json.dumps(NEEDING[name])
    box.allowed = False
    refused = await box.tools(approval="ask").call(name, given)
    assert refused == Result(False, f"{name} was not allowed")
    assert sorted(p.name for p in box.root.iterdir()) == ["src"]
    assert "three" in (box.root / "src" / "app.py").read_text()
    box.allowed = True
    assert (await box.tools(approval="ask").call(name, given)).ok
    shown = {
        "write": "qwen wants to write new.txt:\nsome\ntext",
        "edit": "qwen wants to edit src/app.py:\n- three\n+ 3",
        "run": "qwen wants to run a command:\necho hello > said",
    }
    assert box.questions == [shown[name]] * 2


async def test_nobody_is_asked_for_what_may_be_done_or_cannot_be(box: Box) -> None:
    ask = box.tools(approval="ask", allowed_tools=("edit",))
    assert (await ask.call("read", '{"path": "src/app.py"}')).ok
    assert (await ask.call("search", '{"pattern": "x"}')).ok
    assert (await ask.call("edit", json.dumps(NEEDING["edit"]))).ok
    assert not (await ask.call("write", '{"path": "../x", "content": "x"}')).ok
    assert not (await ask.call("run", json.dumps({"command": "true #" + "x" * MAX_QUESTION}))).ok
    assert box.questions == []
