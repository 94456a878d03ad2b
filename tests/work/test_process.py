import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest

from rig.errors import ProcessError
from rig.work.command import run
from rig.work.environment import Limits, environment, make_home
from rig.work.group import end_orphans, members, start_time
from rig.work.process import Child, spawn

ENV = environment({"RIG_EXECUTION_ID": "exec-1"})


async def start(script: str, cwd: Path, marker: str = "exec-1", limits: Limits | None = None) -> Child:
    return await spawn(
        ["bash", "-c", script], cwd=cwd, env=environment({"RIG_EXECUTION_ID": marker}), marker=marker, limits=limits
    )


async def output(child: Child) -> list[bytes]:
    return [line async for batch in child.lines() for line in batch]


def test_only_allow_listed_variables_are_inherited() -> None:
    daemon = {
        "PATH": "/bin",
        "LC_ALL": "C",
        "TZ": "UTC",
        "RIG_MASTER_KEY": "k",
        "AWS_SECRET": "s",
        "HOME": "/root",
        "LD_PRELOAD": "x",
    }
    assert environment({"A": "1"}, daemon) == {"PATH": "/bin", "LC_ALL": "C", "TZ": "UTC", "LANG": "C.UTF-8", "A": "1"}


@pytest.mark.parametrize(("name", "value"), [("", "x"), ("A=B", "x"), ("A", "\0"), ("BASH_ENV", "/tmp/x"), ("A\0B", "x")])
def test_a_variable_that_no_environment_may_hold_is_refused(name: str, value: str) -> None:
    with pytest.raises(ProcessError):
        environment({name: value}, {})


def test_a_home_is_private_and_its_git_knows_who_commits(tmp_path: Path) -> None:
    given = make_home(tmp_path / "home", 'rig"-1\n', "rig-1@rig.invalid")
    assert given == {"HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path / "home" / "tmp")}
    assert (tmp_path / "home").stat().st_mode & 0o777 == 0o700
    assert 'name = "rig_-1_"' in (tmp_path / "home" / ".gitconfig").read_text()


async def test_a_program_reads_its_input_and_its_output_comes_as_lines(tmp_path: Path) -> None:
    child = await start("cat; echo err >&2; exit 3", tmp_path)
    child.feed(b"one\ntwo\nthree", close=True)
    assert await output(child) == [b"one", b"two", b"three"]
    assert [line async for batch in child.errors() for line in batch] == [b"err"]
    assert await child.wait() == 3
    assert await child.end()


async def test_a_signal_is_a_negative_status(tmp_path: Path) -> None:
    child = await start("kill -SEGV $$", tmp_path)
    assert await child.wait() == -signal.SIGSEGV
    assert await child.end()


async def test_a_program_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(ProcessError, match="no-such-agent: there is no such program"):
        await spawn(["no-such-agent"], cwd=tmp_path, env=ENV)
    with pytest.raises(ProcessError, match="folder"):
        await spawn(["true"], cwd=tmp_path / "gone", env=ENV)


async def test_limits_hold_in_the_program(tmp_path: Path) -> None:
    child = await start("ulimit -c; ulimit -n; ulimit -f", tmp_path, limits=Limits(open_files=64, file_bytes=1 << 20))
    assert await output(child) == [b"0", b"64", b"1024"]
    await child.end()


async def test_a_program_that_ignores_term_is_killed_after_the_grace(tmp_path: Path) -> None:
    child = await start("trap '' TERM; echo ready; while :; do sleep 0.05; done", tmp_path)
    async for _ in child.lines():
        break
    began = time.monotonic()
    assert await child.end(grace=0.3)
    assert 0.25 < time.monotonic() - began < 4
    assert await child.wait() == -signal.SIGKILL
    assert members(child.pid, "exec-1") == []


async def test_a_double_forked_daemon_in_its_own_session_is_found_by_its_marker(tmp_path: Path) -> None:
    script = "import os,time\nif os.fork(): os._exit(0)\nos.setsid()\nif os.fork(): os._exit(0)\nprint(os.getpid(),flush=True)\ntime.sleep(60)"
    child = await spawn(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment({"RIG_EXECUTION_ID": "exec-df"}), marker="exec-df"
    )
    pid = 0
    async for batch in child.lines():
        pid = int(batch[0])
        break
    assert await child.wait() == 0
    assert psutil.pid_exists(pid)
    assert await child.end(grace=2)
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


async def test_a_program_that_closes_its_output_but_lives_is_still_waited_for(tmp_path: Path) -> None:
    child = await start("exec >&- 2>&-; sleep 30", tmp_path)
    assert await output(child) == []
    assert not child.ended
    assert await child.end(grace=2)
    assert await child.wait() == -signal.SIGTERM


async def test_a_program_that_never_reads_does_not_hold_its_end_up(tmp_path: Path) -> None:
    child = await start("sleep 30", tmp_path)
    child.feed(b"x" * 1_000_000, close=True)
    await asyncio.sleep(0.05)
    assert await child.end(grace=2)
    with pytest.raises(ProcessError):
        await child.write(b"more")


async def test_a_stopped_program_is_ended_too(tmp_path: Path) -> None:
    child = await start("echo ready; kill -STOP $$; sleep 30", tmp_path)
    async for _ in child.lines():
        break
    assert await child.end(grace=1)


async def test_orphans_are_ended_by_group_and_start_time_and_never_by_a_bare_id(tmp_path: Path) -> None:
    ours = await start("sleep 30 & sleep 30", tmp_path, marker="exec-old")
    other = await start("sleep 30", tmp_path, marker="exec-other")
    assert ours.started == start_time(ours.pid)
    # the recorded group id now belongs to somebody else: another start time, another marker
    assert await end_orphans("exec-gone", other.pid, (other.started or 0) - 5, grace=0.2)
    assert not other.ended
    assert await end_orphans("exec-old", ours.pid, ours.started, grace=1)
    assert members(ours.pid, "exec-old") == []
    assert not other.ended
    await ours.end()
    await other.end()


async def test_orphans_whose_group_was_never_recorded_are_found_by_their_marker(tmp_path: Path) -> None:
    child = await start("sleep 30", tmp_path, marker="exec-unrecorded")
    assert await end_orphans("exec-unrecorded", None, None, grace=1)
    assert await child.wait() == -signal.SIGTERM
    await child.end()


async def test_spawning_does_not_hold_the_loop(tmp_path: Path) -> None:
    worst = 0.0

    async def watch() -> None:
        nonlocal worst
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.001)
            worst = max(worst, time.perf_counter() - before)

    watching = asyncio.create_task(watch())
    children = await asyncio.gather(*(start("exit 0", tmp_path) for _ in range(8)))
    await asyncio.gather(*(child.wait() for child in children))
    watching.cancel()
    await asyncio.gather(*(child.end() for child in children))
    assert worst < 0.2


async def test_a_cancelled_spawn_leaves_no_process(tmp_path: Path) -> None:
    task = asyncio.create_task(start("sleep 30", tmp_path, marker="exec-cancelled"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    for _ in range(100):
        await asyncio.sleep(0.02)
        if not [p for p in psutil.Process().children() if "sleep" in p.name() and p.status() != psutil.STATUS_ZOMBIE]:
            break
    assert members(0, "exec-cancelled") == []


async def test_a_run_has_bounded_output_and_a_deadline(tmp_path: Path) -> None:
    done = await run(
        ["bash", "-c", "yes | head -c 300000; echo oops >&2; exit 4"], cwd=tmp_path, env=ENV, seconds=10, limit=1000
    )
    assert (done.code, len(done.stdout), done.dropped, done.last_line) == (4, 1000, 299_000, "oops")
    began = time.monotonic()
    late = await run(["bash", "-c", "trap '' TERM; sleep 30 & wait; sleep 30"], cwd=tmp_path, env=ENV, seconds=0.2, grace=0.2)
    assert late.timed_out
    assert time.monotonic() - began < 5


async def test_a_run_takes_what_it_left_in_the_background_with_it(tmp_path: Path) -> None:
    done = await run(["bash", "-c", "sleep 30 & echo $!"], cwd=tmp_path, env=ENV, seconds=10)
    assert done.code == 0
    pid = int(done.stdout)
    for _ in range(50):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("the background process lives on")


async def test_a_cancelled_run_ends_its_program(tmp_path: Path) -> None:
    task = asyncio.create_task(run(["bash", "-c", "echo $$ > pid; sleep 30"], cwd=tmp_path, env=ENV, seconds=30))
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text().strip():
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))
    assert os.getpgid(0)


async def test_the_output_of_a_program_ends_with_it_though_its_background_holds_the_pipe(tmp_path: Path) -> None:
    child = await start("echo one; sleep 30 & exit 0", tmp_path)
    assert await asyncio.wait_for(output(child), 5) == [b"one"]
    assert await child.end(grace=2)


async def test_a_group_that_keeps_forking_is_ended(tmp_path: Path) -> None:
    script = "trap '' TERM; echo ready; while :; do (trap '' TERM; sleep 0.3) & sleep 0.01; done"
    child = await start(script, tmp_path, marker="exec-fork")
    async for _ in child.lines():
        break
    assert await child.end(grace=0.2)
    assert await child.end()
    assert members(0, "exec-fork") == []
