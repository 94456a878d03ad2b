"""What the author of a plugin does: new, pytest, pip install, rig serve; for every kind, outside the repository (C1)."""

import hashlib
import hmac
import importlib.util
import json
import os
import site
import subprocess
import sys
import time
import venv
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from rig.cli.scaffold.project import kinds
from rig.testing import Receiver
from tests.acceptance.daemon import Daemon, running
from tests.acceptance.test_session import repository

OTHERS = [kind for kind in kinds() if kind != "health"]

CONFIG = """
[dispatch]
enabled = true
provider = "acme-provider"
success_state = "done"
[executor]
slots = 1
[workspace]
repo = "{repo}"
commit = false
[providers.acme-provider]
argv = ["sh", "-c", "cat > prompt.txt; cat prompt.txt; echo finished"]
[plugins.acme-health]
url = "{peer}/well"
[plugins.acme-notifier]
url = "{peer}/notify"
kinds = ["done"]
[plugins.acme-policy]
hold_label = "on-hold"
note = "Run the tests before you finish."
[plugins.acme-price.models."house-model-1"]
input = "2"
output = "8"
[[webhook_sources]]
name = "tickets"
type = "acme-webhook"
secret = "s3cret"
"""


class Author:
    """Somebody with a folder and an environment of their own, in which Rig is installed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = str(folder / "venv" / "bin" / "python")
        venv.create(folder / "venv", with_pip=True)
        (found,) = (folder / "venv" / "lib").glob("python*/site-packages")
        (found / "rig.pth").write_text("".join(f"import site; site.addsitedir({p!r})\n" for p in site.getsitepackages()))

    def run(self, *arguments: str, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
        """``python -m`` something; fails unless that ends well."""
        environ = {k: v for k, v in os.environ.items() if not k.startswith(("RIG_", "PYTEST_", "PYTHONPATH"))}
        environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # an author has not all the pytest plugins that Rig's developers have
        done = subprocess.run(
            [self.python, "-m", *arguments],
            cwd=cwd or self.folder,
            env=environ,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, (arguments, done.stdout[-3000:], done.stderr[-3000:])
        return done

    def write(self, kind: str) -> Path:
        """``rig plugin new acme-KIND`` and its tests."""
        self.run("rig.cli", "plugin", "new", f"acme-{kind}", "--kind", kind)
        project = self.folder / f"rig-acme-{kind}"
        passed = self.run("pytest", "-q", "-p", "no:cacheprovider", "-p", "rig._pytest_plugin", cwd=project).stdout
        assert " passed" in passed
        assert "skipped" not in passed
        return project

    def install(self, projects: Sequence[Path]) -> None:
        """``pip install -e`` each."""
        editable = [word for project in projects for word in ("-e", str(project))]
        self.run("pip", "install", "-q", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", *editable)


@pytest.fixture(scope="module")
def author(tmp_path_factory: pytest.TempPathFactory) -> Author:
    if importlib.util.find_spec("ensurepip") is None:
        pytest.skip("this Python has no ensurepip to make an environment with")
    return Author(tmp_path_factory.mktemp("author"))


def plugins(daemon: Daemon) -> dict[str, Any]:
    return {row["name"]: row for row in daemon.ask("GET", "/api/v1/plugins").json}


def dependency(daemon: Daemon, name: str) -> Any:
    return next((d for d in daemon.ask("GET", "/healthz/deep").json["dependencies"] if d["name"] == name), None)


def test_a_checker_is_live_moments_after_the_first_command(author: Author, tmp_path: Path) -> None:
    began = time.monotonic()
    project = author.write("health")
    tested = time.monotonic()
    author.install([project])
    installed = time.monotonic()
    with running(tmp_path / "d", python=author.python) as daemon:
        found = dependency(daemon, "acme-health")
        live = time.monotonic()
        assert (found["status"], found["reason"]) == ("Degraded", "[plugins.acme-health] url is not set")
        assert "acme-health" in daemon.rig("plugin", "list", "-o", "id", check=True).stdout.splitlines()
        row = plugins(daemon)["acme-health"]
        assert (row["state"], row["distribution"], row["hooks"]) == (
            "enabled",
            "rig-acme-health",
            ["rig_register_health_checkers"],
        )
    print(
        f"\nfrom rig plugin new to a live checker: {live - began:.1f} s "
        f"(new and its tests {tested - began:.1f}, pip install {installed - tested:.1f}, rig serve {live - installed:.1f})"
    )
    assert live - began < 60


def test_every_kind_is_written_tested_installed_and_does_its_work(
    author: Author, tmp_path: Path, repository_of_work: Path
) -> None:
    with ThreadPoolExecutor(2) as pool:
        projects = list(pool.map(author.write, OTHERS))
    health = author.folder / "rig-acme-health"
    if not health.exists():
        author.write("health")
    author.install([*projects, health])
    with Receiver() as peer:
        config = CONFIG.format(repo=repository_of_work, peer=peer.url)
        with running(tmp_path / "d", config=config, python=author.python) as daemon:
            rows = plugins(daemon)
            assert {f"acme-{kind}": rows[f"acme-{kind}"]["state"] for kind in kinds()} == {
                f"acme-{kind}": "enabled" for kind in kinds()
            }
            assert rows["acme-step"]["hooks"] == ["rig_register_step_kinds"]
            assert dependency(daemon, "acme-health")["status"] == "Ok"
            assert dependency(daemon, "acme-notifier") is not None
            greeted = daemon.ask("GET", "/x/acme-operation/greeting?name=Ada").json
            assert greeted == {"greeting": "Hello, Ada!"}
            assert daemon.ask("GET", "/x/acme-operation/greeting").status == 400
            assert daemon.rig("acme-command", "Ada", check=True).stdout == "Hello, Ada!\n"
            works(daemon)
            counts(daemon)
            told = daemon.wait_for(lambda: [r.json["text"] for r in peer.received if r.path == "/notify"])
            assert told[0].startswith("acme/shop#7 is done")
            assert "acme/shop#7: in_progress to done" in daemon.log.read_text()
            assert not [row for row in plugins(daemon).values() if row["last_error"]]


def works(daemon: Daemon) -> None:
    """A ticket comes over the webhook source, the provider works on it, the policy has its say."""

    def issue(number: int) -> Any:
        return next((i for i in daemon.ask("GET", "/api/issues").json if i["issueNumber"] == number), {"state": None})

    daemon.post(type="ISSUE_APPROVED", repo="acme/shop", issueNumber=1, title="held", labels=["on-hold"], priority="high")
    ticket = {"event": "opened", "repository": "acme/shop", "ticket": {"number": 7, "title": "Add a cart"}}
    body = json.dumps(ticket).encode()
    signature = hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()
    refused = daemon.ask("POST", "/api/webhooks/tickets", body, headers={"X-Signature": "0" * 64})
    assert refused.status == 401
    taken = daemon.ask("POST", "/api/webhooks/tickets", body, headers={"X-Signature": signature, "X-Delivery": "d-1"})
    assert taken.status in (200, 201, 202), taken.body
    daemon.wait_for(lambda: issue(7)["state"] == "done")
    held = issue(1)
    assert (held["state"], held["reason"]) == ("queued", "held back by acme-policy: the label on-hold holds it back")
    (run,) = daemon.ask("GET", "/api/execution-logs").json
    said = [line["text"] for line in daemon.ask("GET", f"/api/execution-logs/{run['id']}").json["logs"]]
    assert "finished" in said
    assert "Run the tests before you finish." in said


def counts(daemon: Daemon) -> None:
    """Usage of the house's model costs what the price source says."""
    usage = {"model": "house-model-1", "inputTokens": 1_000_000, "outputTokens": 500_000}
    daemon.post(type="TOKEN_USAGE", repo="acme/shop", issueNumber=7, agentId="a", **usage)
    summary = daemon.ask("GET", "/api/costs/summary").json
    assert summary["totalCostUsd"] == 6.0, summary


@pytest.fixture
def repository_of_work(tmp_path: Path) -> Path:
    return repository(tmp_path / "work")


def test_a_whole_project_needs_nothing_but_the_wheel(author: Author, tmp_path: Path) -> None:
    """The templates are found without the repository: only what a wheel holds is on the path."""
    root = Path(__file__).parents[2]
    code = f"import os, hatchling.build; os.chdir({str(root)!r}); print(hatchling.build.build_wheel({str(tmp_path)!r}))"
    wheel = (
        tmp_path / subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()[-1]
    )
    unpacked = tmp_path / "unpacked"
    subprocess.run([sys.executable, "-m", "zipfile", "-e", str(wheel), str(unpacked)], check=True)
    code = (
        f"import sys; sys.path.insert(0, {str(unpacked)!r}); from rig.cli import main; import rig; "
        f"assert rig.__file__.startswith({str(unpacked)!r}); sys.argv = ['rig', 'plugin', 'new', 'far', '--kind', 'health']; main()"
    )
    done = subprocess.run([author.python, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "rig-far/src/rig_far/checker.py").is_file()
