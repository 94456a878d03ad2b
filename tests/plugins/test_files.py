"""A folder of Markdown files as a tracker: what a file means, and what is no issue."""

import os
import time
from pathlib import Path
from typing import Any

import pytest

from rig import PollContext, TrackerUnavailable
from rig_files.config import FilesConfig
from rig_files.mapping import issue
from rig_files.matter import BadFile, split
from rig_files.tracker import LARGEST, MOST, FileBoard

YAML = """---
id: ENG-7
title: Start faster
state: In Progress
labels: [api, 12]
priority: 1
blocked_by: [ENG-3, 4]
parent: ENG-1
created: 2026-01-02
mine: anything
---
# Not this

Because.
"""
TOML = '+++\nstatus = "done"\ntags = ["x"]\npriority = "urgent"\n+++\nText.\n'


def read(name: str = "1-a", text: str = "", folder: str = "", **config: Any) -> Any:
    return issue(name, folder, text, FilesConfig(**config), "v")


def test_every_field_of_a_file_is_read() -> None:
    found = read("ignored", YAML)
    assert (found.id, found.identifier, found.title, found.state, found.phase) == (
        *("ENG-7", "ENG-7", "Start faster", "In Progress", "active"),
    )
    assert (found.labels, found.priority, found.depends_on, found.parent) == (
        *(("api", "12"), "critical", ("ENG-3", "TASK-4"), "ENG-1"),
    )
    assert (found.description, found.created) == ("# Not this\n\nBecause.", "2026-01-02")
    other = read("9", TOML)
    assert (other.identifier, other.phase, other.labels, other.priority) == ("TASK-9", "done", ("x",), "critical")


@pytest.mark.parametrize(
    ("name", "config", "identifier"),
    [
        ("12", {}, "TASK-12"),
        ("012-start-faster", {}, "TASK-12"),
        ("12_start", {"prefix": "OPS"}, "OPS-12"),
        ("12-start", {"repo": "acme/app"}, "acme/app#12"),
        ("ENG-12-start", {"repo": "acme/app"}, "ENG-12"),
    ],
)
def test_a_file_is_named_by_its_number_or_its_identifier(name: str, config: dict[str, Any], identifier: str) -> None:
    assert read(name, **config).identifier == identifier


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("---\ntitle: Given\n---\n# Heading", "Given"),
        ("some text\n\n# Heading #\n", "Heading"),
        ("no heading", "start faster"),
    ],
)
def test_the_title_is_the_field_the_heading_or_the_name(text: str, title: str) -> None:
    assert read("12-start-faster", text).title == title


@pytest.mark.parametrize(
    ("text", "folder", "state", "phase"),
    [
        ("", "", "todo", "active"),
        ("", "in progress", "in progress", "active"),
        ("---\nstate: Done\n---", "todo", "Done", "done"),
        ("", "cancelled", "cancelled", "cancelled"),
        ("", "in review", "in review", "inactive"),
    ],
)
def test_the_state_is_the_field_or_the_folder(text: str, folder: str, state: str, phase: str) -> None:
    found = read("1", text, folder)
    assert (found.state, found.phase) == (state, phase)


@pytest.mark.parametrize(
    ("name", "text", "line", "why"),
    [
        ("1", "---\ntitle: x\n", 1, "has no closing ---"),
        ("1", "---\ntitle: x\nlabels: [a\n---\n", 4, "expected ',' or ']'"),
        ("1", "---\na: &a [1]\nb: *a\n---\n", 3, "anchors are not taken"),
        ("1", "---\n- a\n---\n", 2, "no table of fields"),
        ("1", "---\nwhen: 2026-13-01\n---\n", 2, "month must be in 1..12"),
        ("1", "---\n" + "[" * 5000 + "\n---\n", 2, "this is no YAML"),
        ("1", "+++\na = 1\nb = \n+++\n", 3, "Invalid value"),
        ("1", "---\n" + "a" * 17_000 + ": 1\n---\n", 1, "longer than 16384"),
        ("1", "---\nstate: [a]\n---\n", None, "state must be a text"),
        ("1", "---\nlabels: [{a: 1}]\n---\n", None, "labels must be a list of texts"),
        ("Start faster", "", None, "call it 1-start-faster.md, or give it an id"),
        ("1", "---\nid: ../../x\n---\n", None, "it names no issue"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_line(name: str, text: str, line: int | None, why: str) -> None:
    with pytest.raises(BadFile) as caught:
        read(name, text)
    assert (caught.value.line, why in caught.value.why) == (line, True), caught.value.why


@pytest.mark.parametrize(
    "head",
    [
        '---\ntitle: !!int ""\n---\n',
        "---\ntitle: !!bool x\n---\n",
        "---\ntitle: !!timestamp x\n---\n",
        f"---\ntitle: 0x{'f' * 9000}\n---\n",
        f"---\nlabels: [0x{'f' * 9000}]\n---\n",
        f"+++\ntitle = {'9' * 5000}\n+++\n",
        f"+++\npriority = [{'0x' + 'f' * 9000}]\n+++\n",
    ],
)
async def test_no_front_matter_keeps_the_other_files_from_being_read(tmp_path: Path, head: str) -> None:
    (tmp_path / "1-bad.md").write_text(head)
    (tmp_path / "2-good.md").write_text("# Fine")
    page = await FileBoard(FilesConfig(folder=str(tmp_path))).poll(PollContext())
    assert ([found.id for found in page.issues], list(page.faults)) == (["TASK-2"], ["TASK-1"])


@pytest.mark.parametrize(
    "line", ["# a" + " " * 100_000 + "b", "# " + "#" * 100_000 + "b", "# a" + " #" * 50_000 + "b", "#" + "\n" * 100_000]
)
def test_a_long_heading_takes_no_time(line: str) -> None:
    began = time.process_time()
    assert read("1-a", f"{line}\n\nText.").title
    assert time.process_time() - began < 1


def test_front_matter_survives_other_line_ends_and_a_byte_order_mark() -> None:
    assert split("\ufeff---\r\ntitle: x\r\n---\r\nbody\r\n") == ({"title": "x"}, "body\r\n", 4)


# The board


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "board"
    (made / "done").mkdir(parents=True)
    return made


async def test_a_board_is_its_files_and_those_of_its_folders(folder: Path) -> None:
    (folder / "1-a.md").write_text("A")
    (folder / "done" / "2-b.md").write_text("B")
    for ignored in ("README.md", ".3.md", "4.txt", "done/.5.md"):
        (folder / ignored).write_text("not this")
    page = await FileBoard(FilesConfig(folder=str(folder))).poll(PollContext())
    assert [(i.id, i.phase) for i in page.issues] == [("TASK-1", "active"), ("TASK-2", "done")]
    assert (page.complete, page.more, page.faults) == (True, False, {})


async def test_bad_files_are_named_and_the_others_are_read(folder: Path) -> None:
    board = FileBoard(FilesConfig(folder=str(folder)))
    (folder / "1-a.md").write_text("---\nid: ENG-1\n---\nA")
    assert [i.id for i in (await board.poll(PollContext())).issues] == ["ENG-1"]
    (folder / "1-a.md").write_text("---\nid: ENG-1\nlabels: [\n---\n")
    (folder / "2.md").write_bytes(b"ok\n\xff\xfe")
    (folder / "3.md").write_text("x" * (LARGEST + 1))
    (folder / "4.md").write_text("fine")
    (folder / "5-one.md").touch()
    (folder / "5-two.md").touch()
    page = await board.poll(PollContext())
    assert [i.id for i in page.issues] == ["TASK-4"]
    assert page.faults == {
        "ENG-1": "1-a.md, line 4: expected the node content, but found '<stream end>'",
        "TASK-2": "2.md, line 2: it is not UTF-8",
        "TASK-3": "3.md: it is longer than 256 KiB",
        "TASK-5": "5-one.md and 5-two.md are both TASK-5",
    }


async def test_links_and_what_is_no_file_lead_nowhere(folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.md"
    secret.write_text("secret")
    (folder / "1.md").symlink_to(secret)
    (folder / "todo").symlink_to(tmp_path)
    os.mkfifo(folder / "2.md")
    page = await FileBoard(FilesConfig(folder=str(folder))).poll(PollContext())
    assert page.issues == ()
    assert page.faults == {"TASK-2": "2.md: it is no regular file"}


async def test_a_file_that_is_replaced_is_read_again_and_one_that_moves_is_the_same(folder: Path) -> None:
    board = FileBoard(FilesConfig(folder=str(folder)))
    (folder / "1.md").write_text("one")
    first = (await board.poll(PollContext())).issues[0]
    fresh = folder / ".new"
    fresh.write_text("two")
    fresh.replace(folder / "1.md")
    assert [i.description for i in (await board.poll(PollContext())).issues] == ["two"]
    (folder / "1.md").replace(folder / "done" / "1.md")
    (moved,) = (await board.poll(PollContext())).issues
    assert (moved.id, moved.phase) == (first.id, "done")
    assert await board.fetch(["TASK-1", "TASK-9"]) == [moved]


async def test_a_board_that_is_not_there_or_too_big_is_not_read(folder: Path) -> None:
    with pytest.raises(TrackerUnavailable, match="does not exist"):
        await FileBoard(FilesConfig(folder=str(folder / "absent"))).poll(PollContext())
    for n in range(1, MOST + 2):
        (folder / f"{n}.md").touch()
    with pytest.raises(TrackerUnavailable, match="more than 1000 files"):
        await FileBoard(FilesConfig(folder=str(folder))).poll(PollContext())
