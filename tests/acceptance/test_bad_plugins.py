"""A real daemon with plugins that fail in every way at once: it serves on, as fast as before, and names each (I30)."""

import json
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance import bad_plugins
from tests.acceptance.daemon import Daemon, running


class Session:
    """An agent's way through the API, again and again; remembers how long each request took."""

    def __init__(self, daemon: Daemon, first: int = 1) -> None:
        self.daemon = daemon
        self.spent: list[float] = []
        self._number, self._agent = first - 1, first

    def rounds(self, count: int) -> None:
        """Post an issue, claim it, say what it cost, end it, look at the list."""
        for _ in range(count):
            self._number += 1
            self._timed("POST", "/api/events", {"type": "ISSUE_APPROVED", "repo": "o/r", "issueNumber": self._number})
            lease = self._timed("POST", "/api/assignments/claim", {"agentId": f"a{self._agent}"})["lease"]
            held = {"agentId": f"a{self._agent}", "fence": lease["fence"]}
            self._timed("POST", "/api/events", {"type": "TOKEN_USAGE", "agentId": "a", "model": "m", "inputTokens": 5})
            self._timed("POST", f"/api/leases/{lease['id']}/complete", held)
            self._timed("GET", "/api/issues?limit=20")

    def _timed(self, method: str, path: str, body: Any = None) -> Any:
        began = time.perf_counter()
        answer = self.daemon.ask(method, path, body)
        self.spent.append(time.perf_counter() - began)
        assert answer.status < 300, answer.body
        return answer.json


@contextmanager
def troubled(folder: Path) -> Iterator[Daemon]:
    """A daemon with all of the bad plugins."""
    plugins = bad_plugins.write(folder / "plugins")
    config = f'[plugins.{bad_plugins.ISOLATED}]\nisolate = "process"\n'
    with running(folder / "daemon", config=config, arguments=("--plugins-dir", str(plugins))) as daemon:
        yield daemon


def provoke(daemon: Daemon) -> None:
    """Let every plugin fail as often as it is borne, in whatever Rig calls."""

    def borne() -> bool:
        daemon.ask("GET", "/healthz/deep")
        for name in ("raises", "hangs_everywhere"):
            daemon.ask("POST", f"/x/{name}/do")
        rows = {row["name"]: row["state"] for row in daemon.ask("GET", "/api/v1/plugins").json}
        return all(rows[name] == state for name, (state, *_) in bad_plugins.EXPECTED.items())

    with ThreadPoolExecutor(6) as pool:  # at a time, as each waits for a hook that hangs
        list(pool.map(lambda first: Session(daemon, first).rounds(1), range(1, 7)))
    daemon.wait_for(borne, 120)


@pytest.mark.rule("I30")
def test_whatever_plugins_do_the_daemon_serves_on_and_names_each(tmp_path: Path) -> None:
    with troubled(tmp_path) as daemon:
        provoke(daemon)
        Session(daemon, 101).rounds(5)
        rows = {row["name"]: row for row in daemon.ask("GET", "/api/v1/plugins").json}
        health = daemon.ask("GET", "/healthz/deep").json
        listed = {row["name"]: row for row in map(json.loads, daemon.rig("plugin", "list", "-o", "ndjson").stdout.splitlines())}
        shown = daemon.rig("plugin", "list", check=True).stdout
        events = [e["data"]["plugin"] for e in daemon.ask("GET", "/api/events/stream?id=faults").json]
        log = daemon.log.read_text()
        for name, (state, error, _) in bad_plugins.EXPECTED.items():
            for row in (rows[name], listed[name]):
                assert (row["state"], error in (row["last_error"] or "")) == (state, True), row
            assert any(line.split()[:2] == [name, state] for line in shown.splitlines()), shown
        unwell = {row["name"]: row["status"] for row in health["dependencies"] if row["status"] != "Ok"}
        assert {known for *_, known in bad_plugins.EXPECTED.values()} <= set(unwell)
        assert [name for name, status in unwell.items() if status != "Degraded"] == ["forks"]
        assert health["overall"] == "Degraded"
        assert {"raises", "hangs", "hangs_everywhere", "exits", "floods"} <= set(events)
        assert log.count("of a flood") + log.count('"event": "flood"') < 2_000
        assert rows["mutates"]["state"] == "enabled"
        assert daemon.ask("GET", "/health").status == 200
        began = time.monotonic()
        assert daemon.stop() == 0
        assert time.monotonic() - began < 10


def p99(spent: list[float]) -> float:
    return statistics.quantiles(spent, n=100)[98]


@pytest.mark.slow
@pytest.mark.bench
def test_requests_are_served_as_fast_beside_bad_plugins_as_without(tmp_path: Path) -> None:
    """Printed with -s: the p99 of a session without and with the bad plugins, in turns, so that both meet the same noise."""
    with running(tmp_path / "plain") as plain, troubled(tmp_path / "bad") as bad:
        provoke(bad)
        calm, beside = Session(plain, 101), Session(bad, 101)
        ratios = []
        for _ in range(5):
            calm.spent, beside.spent = [], []
            for _ in range(8):
                bad.ask("GET", "/healthz/deep")
                calm.rounds(10)
                beside.rounds(10)
            ratios.append(p99(beside.spent) / p99(calm.spent))
            print({"p99 without": round(p99(calm.spent) * 1000, 2), "with": round(p99(beside.spent) * 1000, 2)}, "ms")
        print("ratios", [round(r, 2) for r in ratios])
        assert statistics.median(ratios) < 2
