"""What a daemon that ends with running agents leaves behind, and what the next one makes of it (I11, I32)."""

import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from tests.acceptance.daemon import Daemon
from tests.acceptance.test_session import git, repository

SCRIPT = """
if [ -e "{folder}/again" ]; then echo finished > result.txt; exit 0; fi
touch "{folder}/again"
setsid sleep {nap} & sleep {nap} & sleep {nap}
"""


def config(repo: Path, script: Path) -> str:
    return f"""
[dispatch]
enabled = true
provider = "command"
success_state = "done"
max_retry_backoff_ms = 0
[executor]
slots = 1
[workspace]
repo = "{repo}"
[providers.command]
command = "bash {script}"
"""


def sleepers(nap: str) -> list[int]:
    return [p.pid for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == ["sleep", nap]]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_an_interrupted_issue_is_worked_on_again_and_no_process_is_left(tmp_path: Path, how: signal.Signals) -> None:
    repo = repository(tmp_path / "repo")
    nap = f"{600 + how.value}.{os.getpid()}"
    script = tmp_path / "agent.sh"
    script.write_text(SCRIPT.format(folder=tmp_path, nap=nap))
    daemon = Daemon(tmp_path / "rig", config=config(repo, script)).start()
    try:
        daemon.ask("POST", "/api/v1/issues", {"repo": "acme/app", "issueNumber": 1, "title": "Wait"})
        daemon.wait_for(lambda: len(sleepers(nap)) == 3)
        if how == signal.SIGKILL:
            os.kill(daemon.pid, how)
            assert len(sleepers(nap)) == 3
            daemon.kill()
        else:
            began = time.monotonic()
            assert daemon.stop() == 0
            assert time.monotonic() - began < 10
            assert sleepers(nap) == []
        daemon.start()
        issue = daemon.wait_for(lambda: next((i for i in daemon.ask("GET", "/api/issues").json if i["state"] == "done"), None))
        assert sleepers(nap) == []
        assert issue["attempt"] == 2
        logs = daemon.ask("GET", "/api/execution-logs").json
        assert [(x["status"], x["failedReason"]) for x in logs] == [
            ("completed", None),
            ("failed", "interrupted: the daemon stopped"),
        ]
        assert git(repo, "show", f"{issue['branch']}:result.txt") == "finished\n"
    finally:
        daemon.kill()
        for pid in sleepers(nap):
            os.kill(pid, signal.SIGKILL)
