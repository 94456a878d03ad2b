"""The page of the API in a real browser."""

import json
import subprocess
from pathlib import Path

from tests.acceptance.daemon import running
from tests.conftest import Require

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--enable-logging=stderr",
    "--v=0",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--virtual-time-budget=20000",
    "--window-size=1280,2000",
)


def test_a_browser_shows_every_operation_and_asks_no_other_host(tmp_path: Path, require: Require) -> None:
    browser = require("chromium")
    with running(tmp_path) as daemon:
        operations = {
            operation["operationId"]
            for path in daemon.ask("GET", "/api/v1/openapi.json").json["paths"].values()
            for operation in path.values()
        }
        netlog = tmp_path / "net.json"
        shown = subprocess.run(
            [
                browser,
                *FLAGS,
                f"--user-data-dir={tmp_path / 'profile'}",
                f"--log-net-log={netlog}",
                "--dump-dom",
                f"{daemon.url}/api/docs",
            ],
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert shown.returncode == 0, shown.stderr[-2000:]
    missing = {name for name in operations if f">{name}</span>" not in shown.stdout}
    assert not missing, shown.stderr[-2000:]
    console = [line for line in shown.stderr.splitlines() if "CONSOLE" in line]
    assert console == [], "neither errors nor refusals of the content security policy"
    log = json.loads(netlog.read_text())
    told = [event["params"] for event in log["events"] if "url" in event.get("params", {})]
    asked = {params["url"] for params in told if params.get("initiator", "").startswith(daemon.url)}  # not the browser itself
    assert f"{daemon.url}/api/v1/openapi.json" in asked
    assert {url for url in asked if not url.startswith(f"{daemon.url}/api/")} == set()
