"""One policy of errors everywhere (conventions §5, promises §3.2)."""

import json
import logging
from typing import Any

import pytest
from aiohttp import web

from rig.errors import StorageUnavailable
from rig.http.app import make_app
from rig.http.routes import HANDLERS
from tests.http.edge import Edge, MakeEdge


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing/here", 404, "not_found"),
        ("GET", "/api/v1/nothing/here/at/all", 404, "not_found"),
        ("DELETE", "/api/events", 405, "method_not_allowed"),
        ("PATCH", "/api/v1/issues", 405, "method_not_allowed"),
        ("GET", "/api/execution-logs/none", 404, "not_found"),
        ("GET", "/api/v1/attempts/none/logs", 404, "not_found"),
        ("POST", "/api/v1/secrets/abort", 404, "not_found"),
        ("POST", "/api/v1/ENG-1%0d%0a/abort", 400, "bad_request"),
    ],
)
@pytest.mark.parametrize("problem", [False, True])
async def test_every_error_has_its_envelope(edge: Edge, method: str, path: str, status: int, code: str, problem: bool) -> None:
    from yarl import URL

    headers = {"Accept": "application/problem+json"} if problem else {}
    url = URL(str(edge.client.make_url("/"))[:-1] + path, encoded=True)
    async with edge.client.session.request(method, url, headers=headers) as response:
        body: dict[str, Any] = await response.json(content_type=None)
    assert response.status == status
    if problem:
        assert response.content_type == "application/problem+json"
        assert (body["status"], body["code"]) == (status, code)
    elif path.startswith("/api/v1/"):
        assert set(body["error"]) >= {"code", "message", "trace_id"}
        assert body["error"]["code"] == code
    else:
        assert (body["code"], len(body["traceId"])) == (code, 32)
    assert "nothing" not in json.dumps(body)
    assert ("Allow" in response.headers) == (status == 405)


async def test_options_says_what_is_allowed(edge: Edge) -> None:
    async with edge.client.options("/api/events") as response:
        assert (response.status, response.headers["Allow"]) == (204, "OPTIONS, POST")
    async with edge.client.options("/api/issues") as response:
        assert response.headers["Allow"] == "GET, HEAD, OPTIONS"


async def test_head_is_get_without_a_body(edge: Edge) -> None:
    for path in ("/health", "/api/issues", "/api/v1/events"):
        async with edge.client.head(path) as response:
            assert (response.status, await response.read()) == (200, b"")


async def test_a_defect_is_503_with_a_trace_id_and_no_word_of_what_it_was(edge: Edge, caplog: pytest.LogCaptureFixture) -> None:
    """I36: never 500, never a traceback."""

    async def broken(ask: object) -> web.StreamResponse:
        raise RuntimeError("/secret/path rig_deadbeef_secret")

    from aiohttp.test_utils import TestClient, TestServer

    client = TestClient(TestServer(make_app(edge.deps_again(), {**HANDLERS, "list_agents": broken})))
    await client.start_server()
    try:
        with caplog.at_level(logging.ERROR):
            async with client.get("/api/agents") as response:
                text = await response.text()
        assert response.status == 503
        assert "secret" not in text
        body = json.loads(text)
        assert body["code"] == "internal"
        assert body["traceId"] in caplog.text
        assert response.headers["Retry-After"]
    finally:
        await client.close()


async def test_a_store_that_cannot_write_is_503_with_retry_after(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    """I24."""

    async def full(unit: object) -> object:
        raise StorageUnavailable

    monkeypatch.setattr(edge.store, "commit", full)
    async with edge.client.post("/api/events", json={"type": "HEARTBEAT", "agentId": "a"}) as response:
        assert (response.status, (await response.json())["code"]) == (503, "storage_unavailable")
        assert response.headers["Retry-After"] == "1"
    assert (await edge.get("/api/issues"))[0] == 200


async def test_the_trace_id_comes_from_the_client_when_it_is_valid(edge: Edge) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    for headers, expected in (
        ({"traceparent": f"00-{trace}-b7ad6b7169203331-01"}, trace),
        ({"X-Request-Id": trace}, trace),
        ({"traceparent": f"cc-{trace}-b7ad6b7169203331-01-what-the-future-brings"}, trace),
        ({"traceparent": f"00-{trace}-b7ad6b7169203331-01-extra"}, None),
        ({"traceparent": f"ff-{trace}-b7ad6b7169203331-01"}, None),
        ({"traceparent": f"00-{trace.upper()}-b7ad6b7169203331-01"}, None),
        ({"traceparent": f"00-{trace}-{'0' * 16}-01"}, None),
        ({"traceparent": f"00-{'0' * 32}-b7ad6b7169203331-01"}, None),
        ({"X-Request-Id": "<script>"}, None),
        ({}, None),
    ):
        async with edge.client.get("/api/issues", headers=headers) as response:
            got = response.headers["X-Request-Id"]
            assert len(got) == 32
            assert response.headers["traceparent"].startswith(f"00-{got}-")
            assert (got == trace) == (expected is not None)
            assert response.headers["Server"] == "rig"


async def test_metrics_have_bounded_labels(edge: Edge) -> None:
    """1,000 random paths add no series."""
    for path in ("/a", "/api/issues/x%2Fy%231/trace"):
        await (await edge.client.get(path)).read()
    before = (await (await edge.client.get("/metrics")).text()).count("\n")
    for number in range(200):
        await (await edge.client.get(f"/random-{number}")).read()
        await (await edge.client.get(f"/api/issues/acme%2Fweb%23{number + 1}/trace")).read()
    text = await (await edge.client.get("/metrics")).text()
    assert text.count("\n") <= before + 40
    assert "acme" not in text
    assert "rig_http_requests_total" in text


async def test_draining_refuses_what_writes_and_is_not_ready(make_edge: MakeEdge) -> None:
    edge = await make_edge()
    assert (await edge.get("/ready"))[0] == 200
    edge.deps.bus.close()
    status, body = await edge.post("/api/events", {"type": "HEARTBEAT", "agentId": "a"})
    assert (status, body["code"]) == (503, "draining")
    assert (await edge.get("/ready"))[0] == 503
    assert (await edge.get("/health"))[0] == 200
