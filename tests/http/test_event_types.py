"""Every event type of the contract's table (§1.3), as clients post it and as each reading says it."""

from typing import Any
from urllib.parse import quote

import pytest

from rig.model.events import TYPES
from tests.http.edge import Edge

PLACE = {"repo": "acme/web", "issueNumber": 42}
ISSUE = "acme/web#42"
PR: dict[str, Any] = {"prNumber": 99}

TABLE: dict[str, tuple[str, str, dict[str, Any]]] = {
    # snake_case: (PascalCase, stream, fields that go along)
    "issue_approved": ("IssueApproved", ISSUE, {"title": "One", "priority": "high", "dependsOn": []}),
    "issue_assigned": ("IssueAssigned", ISSUE, {"agentId": "a", "attempt": 1}),
    "issue_unassigned": ("IssueUnassigned", ISSUE, {"agentId": "a", "reason": "lunch"}),
    "work_started": ("WorkStarted", ISSUE, {"agentId": "a", "branch": "b"}),
    "branch_created": ("BranchCreated", ISSUE, {"agentId": "a", "branch": "b"}),
    "pr_created": ("PrCreated", ISSUE, {"agentId": "a", **PR, "prUrl": "https://x.test/99", "branch": "b"}),
    "review_assigned": ("ReviewAssigned", ISSUE, {"agentId": "r", **PR}),
    "ci_passed": ("CiPassed", ISSUE, PR),
    "ci_failed": ("CiFailed", ISSUE, {**PR, "failedChecks": ["lint"], "logs": "red"}),
    "review_passed": ("ReviewPassed", ISSUE, PR),
    "review_disputed": ("ReviewDisputed", ISSUE, {**PR, "attempt": 2}),
    "changes_requested": ("ChangesRequested", ISSUE, PR),
    "human_gate_triggered": ("HumanGateTriggered", ISSUE, {**PR, "reason": "size"}),
    "human_gate_reminder": ("HumanGateReminder", ISSUE, {**PR, "attempt": 1}),
    "merged": ("Merged", ISSUE, {**PR, "mergeSha": "abc"}),
    "deployed_staging": ("DeployedStaging", ISSUE, {"reason": "staging"}),
    "deployed_production": ("DeployedProduction", ISSUE, {"reason": "production"}),
    "smoke_passed": ("SmokePassed", ISSUE, {}),
    "smoke_failed": ("SmokeFailed", ISSUE, {"reason": "500", "attempt": 1, "maxRetries": 3}),
    "e2e_passed": (
        "E2EPassed",
        ISSUE,
        {"passedCount": 3, "totalCount": 3, "durationMs": 9, "runUrl": "u", "browser": "chromium"},
    ),
    "e2e_failed": ("E2EFailed", ISSUE, {"passedCount": 2, "totalCount": 3, "failedCount": 1, "firstFailure": "login"}),
    "verified": ("Verified", ISSUE, {}),
    "issue_done": ("IssueDone", ISSUE, {"durationMinutes": 12}),
    "issue_cancelled": ("IssueCancelled", ISSUE, {"reason": "no"}),
    "agent_stuck": ("AgentStuck", ISSUE, {"agentId": "a", "reason": "loop", "attempt": 1}),
    "escalated": ("Escalated", ISSUE, {"reason": "hard", "attempts": 3}),
    "issue_orphaned": ("IssueOrphaned", ISSUE, {}),
    "issue_needs_human": ("IssueNeedsHuman", ISSUE, {}),
    "cli_started": ("CliStarted", ISSUE, {"agentId": "a"}),
    "cli_completed": ("CliCompleted", ISSUE, {"agentId": "a", "durationMs": 5, "exitCode": 0}),
    "token_usage": ("TokenUsage", ISSUE, {"agentId": "a", "model": "m", "inputTokens": 1, "costUsd": 0.5, "category": "work"}),
    "memory_write": ("MemoryWrite", ISSUE, {"agentId": "a", "scope": "repo", "kind": "fact", "memoryId": "m1", "tokens": 5}),
    "memory_read": ("MemoryRead", ISSUE, {"agentId": "a", "query": "q", "hits": 2, "tokensLoaded": 9}),
    "memory_hit_used": ("MemoryHitUsed", ISSUE, {"agentId": "a", "memoryId": "m1", "usedInOutput": True}),
    "heartbeat": (
        "Heartbeat",
        "a",
        {
            "agentId": "a",
            "status": "working",
            "currentIssue": 42,
            "currentRepo": "acme/web",
            "activeProvider": "claude",
            "availableProviders": ["claude"],
            "providers": [{"name": "claude", "status": "ready", "details": "d", "active": True}],
            "integrations": [{"name": "github", "status": "ready", "details": "d"}],
            "uptimeSeconds": 9,
            "memoryMB": 5,
            "errorCount": 0,
            "startup": False,
            "degraded": True,
            "degradedReasons": ["disk"],
        },
    ),
    "milestone_complete": ("MilestoneComplete", "acme/web@milestone:v1", {"milestone": "v1"}),
}


def fields_of(name: str) -> dict[str, Any]:
    """The whole event without its type; a heartbeat has no place of its own."""
    return (PLACE if name != "heartbeat" else {}) | TABLE[name][2]


def test_the_table_is_the_closed_set_that_clients_may_post() -> None:
    assert {t.name for t in TYPES.values() if t.public} == set(TABLE)


@pytest.mark.rule("R0-14", "R0-15", "R0-18", "R0-20")
@pytest.mark.parametrize("name", TABLE)
async def test_every_type_is_taken_in_three_spellings_and_read_in_each_readings_own(edge: Edge, name: str) -> None:
    pascal, stream, _ = TABLE[name]
    fields = fields_of(name)
    spellings = [
        {"type": name.upper(), **fields},
        {"Type": pascal, **{field[0].upper() + field[1:]: value for field, value in fields.items()}},
        {"tYPE": name, **{field.swapcase(): value for field, value in fields.items()}},
    ]
    for sent in spellings:
        edge.clock.advance(1)
        status, accepted = await edge.post("/api/events", sent)
        assert (status, accepted["streamId"], accepted["type"]) == (200, stream, name.upper()), accepted
        assert accepted["timestamp"].endswith("Z")
    _, read = await edge.get(f"/api/events/stream?id={quote(stream, safe='')}")
    assert [(e["type"], e["data"]) for e in read] == [(pascal, fields)] * 3, "field names as the contract has them"
    status, trace = await edge.get(f"/api/issues/{quote(stream, safe='')}/trace")
    assert (status, {e["type"] for e in trace["events"]}) == (200, {name})


@pytest.mark.rule("R0-15")
@pytest.mark.parametrize("name", ["memory_write", "memory_read", "memory_hit_used", "token_usage"])
async def test_an_empty_place_leads_to_the_agents_stream(edge: Edge, name: str) -> None:
    empty = {"Type": TABLE[name][0], "Repo": "", "IssueNumber": 0, **TABLE[name][2]}
    status, accepted = await edge.post("/api/events", empty)
    assert (status, accepted["streamId"]) == (200, "a")
    del empty["agentId"]
    assert (await edge.post("/api/events", empty))[0] == 400


async def test_a_milestone_never_lands_on_the_issue_with_the_number_of_its_count(edge: Edge) -> None:
    """Its ``issueNumber`` is how many issues it had."""
    await edge.approve(42)
    milestone = {"type": "MILESTONE_COMPLETE", "repo": "acme/web", "issueNumber": 42, "milestone": "v1"}
    assert (await edge.post("/api/events", milestone))[1]["streamId"] == "acme/web@milestone:v1"
    _, trace = await edge.get("/api/issues/acme%2Fweb%2342/trace")
    assert trace["eventCount"] == 1


ILLEGAL = [
    ("ISSUE_DONE", [], "the issue is not known"),
    ("CI_PASSED", ["ISSUE_APPROVED"], "ci_passed does not apply in state queued"),
    ("DEPLOYED_STAGING", ["ISSUE_APPROVED"], "deployed_staging does not apply in state queued"),
    ("ISSUE_ASSIGNED", ["ISSUE_APPROVED", "MERGED"], "issue_assigned does not apply in state deploying"),
    ("WORK_STARTED", ["ISSUE_APPROVED", "WORK_STARTED", "ISSUE_DONE"], "work_started does not apply in state done"),
    ("ISSUE_CANCELLED", ["ISSUE_APPROVED", "ISSUE_CANCELLED"], "issue_cancelled does not apply in state cancelled"),
]


@pytest.mark.parametrize(("type_", "before", "reason"), ILLEGAL)
async def test_a_known_but_illegal_event_is_stored_and_says_why_it_does_not_apply(
    edge: Edge, type_: str, before: list[str], reason: str
) -> None:
    for earlier in before:
        await edge.post("/api/events", {"type": earlier, **fields_of(earlier.lower())})
    _, state = await edge.get("/api/issues")
    assert (await edge.post("/api/events", {"type": type_, **fields_of(type_.lower())}))[0] == 200
    _, trace = await edge.get("/api/issues/acme%2Fweb%2342/trace")
    assert ["applied" in event for event in trace["events"]] == [False] * len(before) + [True]
    assert (trace["events"][-1]["applied"], trace["events"][-1]["reason"]) == (False, reason)
    _, after = await edge.get("/api/issues")
    assert [i["state"] for i in after] == [i["state"] for i in state]


@pytest.mark.rule("R0-21", "R0-22", "R0-24")
async def test_a_trace_goes_by_the_sequence_whatever_the_timestamps_say(edge: Edge) -> None:
    """Equal timestamps: the clock stands still. Decreasing ones: what the client says is kept and orders nothing."""
    for number, said in enumerate(("2026-05-03", "2026-05-02", "2026-05-01")):
        await edge.approve(7)
        status, accepted = await edge.post(
            "/api/events", {"type": "CLI_STARTED", "agentId": "a", **PLACE, "at": f"{said}T00:00:00Z"}
        )
        assert (status, accepted["timestamp"][:10]) == (200, "2025-06-15"), "the server's time (R0-19)"
        if not number:
            await edge.approve(42)
    _, trace = await edge.get("/api/issues/acme%2Fweb%2342/trace")
    assert [e["sequence"] for e in trace["events"]] == [2, 3, 5, 7], "of the whole log, with gaps"
    assert len({e["at"] for e in trace["events"]}) == 1
    assert [e["data"].get("at", "")[8:10] for e in trace["events"]] == ["03", "", "02", "01"]
    assert (trace["eventCount"], trace["currentState"]) == (4, "queued")


@pytest.mark.rule("R0-19")
async def test_the_time_is_the_servers_and_the_clients_is_kept(edge: Edge) -> None:
    claimed = {"timestamp": "1999-01-01T00:00:00Z", "at": "1999-01-01T00:00:00Z"}
    _, accepted = await edge.post("/api/events", {"type": "ISSUE_APPROVED", **PLACE, **claimed})
    assert accepted["timestamp"].startswith("2025-06-15T")
    _, (event,) = await edge.get("/api/events/stream?id=acme%2Fweb%2342")
    assert (event["timestamp"], event["data"] | claimed) == (accepted["timestamp"], event["data"])


@pytest.mark.rule("R0-23")
async def test_an_issue_without_an_event_is_404(edge: Edge) -> None:
    for path in ("/api/issues/acme%2Fweb%2342/trace", "/api/issues/trace?repo=acme%2Fweb&issueNumber=42"):
        assert (await edge.get(path))[0] == 404


@pytest.mark.rule("R0-25")
async def test_a_number_sign_that_is_not_encoded_names_another_stream(edge: Edge) -> None:
    from yarl import URL

    await edge.approve(42)
    url = URL(str(edge.client.make_url("/")) + "api/events/stream?id=acme/web#42", encoded=True)
    async with edge.client.session.get(url) as response:
        assert (response.status, await response.json()) == (200, [])
    assert len((await edge.get("/api/events/stream?id=acme%2Fweb%2342"))[1]) == 1


@pytest.mark.rule("R0-16")
@pytest.mark.parametrize("type_", ["INVALID", "ISSUE APPROVED", "issue-approved", "LEASE_EXPIRED", "KeyCreated"])
async def test_an_unknown_type_and_one_that_rig_alone_writes_are_refused(edge: Edge, type_: str) -> None:
    status, body = await edge.post("/api/events", {"type": type_, **PLACE, "agentId": "a"})
    assert (status, body["error"]) == (400, f"Unknown event type: {type_}")
    assert await edge.get("/api/events/stream?id=acme%2Fweb%2342") == (200, [])


@pytest.mark.rule("R0-17")
@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({**PLACE}, "type"),
        ({"type": "", **PLACE}, "type"),
        ({"type": "  ", **PLACE}, "type"),
        ({"type": 7, **PLACE}, "type"),
        ({"type": "ISSUE_APPROVED", "repo": "acme/web"}, "issueNumber"),
        ({"type": "ISSUE_APPROVED", "issueNumber": 1}, "repo"),
        ({"type": "ISSUE_ASSIGNED", **PLACE}, "agentId"),
        ({"type": "WORK_STARTED", **PLACE}, "agentId"),
        ({"type": "AGENT_STUCK", **PLACE}, "agentId"),
        ({"type": "HEARTBEAT"}, "agentId"),
        ({"type": "TOKEN_USAGE", "agentId": "a"}, "model"),
        ({"type": "MEMORY_WRITE"}, "agentId"),
        ({"type": "MILESTONE_COMPLETE", "repo": "acme/web"}, "milestone"),
    ],
)
async def test_what_is_missing_is_named(edge: Edge, sent: dict[str, Any], field: str) -> None:
    status, body = await edge.post("/api/events", sent)
    assert (status, body["details"]["field"]) == (400, field)
    assert field in body["error"]


@pytest.mark.rule("R0-17")
@pytest.mark.parametrize(
    "text", ["", "{", "[]", "7", '{"type": "HEARTBEAT", "agentId": "a"', '{"a": 1, "a": 2}', '{"type": NaN}']
)
async def test_malformed_json_is_400_and_stores_nothing(edge: Edge, text: str) -> None:
    async with edge.client.post("/api/events", data=text, headers={"Content-Type": "application/json"}) as response:
        assert response.status == 400
    with edge.store.snapshot() as snapshot:
        assert snapshot.as_of("default") == 0
