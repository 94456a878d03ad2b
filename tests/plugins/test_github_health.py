"""GitHub's API as a dependency: what its answers mean, and that it is watched only where its address is given."""

from pathlib import Path
from typing import cast

import pytest
from aiohttp import ClientConnectorError, web
from aiohttp.test_utils import TestServer

import rig_github
from rig import CheckResult, HealthCheckersContext
from rig_github.config import GitHubConfig
from rig_github.health import GitHubChecker
from tests.acceptance.daemon import running


def checkers(**config: str) -> list[GitHubChecker]:
    context = HealthCheckersContext("0.1.0", "github", GitHubConfig.model_validate(config))
    return cast("list[GitHubChecker]", list(rig_github.rig_register_health_checkers(context)))


def test_it_is_watched_where_its_address_is_given() -> None:
    assert checkers() == []
    (checker,) = checkers(api_url="https://api.github.com")
    assert (checker.name, checker.critical, checker.api_url) == ("github", True, "https://api.github.com")


@pytest.mark.parametrize("address", ["api.github.com", "https://api.github.com/", "https://x/?a", "file:///etc", "http://a b"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="api_url"):
        GitHubConfig.model_validate({"api_url": address})


@pytest.mark.rule("R0-4", "R0-12")
@pytest.mark.parametrize(
    ("status", "found"),
    [
        (200, CheckResult()),
        (429, CheckResult("Degraded", "http 429")),
        (403, CheckResult("Degraded", "http 403")),
        (302, CheckResult("Degraded", "http 302")),
        (503, CheckResult("Unreachable", "http 503")),
    ],
)
async def test_an_answer_says_how_it_is(status: int, found: CheckResult) -> None:
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.json_response({}, status=status)

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    async with TestServer(app) as server:
        assert await GitHubChecker(str(server.make_url("/api"))).check(None) == found
    assert asked == ["/api/rate_limit"]


async def test_an_api_that_is_not_there_raises() -> None:
    async with TestServer(web.Application()) as server:
        gone = str(server.make_url("/api"))
    with pytest.raises(ClientConnectorError):
        await GitHubChecker(gone).check(None)


@pytest.mark.rule("R0-2", "R0-11", "R0-12")
def test_a_daemon_that_cannot_reach_it_is_taken_out(tmp_path: Path) -> None:
    with running(tmp_path, config='[plugins.github]\napi_url = "http://127.0.0.1:1"\n') as daemon:
        answer = daemon.ask("GET", "/healthz/deep")
    (github,) = (d for d in answer.json["dependencies"] if d["name"] == "github")
    assert (answer.status, github["critical"], github["status"]) == (503, True, "Unreachable")
    assert github["reason"] == "check failed: ClientConnectorError"
