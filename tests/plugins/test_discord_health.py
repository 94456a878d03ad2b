"""The Discord webhook as a dependency: asked for without a post, seldom, and its address is in no reason."""

from pathlib import Path
from typing import Any, cast

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

import rig_discord
from rig import CheckResult, HealthCheckersContext
from rig_discord import health
from rig_discord.health import DiscordWebhook
from rig_discord.notifier import DiscordConfig
from tests.acceptance.daemon import running
from tests.standins.receiver import Got, Receiver, Reply

HIDDEN = "/api/webhooks/1/hidden-token"


def checkers(**config: str) -> list[DiscordWebhook]:
    context = HealthCheckersContext("0.1.0", "discord", DiscordConfig.model_validate(config))
    return cast("list[DiscordWebhook]", list(rig_discord.rig_register_health_checkers(context)))


def test_it_is_watched_where_its_address_is_given() -> None:
    assert checkers() == []
    (checker,) = checkers(url=f"https://discord.com{HIDDEN}")
    assert (checker.name, checker.critical) == ("discord", False)


@pytest.mark.parametrize(
    ("status", "found"),
    [
        (200, CheckResult()),
        (404, CheckResult("Unreachable", "http 404: there is no such webhook; make a new one in the channel's settings")),
        (401, CheckResult("Unreachable", "http 401: there is no such webhook; make a new one in the channel's settings")),
        (429, CheckResult("Degraded", "http 429")),
        (302, CheckResult("Degraded", "http 302")),
        (503, CheckResult("Unreachable", "http 503")),
    ],
)
async def test_an_answer_says_how_it_is_and_is_remembered(
    monkeypatch: pytest.MonkeyPatch, status: int, found: CheckResult
) -> None:
    asked: list[tuple[str, str]] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append((request.method, request.path))
        return web.json_response({"id": "1", "token": "hidden-token"}, status=status)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server:
        (checker,) = checkers(url=str(server.make_url(HIDDEN)))
        assert await checker.check(cast(Any, None)) == found
        assert await checker.check(cast(Any, None)) == found
        assert asked == [("GET", HIDDEN)]
        monkeypatch.setattr(health, "AGE", 0.0)
        await checker.check(cast(Any, None))
        assert len(asked) == 2


async def test_one_that_is_not_there_is_said_without_its_address() -> None:
    async with TestServer(web.Application()) as server:
        gone = str(server.make_url(HIDDEN))
    (checker,) = checkers(url=gone)
    result = await checker.check(cast(Any, None))
    assert (result.status, result.reason) == ("Unreachable", "not reached: ClientConnectorError")


@pytest.mark.rule("R0-12")
def test_a_daemon_shows_webhook_and_notifier_as_one_and_the_worse_of_both(tmp_path: Path) -> None:
    def reply(got: Got) -> Reply:
        return 503, {"Retry-After": "60"}

    with (
        Receiver(reply=reply) as receiver,
        running(tmp_path, config=f'[plugins.discord]\nurl = "{receiver.url}{HIDDEN}"\n') as d,
    ):

        def rows() -> list[dict[str, Any]]:
            return [r for r in d.ask("GET", "/healthz/deep").json["dependencies"] if r["name"] == "discord"]

        (row,) = d.wait_for(rows)
        assert (row["status"], row["critical"]) == ("Ok", False)
        for type_ in ("ISSUE_APPROVED", "ISSUE_DONE"):
            d.post(type=type_, repo="acme/app", issueNumber=8)
        d.wait_for(lambda: rows()[0]["status"] == "Degraded")
        (row,) = rows()
        assert row["reason"] == "http 503"
        assert d.ask("GET", "/healthz/deep").status == 200
        assert "hidden" not in d.log.read_text()
