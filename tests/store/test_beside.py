"""The process that reads lists beside the daemon: it finds the same, and nothing is lost when it dies."""

import asyncio
import importlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from rig.http.queries import costs, issues, lists, work
from rig.model.tables import AGENTS, EXECUTIONS, ISSUES, QUEUE, Query
from rig.store import beside, ledger
from rig.store.port import Snapshot
from rig.store.reading import Reading
from rig.store.sqlite_reader import THREADS, SqliteReader
from rig.store.verify import DATABASE
from rig.wire import views
from tests.contracts.store import TENANT
from tests.store.test_sqlite import filled

ROOT = Path(__file__).parents[2]


def pid(snapshot: Snapshot) -> int:
    return os.getpid()


def slowly(snapshot: Snapshot, seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


def broken(snapshot: Snapshot, told: str) -> None:
    raise ValueError(told)


@pytest.fixture
async def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SqliteReader]:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # for the functions of this module
    await filled(tmp_path / "data")
    reader = SqliteReader(tmp_path / "data" / DATABASE)
    yield reader
    reader.close()


async def until_ready(reader: SqliteReader) -> None:
    async with asyncio.timeout(20):
        while not reader._beside.ready:
            await asyncio.sleep(0.01)


@pytest.fixture
async def two(reader: SqliteReader) -> SqliteReader:
    """A reader whose process is up."""
    reader._beside.want()
    await until_ready(reader)
    return reader


READINGS = (
    Reading(issues.issues, (Query(ISSUES, TENANT, (("state", "in", ("queued", "done")),), ("repo", "number"), 5, 2),)),
    Reading(issues.queue, (Query(QUEUE, TENANT, (("ready", "=", 1),), ("rank", "queued_sequence")),)),
    Reading(issues.trace, (TENANT, "acme/web#1")),
    Reading(issues.trace, (TENANT, "acme/web#999")),
    Reading(work.executions, (Query(EXECUTIONS, TENANT, (), ("-started_at",)), {"e": 5})),
    Reading(work.jobs, (TENANT, 1, 20, None)),
    Reading(costs.summary, (TENANT, 7, 0, ledger.Filter())),
    Reading(lists.array, (Query(AGENTS, TENANT), views.agent, 10**15)),
)


@pytest.mark.parametrize("reading", READINGS, ids=lambda reading: reading.function.__name__)
async def test_it_finds_what_a_thread_finds(two: SqliteReader, reading: Reading) -> None:
    found = await two.run(reading)
    assert found == await two.run(lambda snapshot: reading(snapshot))


async def test_what_can_be_sent_is_read_by_the_process_in_the_order_of_the_questions(two: SqliteReader) -> None:
    child = await two.run(Reading(pid))
    assert child != os.getpid()
    assert await two.run(lambda snapshot: os.getpid()) == os.getpid()
    slow = asyncio.ensure_future(two.run(Reading(slowly, (0.2,))))
    await asyncio.sleep(0)
    assert await two.run(Reading(pid)) == child
    assert slow.done()
    cancelled = asyncio.ensure_future(two.run(Reading(slowly, (0.05,))))
    await asyncio.sleep(0)
    cancelled.cancel()
    assert await two.run(Reading(pid)) == child, "whose asker has gone is no hindrance"


async def test_it_is_started_once_all_threads_are_busy(reader: SqliteReader) -> None:
    async def together(count: int) -> None:
        assert set(await asyncio.gather(*(reader.run(Reading(slowly, (0.05,))) for _ in range(count)))) == {os.getpid()}

    await together(THREADS - 1)
    assert reader._beside._task is None
    await together(THREADS)
    await until_ready(reader)
    assert await reader.run(Reading(pid)) != os.getpid()


async def test_what_it_cannot_read_is_read_by_the_daemon_which_says_why(two: SqliteReader) -> None:
    with pytest.raises(ValueError, match="as it is here"):
        await two.run(Reading(broken, ("as it is here",)))
    assert await two.run(Reading(pid)) != os.getpid()


async def test_when_it_dies_its_readings_are_done_by_the_daemon_until_it_has_been_started_again(
    two: SqliteReader, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(beside, "REST", 0.2)
    child = await two.run(Reading(pid))
    asked = [asyncio.ensure_future(two.run(Reading(slowly, (0.1,)))) for _ in range(3)]
    await asyncio.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    assert await asyncio.gather(*asked) == [os.getpid()] * 3
    assert not psutil.pid_exists(child)
    assert "the process that reads lists has ended with -9" in caplog.text
    two._beside.want()
    assert not two._beside.ready, "it rests first"
    await asyncio.sleep(0.4)
    two._beside.want()
    await until_ready(two)
    assert await two.run(Reading(pid)) not in (child, os.getpid())


async def test_where_it_cannot_be_started_the_daemon_reads(
    reader: SqliteReader, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refused(*args: Any, **options: Any) -> None:
        raise OSError("too many processes")

    monkeypatch.setattr(subprocess, "Popen", refused)
    reader._beside.want()
    await asyncio.sleep(0.05)
    assert "too many processes" in caplog.text
    assert await reader.run(Reading(pid)) == os.getpid()


async def test_one_that_hangs_is_ended_and_the_daemon_reads(
    two: SqliteReader, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(beside, "LOOK", 0.02)
    child = await two.run(Reading(pid))
    os.kill(child, signal.SIGSTOP)
    asked = [asyncio.ensure_future(two.run(Reading(pid))) for _ in range(3 * beside.AHEAD)]
    await asyncio.sleep(0)
    asked.pop().cancel()
    async with asyncio.timeout(10):
        assert set(await asyncio.gather(*asked)) == {os.getpid()}
        while psutil.pid_exists(child):
            await asyncio.sleep(0.01)
    assert "the process that reads lists does not answer" in caplog.text


async def test_one_that_gets_on_or_has_nothing_to_do_does_not_hang(two: SqliteReader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "LOOK", 0.1)
    await asyncio.sleep(1 + beside.STUCK * beside.LOOK)
    asked = [two.run(Reading(slowly, (2 * beside.LOOK,))) for _ in range(beside.STUCK)]
    assert os.getpid() not in await asyncio.gather(*asked)


async def test_of_those_who_have_gone_few_are_read(two: SqliteReader) -> None:
    child = await two.run(Reading(pid))
    for _ in range(5):  # those who come again in between are no way round it
        gone = [asyncio.ensure_future(two.run(Reading(slowly, (0.05,)))) for _ in range(100)]
        await asyncio.sleep(0)
        for asker in gone:
            asker.cancel()
        await asyncio.sleep(0)
    began = time.monotonic()
    assert await two.run(Reading(pid)) == child
    assert time.monotonic() - began < 2, "not the 25 s that all of them take"


async def test_what_cannot_be_sent_is_in_nobodys_way(two: SqliteReader) -> None:
    for _ in range(beside.AHEAD):
        with pytest.raises(AttributeError, match="lambda"):
            await two.run(Reading(broken, (lambda: None,)))
    async with asyncio.timeout(5):
        assert await two.run(Reading(pid)) != os.getpid()


async def test_what_a_service_manager_tells_all_of_a_service_does_not_end_it(two: SqliteReader) -> None:
    child = await two.run(Reading(pid))
    slow = asyncio.ensure_future(two.run(Reading(slowly, (0.1,))))
    await asyncio.sleep(0.05)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(child, number)
    assert await slow == child
    assert await two.run(Reading(pid)) == child


async def test_a_function_that_it_cannot_import_is_run_by_the_daemon(
    two: SqliteReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when an installation has been replaced under a daemon that runs."""
    (tmp_path / "gone_by_now.py").write_text("import os\n\ndef pid(snapshot):\n    return os.getpid()\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert await two.run(Reading(importlib.import_module("gone_by_now").pid)) == os.getpid()
    assert await two.run(Reading(pid)) != os.getpid()


@pytest.mark.parametrize("state", [signal.SIGCONT, signal.SIGSTOP])
async def test_closing_ends_it_at_once(two: SqliteReader, state: signal.Signals) -> None:
    child = await two.run(Reading(pid))
    os.kill(child, state)
    began = time.monotonic()
    two.close()
    assert time.monotonic() - began < 1
    assert not psutil.pid_exists(child)


async def test_nothing_in_the_working_directory_is_taken_for_a_module(
    reader: SqliteReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "msgspec.py").write_text("raise SystemExit(3)")
    monkeypatch.chdir(tmp_path)
    reader._beside.want()
    await until_ready(reader)
    assert await reader.run(Reading(pid)) != os.getpid()


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from rig.store.reading import Reading
from rig.store.sqlite_reader import SqliteReader
from tests.store.test_beside import pid

async def main():
    reader = SqliteReader(Path(sys.argv[1]))
    reader._beside.want()
    while not reader._beside.ready:
        await asyncio.sleep(0.01)
    print(await reader.run(Reading(pid)), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


async def test_it_ends_with_a_daemon_that_is_killed(reader: SqliteReader, tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path / "data" / DATABASE)]
    daemon = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60)
    assert daemon.returncode == -signal.SIGKILL, daemon.stderr
    child = int(daemon.stdout)
    async with asyncio.timeout(10):
        while psutil.pid_exists(child) and psutil.Process(child).status() != psutil.STATUS_ZOMBIE:
            await asyncio.sleep(0.02)


def test_what_it_runs_needs_no_server() -> None:
    """So that it starts soon and stays small."""
    code = "import sys, rig.store.child, rig.http.queries.issues, rig.http.queries.work, rig.http.queries.costs; print(*sys.modules)"
    modules = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
    ).stdout.split()
    assert not {"aiohttp", "pydantic", "pykka", "uvloop", "textual"} & set(modules)
