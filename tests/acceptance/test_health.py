"""Deep health of a real daemon with checkers of its own, as one-file plugins (B4, I29)."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.daemon import Answer, Daemon, running

PLUGIN = """
import asyncio
from pathlib import Path

from rig import CheckResult, hookimpl


class Checker:
    def __init__(self, name, critical):
        self.name, self.critical = name, critical

    async def check(self, context):
        with (Path(__file__).parent / f"{self.name}.started").open("a") as file:
            file.write("x")
        BODY


@hookimpl
def rig_register_health_checkers(context):
    return [CHECKERS]
"""
SLOW = 'await asyncio.sleep(1)\n        return CheckResult("Ok")'
HANG = "await asyncio.Event().wait()"


def plugins(folder: Path, **files: tuple[str, str]) -> Path:
    """A folder with one-file plugins: name to (body of ``check``, checkers)."""
    folder.mkdir()
    for name, (body, checkers) in files.items():
        (folder / f"{name}.py").write_text(PLUGIN.replace("BODY", body).replace("CHECKERS", checkers))
    return folder


def asked(daemon: Daemon) -> tuple[Answer, dict[str, Any], float]:
    """The answer, its dependencies by name, and how many seconds it took."""
    began = time.monotonic()
    answer = daemon.ask("GET", "/healthz/deep")
    return answer, {d["name"]: d for d in answer.json["dependencies"]}, time.monotonic() - began


@pytest.mark.rule("R0-8", "R0-10", "B4")
def test_four_checkers_that_take_a_second_answer_in_one_and_a_half(tmp_path: Path) -> None:
    checkers = ", ".join(f'Checker("slow{n}", True)' for n in range(4))
    folder = plugins(tmp_path / "plugins", slow=(SLOW, checkers))
    with running(tmp_path / "rig", arguments=("--plugins-dir", str(folder))) as daemon:
        answer, dependencies, seconds = asked(daemon)
    assert answer.status == 200
    slow = [dependencies[f"slow{n}"] for n in range(4)]
    assert {d["status"] for d in slow} == {"Ok"}
    assert all(type(d["latencyMs"]) is int and 1000 <= d["latencyMs"] < 1500 for d in slow)
    assert seconds < 1.5


@pytest.mark.rule("R0-4", "R0-9", "B4", "I29")
def test_a_checker_that_hangs_is_degraded_in_time_and_is_not_started_twice(tmp_path: Path) -> None:
    folder = plugins(tmp_path / "plugins", hang=(HANG, 'Checker("hang", True)'))
    with running(tmp_path / "rig", arguments=("--plugins-dir", str(folder))) as daemon, ThreadPoolExecutor(20) as callers:
        found = list(callers.map(lambda _: asked(daemon), range(20)))
    for answer, dependencies, seconds in found:
        assert (answer.status, answer.json["overall"]) == (200, "Degraded"), "hanging is not being unreachable"
        assert (dependencies["hang"]["status"], dependencies["hang"]["reason"]) == ("Degraded", "timeout")
        assert dependencies["hang"]["critical"] is True
        assert seconds < 2.5
    assert (folder / "hang.started").read_text() == "x"


@pytest.mark.rule("R0-1", "R0-2", "R0-3", "R0-11", "R0-13")
def test_only_a_critical_dependency_that_is_gone_takes_the_daemon_out(tmp_path: Path) -> None:
    raising = 'raise ConnectionRefusedError("secret-host:6379")'
    folder = plugins(tmp_path / "plugins", gone=(raising, 'Checker("notifier", False)'))
    with running(tmp_path / "one", arguments=("--plugins-dir", str(folder))) as daemon:
        answer, dependencies, _ = asked(daemon)
    assert (answer.status, answer.json["overall"]) == (200, "Degraded")
    assert dependencies["notifier"]["reason"] == "check failed: ConnectionRefusedError"
    assert dependencies["notifier"]["status"] == "Unreachable"
    (folder / "critical.py").write_text(PLUGIN.replace("BODY", raising).replace("CHECKERS", 'Checker("core", True)'))
    with running(tmp_path / "two", arguments=("--plugins-dir", str(folder))) as daemon:
        answer, dependencies, _ = asked(daemon)
        assert (answer.status, answer.json["overall"]) == (503, "Unreachable")
        assert set(answer.json) == {"overall", "dependencies", "checkedAt"}, "the same body"
        assert (daemon.ask("GET", "/health").status, daemon.ask("GET", "/ready").status) == (200, 200)
        assert daemon.post(type="HEARTBEAT", agentId="a", status="idle").status == 200
    assert "secret-host" not in answer.body.decode()


@pytest.mark.rule("R0-5", "R0-7", "R0-12")
def test_a_daemon_that_is_well_says_so_of_store_and_streams(tmp_path: Path) -> None:
    with running(tmp_path) as daemon:
        answer, dependencies, _ = asked(daemon)
        assert daemon.ask("GET", "/health").json.keys() == {"status", "timestamp"}
    assert (answer.status, answer.json["overall"]) == (200, "Ok"), answer.json
    assert {name for name, d in dependencies.items() if d["critical"]} == {"store", "streams"}
    assert {d["reason"] for d in dependencies.values()} == {None}
    for dependency in dependencies.values():
        assert set(dependency) == {"name", "status", "critical", "reason", "latencyMs", "lastCheckAt"}
        assert dependency["lastCheckAt"].endswith("Z")
