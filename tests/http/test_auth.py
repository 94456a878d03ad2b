"""Who may do what (conventions §7, I20, I23)."""

import asyncio
import re
from typing import Any

import pytest

from rig.http import audit
from rig.wire.operations import ADMIN, OPERATIONS, READ, SIGNATURE, WRITE, Operation
from tests.http.edge import OPERATOR_TOKEN, Edge, MakeEdge

CLOSED = [o for o in OPERATIONS if o.scope is not None]


def path_of(operation: Operation, path: str | None = None) -> str:
    known = {"source": "github", "path": "dispatch.enabled", "traceId": "1" * 32, "file": "start.js"}
    return re.sub(r"\{(\w+)\}", lambda found: known.get(found[1], "ENG-1"), path or operation.paths[0])


def bearer(key: str, **more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}", **more}


async def refusals(edge: Edge) -> list[dict[str, Any]]:
    _, events = await edge.get("/api/events/stream?id=audit", headers=bearer(OPERATOR_TOKEN))
    return [e["data"] for e in events]


@pytest.mark.parametrize("operation", CLOSED, ids=lambda o: o.name)
async def test_without_a_credential_every_closed_operation_is_401(make_edge: MakeEdge, operation: Operation) -> None:
    """I20."""
    edge = await make_edge(auth_mode="required")
    for path in operation.paths:
        async with edge.client.request(operation.method, path_of(operation, path), json={}) as response:
            assert response.status == 401, path
            assert response.headers["WWW-Authenticate"].startswith("Bearer")


async def test_the_public_ones_answer_in_every_mode_and_tell_strangers_no_reason(make_edge: MakeEdge) -> None:
    from rig.model.health import Dependency, HealthReport

    async def ill() -> HealthReport:
        return HealthReport("Degraded", (Dependency("github", "Degraded", True, "http 429", 3, 0),), 0)

    edge = await make_edge(auth_mode="required", deps={"health": ill})
    for operation in OPERATIONS:
        if operation.scope is None:
            async with edge.client.get(path_of(operation), headers=bearer("wrong")) as response:
                assert response.status == 200, operation.name
    _, body = await edge.get("/healthz/deep")
    assert body["dependencies"][0]["reason"] == "redacted"
    _, body = await edge.get("/healthz/deep", headers=bearer(OPERATOR_TOKEN))
    assert body["dependencies"][0]["reason"] == "http 429"


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": "Basic cmlnOnJpZw=="},
        {"Authorization": "Bearer rig_00000000_" + "x" * 43},
        {"Authorization": "Bearer " + "x" * 4000},
        {"Authorization": "rig_00000000"},
    ],
)
async def test_a_wrong_credential_is_401_also_where_none_is_needed(edge: Edge, headers: dict[str, str]) -> None:
    assert (await edge.get("/api/issues", headers=headers))[0] == 401


async def test_a_key_is_taken_whole_and_in_its_own_case(make_edge: MakeEdge) -> None:
    edge = await make_edge(auth_mode="required")
    key = await edge.key("reader", READ)
    for sent, status in ((key, 200), (key.upper(), 401), (key[:12], 401), (key + "x", 401)):
        assert (await edge.get("/api/issues", headers=bearer(sent)))[0] == status
    assert (await edge.get(f"/api/issues?token={key}&key={key}"))[0] == 401
    twice = [("Authorization", f"Bearer {key}"), ("Authorization", f"Bearer {key}")]
    assert (await edge.get("/api/issues", headers=twice))[0] == 401


LEVELS = {READ: 1, WRITE: 2, ADMIN: 3}


@pytest.mark.parametrize("scope", [READ, WRITE, ADMIN])
async def test_scopes_include_the_weaker_ones_and_refusals_are_recorded(make_edge: MakeEdge, scope: str) -> None:
    """I20, I23: the route × scope table is made from code and tested whole."""
    edge = await make_edge(auth_mode="required")
    key = await edge.key("k", scope)
    refused = []
    for operation in CLOSED:
        if operation.scope == SIGNATURE or operation.name in ("stream_events", "revoke_api_key"):
            continue
        async with edge.client.request(operation.method, path_of(operation), json={}, headers=bearer(key)) as response:
            status = response.status
        may = LEVELS[scope] >= LEVELS[operation.scope or READ]
        assert (status not in (401, 403)) is may, (operation.name, status)
        if not may:
            refused.append(operation.name)
    recorded = await refusals(edge)
    assert [r["operation"] for r in recorded] == refused
    assert {r["principal"] for r in recorded} <= {f"key:{key[4:12]}"}


async def test_a_revoked_key_stops_at_once_and_ends_its_open_streams(make_edge: MakeEdge) -> None:
    """I18."""
    edge = await make_edge(auth_mode="required")
    admin, reader = await edge.key("admin", ADMIN), await edge.key("reader", READ)
    async with edge.client.get("/api/v1/events", headers=bearer(reader)) as stream:
        await stream.content.readuntil(b"\n\n")
        key_id = f"api-key-{reader[4:12]}"
        async with edge.client.delete(f"/api/api-keys/{key_id}", headers=bearer(admin)) as response:
            assert (response.status, await response.json()) == (200, {"removed": key_id})
        assert (await edge.get("/api/issues", headers=bearer(reader)))[0] == 401
        async with asyncio.timeout(5):
            await stream.content.read()


async def test_keys_are_shown_once_listed_by_prefix_and_never_more_than_their_creator(make_edge: MakeEdge) -> None:
    edge = await make_edge(auth_mode="required")
    admin = await edge.key("admin", ADMIN)
    headers = bearer(admin, **{"Idempotency-Key": "one"})
    status, made = await edge.post("/api/api-keys", {"name": "ci"}, headers=headers)
    assert (status, made["scopes"]) == (201, [WRITE])
    assert await edge.post("/api/api-keys", {"name": "ci"}, headers=headers) == (201, made)
    assert (await edge.get("/api/issues", headers=bearer(made["key"])))[0] == 200
    _, listed = await edge.get("/api/api-keys", headers=bearer(admin))
    assert [k["prefix"] for k in listed if k["name"] == "ci"] == [made["prefix"]]
    assert made["key"] not in str(listed)
    assert (await edge.post("/api/api-keys", {"name": "x", "scopes": [ADMIN]}, headers=bearer(made["key"])))[0] == 403
    assert (await edge.post("/api/api-keys", {"name": "x", "tenant": "acme"}, headers=bearer(admin)))[0] == 403


async def test_what_is_kept_for_a_repeat_holds_no_key(make_edge: MakeEdge) -> None:
    edge = await make_edge(deps={"seal": lambda data: data[::-1], "unseal": lambda data: data[::-1]})
    _, made = await edge.post("/api/api-keys", {"name": "ci"}, headers={"Idempotency-Key": "one"})
    with edge.store.snapshot() as snapshot:
        kept = snapshot.outcome("default\nlocal\nPOST\n/api/api-keys\none")
    assert kept is not None
    assert made["key"].encode() not in kept[1].body


async def test_tenants_do_not_see_each_other(make_edge: MakeEdge) -> None:
    """I19."""
    edge = await make_edge(auth_mode="required")
    mine, theirs = await edge.key("mine", ADMIN), await edge.key("theirs", ADMIN, tenant="acme")
    event = {"type": "ISSUE_APPROVED", "repo": "acme/web", "issueNumber": 1}
    assert (await edge.post("/api/events", event, headers=bearer(theirs)))[0] == 200
    assert (await edge.get("/api/issues", headers=bearer(mine)))[1] == []
    assert len((await edge.get("/api/issues", headers=bearer(theirs)))[1]) == 1
    assert (await edge.get("/api/issues/acme%2Fweb%231/trace", headers=bearer(mine)))[0] == 404
    assert (await edge.get("/api/issues", headers=bearer(theirs, **{"X-Stella-Tenant": "acme"})))[0] == 200
    for named in ("default", "", "../", "ACME"):
        status, body = await edge.get("/api/issues", headers=bearer(theirs, **{"X-Stella-Tenant": named}))
        assert (status, body["code"]) == (403, "TENANT_FORBIDDEN")
    async with edge.client.put("/api/v1/config/overlay", json={}, headers=bearer(theirs)) as response:
        assert response.status == 403
    assert (await edge.get("/api/issues", headers=bearer(OPERATOR_TOKEN, **{"X-Stella-Tenant": "acme"})))[1] != []


async def test_keys_from_the_environment_read_jobs_and_nothing_else(make_edge: MakeEdge) -> None:
    edge = await make_edge(auth_mode="required", submit_keys=("submit-me",))
    assert (await edge.get("/api/jobs", headers=bearer("submit-me")))[0] == 200
    assert (await edge.get("/api/issues", headers=bearer("submit-me")))[0] == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "rig.example"},
        {"X-Forwarded-For": "10.0.0.1"},
        {"x-forwarded-proto": "https"},
        {"Forwarded": "for=10.0.0.1"},
        {"X-Real-IP": "10.0.0.1"},
    ],
)
async def test_the_local_operator_comes_by_loopback_alone(make_edge: MakeEdge, headers: dict[str, str]) -> None:
    edge = await make_edge(allowed_hosts=("rig.example",))
    assert (await edge.get("/api/issues"))[0] == 200
    assert (await edge.get("/api/issues", headers=headers))[0] == 401


async def test_on_another_bind_nobody_is_the_local_operator(make_edge: MakeEdge) -> None:
    edge = await make_edge(loopback_bind=False)
    assert (await edge.get("/api/issues"))[0] == 401
    assert (await edge.get("/api/issues", headers=bearer(OPERATOR_TOKEN)))[0] == 200


FORBIDDEN_TO_AGENTS = [
    ("PUT", "/api/v1/config/overlay"),
    ("POST", "/api/admin/issues/force-done?repo=acme%2Fweb&issueNumber=1"),
    ("POST", "/api/leases/other/heartbeat"),
    ("POST", "/api/api-keys"),
    ("GET", "/api/issues"),
]


async def test_an_agent_that_drops_its_key_is_nobody(edge: Edge) -> None:
    """A11: it is told by its socket, and each refusal is recorded under its attempt."""
    edge.attempts["any"] = "execution-1"
    for method, path in FORBIDDEN_TO_AGENTS:
        async with edge.client.request(method, path, json={} if method != "GET" else None) as response:
            assert response.status == 401
    assert (await edge.get("/health"))[0] == 200
    edge.attempts.clear()
    assert {r["principal"] for r in await refusals(edge)} == {"attempt:execution-1"}


async def test_where_a_peer_cannot_be_told_while_attempts_run_writing_needs_a_credential(edge: Edge) -> None:
    edge.attempts["any"] = ""
    event = {"type": "HEARTBEAT", "agentId": "a"}
    assert (await edge.get("/api/issues"))[0] == 200
    assert (await edge.post("/api/events", event))[0] == 401
    assert (await edge.post("/api/events", event, headers=bearer(OPERATOR_TOKEN)))[0] == 200


async def test_the_key_of_an_attempt_is_good_for_its_own_work_only(make_edge: MakeEdge) -> None:
    edge = await make_edge(auth_mode="required")
    await edge.approve(1, 2)
    operator = bearer(OPERATOR_TOKEN)
    _, claimed = await edge.post("/api/assignments/claim", {"agentId": "rig-1"}, headers=operator)
    _, other = await edge.post("/api/assignments/claim", {"agentId": "rig-2"}, headers=operator)
    lease = claimed["lease"]
    mine: dict[str, Any] = {"executionId": "x-1", "issue": "acme/web#1", "leaseId": lease["id"], "agentId": "rig-1"}
    key = await edge.key("attempt", fence=lease["fence"], **mine)
    headers = bearer(key)
    own = {"repo": "acme/web", "issueNumber": 1, "agentId": "rig-1"}
    for event, status in (
        ({"type": "WORK_STARTED", **own}, 200),
        ({"type": "TOKEN_USAGE", "model": "m", **own}, 200),
        ({"type": "HEARTBEAT", "agentId": "rig-1"}, 200),
        ({"type": "HEARTBEAT", "agentId": "rig-2"}, 403),
        ({"type": "WORK_STARTED", **own, "issueNumber": 2}, 403),
        ({"type": "WORK_STARTED", **own, "agentId": "rig-2"}, 403),
        ({"type": "WORK_STARTED", **own, "executionId": "x-2"}, 403),
        ({"type": "WORK_STARTED", **own, "leaseId": other["lease"]["id"], "fence": 1}, 409),
        ({"type": "REVIEW_PASSED", **own}, 403),
        ({"type": "ISSUE_APPROVED", **own}, 403),
    ):
        assert (await edge.post("/api/events", event, headers=headers))[0] == status, event
    both = [{"type": "HEARTBEAT", "agentId": agent} for agent in ("rig-1", "rig-2")]
    assert (await edge.post("/api/events/batch", both, headers=headers))[0] == 403
    assert (await edge.post("/api/events/batch", both[:1], headers=headers))[0] == 200
    assert (await edge.post(f"/api/leases/{lease['id']}/heartbeat", {}, headers=headers))[0] == 200
    assert (await edge.post(f"/api/leases/{other['lease']['id']}/heartbeat", {}, headers=headers))[0] == 403
    assert (await edge.get("/api/execution-logs/x-2", headers=headers))[0] == 403
    for method, path in FORBIDDEN_TO_AGENTS:
        async with edge.client.request(method, path, json={} if method != "GET" else None, headers=headers) as response:
            assert response.status == 403, path
    assert {r["principal"] for r in await refusals(edge)} == {"attempt:x-1"}
    _, ended = await edge.post(f"/api/leases/{lease['id']}/complete", {"result": "done"}, headers=headers)
    assert ended["state"] == "in_review"
    assert (await edge.post("/api/events", {"type": "TOKEN_USAGE", "model": "m", **own}, headers=headers))[0] == 409


async def test_strangers_are_counted_and_recorded_once_a_while(make_edge: MakeEdge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit.Audit.__init__, "__defaults__", (0.05,))
    edge = await make_edge(auth_mode="required")
    for _ in range(5):
        await edge.get("/api/issues")
    async with asyncio.timeout(2):
        while not (found := await refusals(edge)):
            await asyncio.sleep(0.01)
    assert [(r["principal"], r["count"]) for r in found] == [(None, 5)]


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("POST", {"Origin": "http://evil.example"}, 403),
        ("POST", {"Origin": "null"}, 403),
        ("POST", {"Sec-Fetch-Site": "cross-site"}, 403),
        ("POST", {"Sec-Fetch-Site": "same-origin"}, 200),
        ("POST", {"Origin": "https://rig.example"}, 200),
        ("GET", {"Origin": "http://evil.example"}, 200),
        ("GET", {"Host": "evil.example"}, 403),
        ("GET", {"Host": "localhost:1"}, 200),
        ("GET", {"Host": "[::1]:8080"}, 200),
        ("GET", {"Host": "a b"}, 400),
        ("GET", {"Host": "localhost:99999"}, 400),
        ("GET", {"Host": ""}, 400),
    ],
)
async def test_pages_of_other_sites_get_nowhere(make_edge: MakeEdge, method: str, headers: dict[str, str], status: int) -> None:
    """DNS rebinding and cross-site requests."""
    edge = await make_edge(public_url="https://rig.example")
    body = {"type": "HEARTBEAT", "agentId": "a"} if method == "POST" else None
    path = "/api/events" if method == "POST" else "/api/issues"
    async with edge.client.request(method, path, json=body, headers=headers) as response:
        assert response.status == status
