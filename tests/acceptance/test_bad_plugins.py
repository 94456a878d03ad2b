"""A real daemon with plugins that fail in every way: it serves on, as fast as before, and names each (I30)."""

import statistics
import time
from pathlib import Path
from typing import Any

from tests.acceptance.daemon import Daemon, running

HOOKS = """
@rig.hookimpl
def rig_before_dispatch(context):
    {0}

@rig.hookimpl
def rig_before_transition(context):
    {0}

@rig.hookimpl
async def rig_after_transition(context):
    {0}
"""
CHECKER = """
class Checker:
    name, critical = "{name}", False
    def check(self, context):
        {body}

@rig.hookimpl
def rig_register_health_checkers(context):
    return [Checker()]
"""
PLUGINS = {
    "broken": "import nowhere_at_all",
    "raises": HOOKS.format("raise LookupError('every time')") + CHECKER.format(name="raises", body="raise KeyError('x')"),
    "hangs": CHECKER.format(name="hangs", body="time.sleep(60)"),
    "exits": CHECKER.format(name="exits", body="os._exit(3)"),
    "floods": CHECKER.format(
        name="floods",
        body="[logging.getLogger('floods').warning('line %d', n) for n in range(50_000)]; return rig.CheckResult()",
    ),
    "misspelt": "@rig.hookimpl\ndef rig_register_health_chekers(context):\n    return []",
    "config": "class C(rig.PluginConfig):\n    needed: int\nRIG_CONFIG = C",
    "mutates": HOOKS.format("object.__setattr__(context, 'issue', 'changed')"),
}
EXPECTED = {
    "broken": ("load_error", "ModuleNotFoundError"),
    "raises": ("quarantined", "LookupError: every time"),
    "hangs": ("enabled", "hangs.check: timeout after 2 s"),
    "exits": ("quarantined", "Died: its process ended with status 3"),
    "floods": ("enabled", None),
    "misspelt": ("load_error", "rig_register_health_chekers"),
    "config": ("config_error", "plugins.config.needed: Field required"),
    "mutates": ("enabled", None),
}


class Session:
    """An agent's way through the API, again and again; remembers how long each request took."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self.spent: list[float] = []
        self._number = 0

    def rounds(self, count: int) -> None:
        """Post an issue, claim it, end it, look at the list."""
        for _ in range(count):
            self._number += 1
            self._timed("POST", "/api/events", {"type": "ISSUE_APPROVED", "repo": "o/r", "issueNumber": self._number})
            lease = self._timed("POST", "/api/assignments/claim", {"agentId": "a"})["lease"]
            self._timed("POST", f"/api/leases/{lease['id']}/complete", {"agentId": "a", "fence": lease["fence"]})
            self._timed("GET", "/api/issues?limit=20")

    def _timed(self, method: str, path: str, body: Any = None) -> Any:
        began = time.perf_counter()
        answer = self.daemon.ask(method, path, body)
        self.spent.append(time.perf_counter() - began)
        assert answer.status < 300, answer.body
        return answer.json


def p99(spent: list[float]) -> float:
    return statistics.quantiles(spent, n=100)[98]


def test_whatever_plugins_do_the_daemon_serves_on_and_names_each(tmp_path: Path) -> None:
    """Printed with -s: the p99 of a session without and with the bad plugins."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    for name, code in PLUGINS.items():
        (folder / f"{name}.py").write_text("import logging, os, time\nimport rig\n" + code)
    with (
        running(tmp_path / "plain") as plain,
        running(
            tmp_path / "bad", config='[plugins.exits]\nisolate = "process"\n', arguments=("--plugins-dir", str(folder))
        ) as bad,
    ):
        calm, troubled = Session(plain), Session(bad)
        for _ in range(6):  # strikes add up
            bad.ask("GET", "/healthz/deep")
        for _ in range(8):  # one after the other, so that both meet the same noise
            calm.rounds(10)
            troubled.rounds(10)
        print({"p99 without": p99(calm.spent), "with": p99(troubled.spent)})
        rows = {row["name"]: row for row in bad.ask("GET", "/api/v1/plugins").json}
        health = bad.ask("GET", "/healthz/deep").json
        log = bad.log.read_text()
    for name, (state, error) in EXPECTED.items():
        assert rows[name]["state"] == state, rows[name]
        assert error is None or error in rows[name]["last_error"], rows[name]
    named = {d["name"] for d in health["dependencies"] if d["status"] != "Ok"}
    assert {"plugin:broken", "plugin:raises", "plugin:misspelt", "plugin:config", "plugin:exits", "hangs"} <= named
    assert health["overall"] == "Degraded"
    assert log.count('"logger": "floods"') < 2_000
