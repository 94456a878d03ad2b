"""What damage of the log is called, and that nothing is changed where it is found (I6)."""

import hashlib
import os
import re
import shutil
import sqlite3
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.acceptance.daemon import Daemon, running
from tests.acceptance.wire import Connection

EVENTS = 30


@dataclass
class Damaged:
    """A stopped daemon's files, and what was known of them when they were whole."""

    daemon: Daemon
    first: int
    """Sequence of the event of marker 1; the others follow one by one."""

    @property
    def database(self) -> Path:
        return self.daemon.data / "log.db"

    @property
    def wal(self) -> Path:
        return self.daemon.data / "log.db-wal"

    def sequence(self, n: int) -> int:
        return self.first + n - 1


def filled(directory: Path, *, killed: bool) -> Damaged:
    """A log of marked events, one commit each: killed amid its WAL, or stopped and all in the database."""
    with running(directory) as daemon:
        with Connection(daemon.url) as connection:
            for n in range(1, EVENTS + 1):
                body = {
                    "type": "ISSUE_APPROVED",
                    "repo": "acme/app",
                    "issueNumber": n,
                    "title": f"marker-{n:04d}-here",
                }
                assert connection.ask("POST", "/api/events", body).status == 200
        if killed:
            daemon.kill()
        else:
            assert daemon.stop() == 0
    exported = daemon.rig("export").stdout.splitlines()
    (line,) = [line for line in exported if "marker-0001-here" in line]
    return Damaged(daemon, int(re.findall(r'"sequence":(\d+)', line)[0]))


def flip(file: Path, at: int) -> None:
    with file.open("r+b") as opened:
        opened.seek(at)
        (byte,) = opened.read(1)
        opened.seek(at)
        opened.write(bytes([byte ^ 4]))


def body_bit(damaged: Damaged) -> int:
    """Flip a bit in every copy of event 11's text in the database."""
    content = damaged.database.read_bytes()
    places = [m.start() for m in re.finditer(b"marker-0011-here", content)]
    assert places
    for place in places:
        flip(damaged.database, place + 3)
    return damaged.sequence(11)


def wal_bit(damaged: Damaged) -> int:
    """Flip a bit in the frame that first held event 20; SQLite itself takes the log to end there."""
    flip(damaged.wal, damaged.wal.read_bytes().index(b"marker-0020-here"))
    return damaged.sequence(20)


def wal_tail(damaged: Damaged) -> int:
    """Cut the WAL within the last commit's first frame of the last event."""
    at = damaged.wal.read_bytes().index(b"marker-0030-here")
    os.truncate(damaged.wal, at)
    return damaged.sequence(30)


def wal_gone(damaged: Damaged) -> int:
    """The WAL is deleted; nothing of this run was checkpointed but its beginning."""
    damaged.wal.unlink()
    return 0


def database_cut(damaged: Damaged) -> int:
    """The second half of the database is gone."""
    os.truncate(damaged.database, damaged.database.stat().st_size // 2 // 4096 * 4096)
    return 0


def page_zeroed(damaged: Damaged) -> int:
    """The page that holds event 5 is nothing but zeros; the events of pages before it are whole."""
    content = damaged.database.read_bytes()
    (size,) = struct.unpack(">H", content[16:18])
    page = content.index(b"marker-0005-here") // size
    with damaged.database.open("r+b") as opened:
        opened.seek(page * size)
        opened.write(bytes(size))
    return 0


def rows_swapped(damaged: Damaged) -> int:
    """Two events have changed their bodies."""
    with sqlite3.connect(damaged.database) as connection:
        rows = dict(
            connection.execute(
                "SELECT sequence, body FROM events WHERE sequence IN (?, ?)", (damaged.sequence(8), damaged.sequence(9))
            )
        )
        connection.execute("UPDATE events SET body = ? WHERE sequence = ?", (rows[damaged.sequence(9)], damaged.sequence(8)))
        connection.execute("UPDATE events SET body = ? WHERE sequence = ?", (rows[damaged.sequence(8)], damaged.sequence(9)))
        connection.commit()
    connection.close()
    return damaged.sequence(8)


def row_deleted(damaged: Damaged) -> int:
    connection = sqlite3.connect(damaged.database)
    connection.execute("DELETE FROM events WHERE sequence = ?", (damaged.sequence(14),))
    connection.commit()
    connection.close()
    return damaged.sequence(15)


def newest_deleted(damaged: Damaged) -> int:
    """The log is shortened neatly, with all that SQL can see of it."""
    connection = sqlite3.connect(damaged.database)
    last = connection.execute("SELECT max(sequence) FROM events").fetchone()[0]
    connection.execute("DELETE FROM events WHERE sequence > ?", (last - 2,))
    connection.commit()
    connection.close()
    return int(last) - 1


def database_gone(damaged: Damaged) -> int:
    damaged.database.unlink()
    return 1


def contents(directory: Path) -> dict[str, str]:
    return {
        str(p.relative_to(directory)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in directory.rglob("*")
        if p.is_file() and p.name not in ("lock", "log.db-shm")
    }


Damage = Callable[[Damaged], int]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Damaged]:
    """By whether it was killed: one history that each test takes a copy of."""
    return {killed: filled(tmp_path_factory.mktemp("whole") / "rig", killed=killed) for killed in (True, False)}


@pytest.mark.parametrize(
    ("killed", "damage"),
    [
        (False, body_bit),
        (True, wal_bit),
        (True, wal_tail),
        (False, database_cut),
        pytest.param(True, wal_gone, marks=pytest.mark.chaos),
        pytest.param(False, page_zeroed, marks=pytest.mark.chaos),
        pytest.param(False, rows_swapped, marks=pytest.mark.chaos),
        pytest.param(False, row_deleted, marks=pytest.mark.chaos),
        pytest.param(False, newest_deleted, marks=pytest.mark.chaos),
        pytest.param(False, database_gone, marks=pytest.mark.chaos),
    ],
)
def test_damage_is_reported_with_its_first_bad_sequence_and_nothing_is_changed(
    tmp_path: Path, whole: dict[bool, Damaged], killed: bool, damage: Damage
) -> None:
    """I6"""
    shutil.copytree(whole[killed].daemon.directory, tmp_path / "rig")
    damaged = Damaged(Daemon(tmp_path / "rig"), whole[killed].first)
    wanted = damage(damaged)
    before = contents(damaged.daemon.data)
    doctor = damaged.daemon.rig("doctor")
    assert doctor.returncode == 1, doctor.stdout
    failed = "\n".join(line for line in doctor.stdout.splitlines() if line.startswith("fail"))
    said = re.search(r"damaged at sequence (\d+)|its head says", failed)
    assert said is not None, doctor.stdout + doctor.stderr
    began = time.monotonic()
    process = damaged.daemon.launch()
    assert process.wait(10) == 1
    assert time.monotonic() - began < 3
    damaged.daemon.kill()
    served = damaged.daemon.log.read_text().strip().splitlines()[-1]
    named = re.search(r"damaged at sequence (\d+)", served)
    assert named is not None, served
    assert "Traceback" not in damaged.daemon.log.read_text()
    if said[1]:
        assert named[1] == said[1]
    if wanted:
        assert int(named[1]) == wanted
    assert contents(damaged.daemon.data) == before
