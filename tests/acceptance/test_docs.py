"""The page of the API in a real browser."""

import asyncio
import json
import re
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import ClientSession

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


@asynccontextmanager
async def page(browser: str, profile: Path, url: str) -> AsyncIterator[Callable[[str], Awaitable[Any]]]:
    """A page in a browser; what is given evaluates an expression in it."""
    flags = [flag for flag in FLAGS if not flag.startswith(("--virtual", "--enable-logging", "--v="))]
    process = await asyncio.create_subprocess_exec(
        browser, *flags, f"--user-data-dir={profile}", "--remote-debugging-port=0", url, stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(60), ClientSession() as session:
            while not (said := re.search(rb"listening on ws://(127\.0\.0\.1:\d+)/", await process.stderr.readline())):
                assert process.returncode is None
            async with session.get(f"http://{said[1].decode()}/json/list") as listed:
                (target,) = [one for one in await listed.json() if one["url"] == url]
            async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:

                async def evaluate(expression: str) -> Any:
                    asked = {"expression": expression, "returnByValue": True}
                    await socket.send_json({"id": 1, "method": "Runtime.evaluate", "params": asked})
                    answer = await socket.receive_json()
                    if "error" in answer:  # the page is not there yet
                        return None
                    assert "exceptionDetails" not in answer["result"], answer
                    return answer["result"]["result"].get("value")

                yield evaluate
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def test_who_authorizes_sees_what_plugins_add(tmp_path: Path, require: Require) -> None:
    browser = require("chromium")
    with running(tmp_path / "daemon", config="[auth]\nmode = 'required'\n") as daemon:
        key = daemon.rig("key", "create", "reader", "--scope", "orchestrator:read", "-o", "json", check=True).stdout
        given = {"bearer": {"name": "bearer", "schema": {"type": "http", "scheme": "bearer"}, "value": json.loads(key)["key"]}}
        async with page(browser, tmp_path / "profile", f"{daemon.url}/api/docs") as evaluate:

            async def shown(name: str, there: bool = True) -> None:
                async with asyncio.timeout(30):
                    while bool(await evaluate(f"document.body.innerText.includes('{name}')")) != there:
                        await asyncio.sleep(0.1)

            await shown("list_plugins")
            assert not await evaluate("document.body.innerText.includes('x/genai-prices/price')")
            await evaluate(f"void ui.authActions.authorizeWithPersistOption({json.dumps(given)})")
            await shown("x/genai-prices/price")
            await evaluate("void ui.authActions.logoutWithPersistOption(['bearer'])")
            await shown("x/genai-prices/price", there=False)
