"""``rig plugin test``: any plugin is held to the contracts, and nothing that it does ends the run."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from rig.cli.conformance import Conformance
from rig.cli.root import rig
from rig.cli.scaffold.names import named
from rig.cli.scaffold.project import write
from rig.errors import BadRequest, ConfigError, NotFound, PluginError

CHECKER = """
import os, sys, time
import rig

class Checker:
    name, critical = "odd", False

    async def check(self, context):
        {body}
        return rig.CheckResult()

@rig.hookimpl
def rig_register_health_checkers():
    return [Checker()]
"""

PROVIDER = """
import rig

class Quick:
    async def run(self, session):
        return rig.SessionResult(True)

@rig.hookimpl
def rig_register_providers(context):
    return [rig.ProviderRegistration({!r}, Quick())]
"""


def one_file(folder: Path, code: str) -> str:
    file = folder / "odd.py"
    file.write_text(code)
    return str(file)


def ran(*arguments: str) -> tuple[Result, list[dict[str, Any]]]:
    found = CliRunner().invoke(rig, ["plugin", "test", *arguments, "-o", "json"], standalone_mode=False)
    return found, json.loads(found.stdout) if found.stdout else []


def test_a_good_project_passes_and_says_so(tmp_path: Path) -> None:
    write(named("acme"), "step", tmp_path / "acme")
    found = CliRunner().invoke(rig, ["plugin", "test", str(tmp_path / "acme")], standalone_mode=False)
    assert found.return_value == 0
    head, *lines = found.stdout.splitlines()
    assert head.split() == ["KIND", "CHECK", "RESULT", "SECONDS"]
    assert {line.split()[0] for line in lines} == {"plugin", "step"}
    assert found.stderr == "acme: 11 ok\n"


def test_what_a_plugin_fails_is_named_with_its_reason(tmp_path: Path) -> None:
    found, rows = ran(one_file(tmp_path, CHECKER.format(body="return 'fine'")))
    assert found.return_value == 1
    failed = {row["check"]: row["reason"] for row in rows if row["verdict"] == "failed"}
    assert failed["a check answers in time with a result"] == "odd: answered with str, not a CheckResult"
    skipped = next(row for row in rows if row["check"] == "a peer that fails is not ok")
    assert (skipped["verdict"], "no address" in skipped["reason"]) == ("skipped", True)


def test_a_plugin_that_ends_its_process_fails_the_check_and_the_rest_is_run(tmp_path: Path) -> None:
    code = CHECKER.format(body="print('last words', file=sys.stderr, flush=True); os._exit(7)")
    found, rows = ran(one_file(tmp_path, code))
    assert found.return_value == 1
    ended = {row["check"]: row["verdict"] for row in rows}
    assert len(ended) == len(rows) == 12
    assert ended["it loads"] == "ok"
    reasons = {row["reason"] for row in rows if row["verdict"] == "failed"}
    assert reasons == {"its process ended with 7: last words"}


def test_a_plugin_that_hangs_the_process_is_killed(tmp_path: Path) -> None:
    body = "time.sleep(600) if context.data_dir.name == 'rig' else None"
    rows = list(Conformance(one_file(tmp_path, CHECKER.format(body=body)), seconds=3).rows())
    failed = {row["check"]: row["reason"] for row in rows if row["verdict"] == "failed"}
    assert failed == {
        "a data directory that is gone is an answer or an exception": "it does not end, and its process was killed"
    }


def test_what_can_not_be_tested_is_refused_with_what_to_do(tmp_path: Path) -> None:
    def run(target: str, config: str = "") -> None:
        list(Conformance(target, config, 20).rows())

    with pytest.raises(NotFound, match="no such is no plugin, no file and no folder; installed: .*slack"):
        run("no such")
    with pytest.raises(NotFound, match="can't be read"):
        run(str(tmp_path))
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    with pytest.raises(BadRequest, match="entry-points"):
        run(str(tmp_path))
    with pytest.raises(PluginError, match="could not be loaded: its process ended with 5"):
        run(one_file(tmp_path, "import os; os._exit(5)"))
    (tmp_path / "bad.toml").write_text("= 1")
    with pytest.raises(ConfigError, match=r"bad\.toml"):
        run("slack", str(tmp_path / "bad.toml"))


def test_a_plugin_that_can_not_be_loaded_fails_its_first_check(tmp_path: Path) -> None:
    found, rows = ran(one_file(tmp_path, "raise ImportError('no such module')"))
    assert found.return_value == 1
    assert (rows[0]["check"], rows[0]["verdict"]) == ("it loads", "failed")
    assert "ImportError: no such module" in rows[0]["reason"]


def test_its_tables_come_from_a_file(tmp_path: Path) -> None:
    config = tmp_path / "rig.toml"
    config.write_text('[providers.command]\ncommand = "cat >/dev/null"\n')
    _, without = ran("command")
    assert next(r["verdict"] for r in without if r["check"] == "an ordinary session ends well") == "skipped"
    found, rows = ran("command", "--config", str(config))
    assert (found.return_value, next(r["verdict"] for r in rows if r["check"] == "an ordinary session ends well")) == (0, "ok")


def test_the_suites_need_no_pytest(tmp_path: Path) -> None:
    code = """
import sys
sys.modules["pytest"] = None
from rig.testing.results import results
from rig.testing.suites import KINDS
step = next(kind.contract for kind in KINDS if kind.name == "step")
step.plugin = "rig_steps"
print({r.verdict for r in results("step", step)})
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "{'ok'}\n"


def test_at_80_columns_a_reason_is_shown_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    place = one_file(tmp_path, CHECKER.format(body="return 'fine'"))
    found = CliRunner().invoke(rig, ["plugin", "test", place], standalone_mode=False)
    said = "failed: health: a check answers in time with a result: odd: answered with str, not a CheckResult"
    assert said in found.stdout.replace("\n", " ")
    assert max(map(len, found.stdout.splitlines())) <= 80


def test_what_a_webhooks_sender_sends_is_asked_for_where_it_can_only_be_guessed(tmp_path: Path) -> None:
    write(named("acme"), "webhook", tmp_path / "acme")
    found, rows = ran(str(tmp_path / "acme"))
    assert found.return_value == 0
    assert {row["reason"] for row in rows if row["verdict"] == "skipped"} == {"what its sender sends is not known: set bodies"}


@pytest.mark.parametrize(
    ("name", "provider", "wrong"),
    [
        (
            "mock",
            "fresh",
            r"mock: 2 plugins are called mock: the file mock.py and rig_mock of rigtui \S+ None of them is loaded: ",
        ),
        (
            "zebra",
            "mock",
            r"zebra: rig_register_providers: 'mock' is registered already by the plugin mock \(rig_mock of rigtui ",
        ),
        ("aardvark", "mock", r"mock: .*'mock' is registered already by the plugin aardvark \(the file aardvark.py\)"),
        ("zebra", "fresh", ""),
    ],
)
def test_a_name_that_a_plugin_of_this_place_has_already_is_said(tmp_path: Path, name: str, provider: str, wrong: str) -> None:
    (tmp_path / f"{name}.py").write_text(PROVIDER.format(provider))
    _, rows = ran(str(tmp_path / f"{name}.py"))
    (row,) = [row for row in rows if row["check"] == "it is loaded beside those installed here"]
    assert row["verdict"] == ("failed" if wrong else "ok")
    assert re.match(wrong, row["reason"])


def test_a_command_of_rigs_own_name_is_said(tmp_path: Path) -> None:
    code = "import rig, click\n@rig.hookimpl\ndef rig_register_commands():\n    return [click.Command('queue', callback=lambda: None)]\n"
    _, rows = ran(one_file(tmp_path, code))
    failed = [row["reason"] for row in rows if row["check"] == "it is loaded beside those installed here"]
    assert failed == ["odd: rig_register_commands: rig queue is a command of Rig's own"]
