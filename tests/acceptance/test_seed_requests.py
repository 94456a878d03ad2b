"""docs/examples/conductor.sh against a real daemon: every request is answered with the documented fields and types (B2)."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.daemon import running
from tests.conftest import Require

STRING, NUMBER, INTEGER, BOOLEAN = "a text", "a number", "a whole number", "true or false"
TIME = "an instant in UTC"
DATE = "a day"


def maybe(shape: Any) -> tuple[Any, None]:
    """``shape`` or null."""
    return (shape, None)


DEPENDENCY = {
    "name": STRING,
    "status": STRING,
    "critical": BOOLEAN,
    "reason": maybe(STRING),
    "latencyMs": INTEGER,
    "lastCheckAt": TIME,
}
ACCEPTED = {"streamId": STRING, "type": STRING, "timestamp": TIME}
ASSIGNMENT = {
    "streamId": STRING,
    "issue": {"number": INTEGER, "repo": STRING, "title": STRING, "milestone": maybe(STRING)},
    "priority": STRING,
    "attempt": INTEGER,
}
ISSUE = {
    "streamId": STRING,
    "repo": STRING,
    "issueNumber": INTEGER,
    "title": maybe(STRING),
    "state": STRING,
    "priority": STRING,
    "milestone": maybe(STRING),
    "dependsOn": [STRING],
    "assignedAgent": maybe(STRING),
    "attempt": INTEGER,
    "branch": maybe(STRING),
    "prNumber": maybe(INTEGER),
    "prUrl": maybe(STRING),
    "orphanStatus": maybe(STRING),
    "queuedAt": maybe(TIME),
    "createdAt": TIME,
    "updatedAt": TIME,
    "lastEventSequence": INTEGER,
}
AGENT = {
    "id": STRING,
    "status": STRING,
    "isOnline": BOOLEAN,
    "currentIssue": maybe(INTEGER),
    "currentRepo": maybe(STRING),
    "activeProvider": maybe(STRING),
    "availableProviders": [STRING],
    "providers": [{"name": STRING, "status": STRING, "details": STRING, "active": BOOLEAN}],
    "integrations": [{"name": STRING, "status": STRING, "details": STRING}],
    "lastModel": maybe(STRING),
    "lastHeartbeat": maybe(TIME),
    "issuesCompleted": INTEGER,
    "issuesFailed": INTEGER,
}
EXECUTION = {
    "id": STRING,
    "repo": STRING,
    "issueNumber": INTEGER,
    "prNumber": maybe(INTEGER),
    "agentId": STRING,
    "status": STRING,
    "startedAt": TIME,
    "completedAt": maybe(TIME),
    "durationSeconds": maybe(INTEGER),
    "totalCostUsd": NUMBER,
    "totalTurns": INTEGER,
    "model": maybe(STRING),
    "stepCount": INTEGER,
    "logCount": INTEGER,
}
TRACE = {
    "issueId": STRING,
    "currentState": STRING,
    "eventCount": INTEGER,
    "events": [{"at": TIME, "type": STRING, "data": {}, "sequence": INTEGER}],
}
EVENT = {"id": STRING, "type": STRING, "data": {}, "timestamp": TIME}
TOKENS = {"inputTokens": INTEGER, "outputTokens": INTEGER, "cacheReadTokens": INTEGER, "cacheCreationTokens": INTEGER}
USAGE = {
    "agentId": STRING,
    "totalInputTokens": INTEGER,
    "totalOutputTokens": INTEGER,
    "totalCacheReadTokens": INTEGER,
    "totalCacheCreationTokens": INTEGER,
    "totalCostUsd": NUMBER,
    "byRepo": [{"repo": STRING, **TOKENS, "costUsd": NUMBER}],
}
SUMMARY = {
    "period": STRING,
    "totalCostUsd": NUMBER,
    "agents": [{"agentId": STRING, "totalCostUsd": NUMBER, "categories": {"work": NUMBER}, **TOKENS, "eventCount": INTEGER}],
}
DAILY = {"period": STRING, "entries": [{"date": DATE, "agentId": STRING, "costUsd": NUMBER}]}
ISSUE_COST = {
    "issueId": STRING,
    "totalCostUsd": NUMBER,
    "byAgent": [{"agentId": STRING, "totalCostUsd": NUMBER}],
    "byCategory": {"work": NUMBER},
}
FORCE = "-X POST /api/admin/issues/force-done?repo=dashecorp%2Frig-conductor&issueNumber="

EXPECTED: list[tuple[str, int, Any]] = [
    ("/health", 200, {"status": STRING, "timestamp": TIME}),
    ("/healthz/deep", 200, {"overall": STRING, "dependencies": [DEPENDENCY], "checkedAt": TIME}),
    ("ISSUE_APPROVED", 200, ACCEPTED),
    ("INVALID", 400, {"error": STRING}),
    ("/api/issues", 200, [ISSUE]),
    ("/api/issues?state=queued", 200, [ISSUE]),
    ("/api/queue", 200, [ASSIGNMENT]),
    ("/api/assignments/next?agentId=dev-e-1", 200, ASSIGNMENT),
    ("HEARTBEAT", 200, ACCEPTED),
    ("IssueAssigned", 200, ACCEPTED),
    ("WORK_STARTED", 200, ACCEPTED),
    ("CLI_STARTED", 200, ACCEPTED),
    ("TOKEN_USAGE", 200, ACCEPTED),
    ("CLI_COMPLETED", 200, ACCEPTED),
    ("/api/agents", 200, [AGENT]),
    ("/api/streams", 200, {"dev-e-1": {"xlen": INTEGER, "groups": {}}}),
    ("/api/execution-logs", 200, [EXECUTION]),
    ("/api/execution-logs?limit=50&status=RUNNING", 200, [EXECUTION]),
    ("/api/execution-logs?status=cancelled", 400, {"error": STRING}),
    ("PR_CREATED", 200, ACCEPTED),
    ("MERGED", 200, ACCEPTED),
    ("/api/issues/dashecorp%2Frig-conductor%2342/trace", 200, TRACE),
    ("/api/issues/trace?repo=dashecorp%2Frig-conductor&issueNumber=42", 200, TRACE),
    ("/api/events/stream?id=dashecorp%2Frig-conductor%2342", 200, [EVENT]),
    ("/api/issues/dashecorp%2Frig-conductor%23404/trace", 404, {"error": STRING}),
    ("ISSUE_DONE", 200, ACCEPTED),
    ("TOKEN_USAGE", 200, ACCEPTED),
    ("/api/usage", 200, [USAGE]),
    ("/api/usage?agentId=dev-e-node", 200, [USAGE]),
    ("/api/usage?repo=dashecorp%2Frig-conductor", 200, [USAGE]),
    ("/api/usage?days=7", 200, [USAGE]),
    ("/api/costs/summary?days=7", 200, SUMMARY),
    ("/api/costs/daily?days=7", 200, DAILY),
    ("/api/costs/issue?repo=dashecorp%2Frig-conductor&issueNumber=42", 200, ISSUE_COST),
    ("ISSUE_APPROVED", 200, ACCEPTED),
    ("MERGED", 200, ACCEPTED),
    (f"{FORCE}433", 200, {"forcedDone": BOOLEAN, "previousState": STRING, "repo": STRING, "issueNumber": INTEGER}),
    (f"{FORCE}433", 200, {"alreadyDone": BOOLEAN, "state": STRING}),
    (f"{FORCE}404", 404, {"error": STRING}),
    ("/api/assignments/next?agentId=dev-e-1", 204, None),
]
"""Request (a path, or the type of a posted event), status and documented shape, in the order of the script."""


def faults(value: Any, shape: Any, where: str = "$") -> Iterator[str]:
    """What of a documented shape an answer lacks; what it has beyond it is free, and so is ``{}``."""
    if isinstance(shape, tuple):
        if value is not None:
            yield from faults(value, shape[0], where)
    elif isinstance(shape, dict):
        if not isinstance(value, dict):
            yield f"{where} is no object: {value!r}"
            return
        for name, inner in shape.items():
            if name not in value:
                yield f"{where}.{name} is missing"
            else:
                yield from faults(value[name], inner, f"{where}.{name}")
    elif isinstance(shape, list):
        if not isinstance(value, list):
            yield f"{where} is no array: {value!r}"
            return
        for number, item in enumerate(value):
            yield from faults(item, shape[0], f"{where}[{number}]")
    elif not _is(value, shape):
        yield f"{where} is not {shape}: {value!r}"


def _is(value: Any, kind: str | None) -> bool:
    if kind is None:
        return value is None
    if kind == BOOLEAN:
        return isinstance(value, bool)
    if kind == INTEGER:
        return isinstance(value, int) and not isinstance(value, bool)
    if kind == NUMBER:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if not isinstance(value, str):
        return False
    if kind == TIME:
        return bool(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", value))
    return kind != DATE or bool(re.fullmatch(r"\d{4}-\d\d-\d\d", value))


def test_a_shape_is_told_from_what_it_is_not() -> None:
    good = {
        "name": "a",
        "status": "Ok",
        "critical": True,
        "reason": None,
        "latencyMs": 3,
        "lastCheckAt": "2026-05-19T13:42:00Z",
    }
    assert list(faults([good], [DEPENDENCY])) == []
    for name, wrong in (("name", None), ("critical", 1), ("latencyMs", 3.5), ("latencyMs", True), ("lastCheckAt", "today")):
        assert len(list(faults([good | {name: wrong}], [DEPENDENCY]))) == 1, name
    assert list(faults({}, {"a": STRING})) == ["$.a is missing"]
    assert list(faults({}, [STRING]))
    assert list(faults([], {"a": STRING}))


def answers(output: str) -> list[tuple[str, int, Any]]:
    """Requests, statuses and bodies as the script printed them."""
    found = []
    for block in output.split("\n> curl ")[1:]:
        request, body, status = block.partition("\n# ")[0].rstrip("\n").split("\n")
        found.append((request, int(status), json.loads(body) if body else None))
    return found


@pytest.mark.rule("B2", "R0-26", "R0-28", "R0-38", "R0-40", "R0-59", "R0-60", "R0-61")
def test_every_request_of_the_script_is_answered_as_documented(tmp_path: Path, repository: Path, require: Require) -> None:
    require("curl")
    script = repository / "docs" / "examples" / "conductor.sh"
    with running(tmp_path) as daemon:
        environ = {k: v for k, v in os.environ.items() if not k.startswith("RIG_")} | {"RIG_URL": daemon.url}
        done = subprocess.run(
            [require("bash"), str(script)], capture_output=True, text=True, timeout=60, env=environ, check=False
        )
    assert (done.returncode, done.stderr) == (0, "")
    got = answers(done.stdout)
    assert len(got) == len(EXPECTED)
    wrong = []
    for (request, status, body), (wanted, code, shape) in zip(got, EXPECTED, strict=True):
        if wanted.startswith("/") and request != wanted or wanted not in request:
            wrong.append(f"{request!r} stands where {wanted!r} should")
        if status != code:
            wrong.append(f"{wanted}: {status} {body}")
        if shape and not body:
            wrong.append(f"{wanted}: an empty answer proves nothing")
        wrong += [f"{wanted}: {fault}" for fault in faults(body, shape)]
    assert wrong == []
    by_request = {request: body for request, _, body in got}  # the last answer of each
    assert by_request["/api/execution-logs?status=cancelled"]["error"] == (
        "Invalid status 'cancelled'. Must be one of: running, completed, failed, stuck"
    )
    assert by_request[f"{FORCE}433"]["alreadyDone"] is True
    assert by_request[f"{FORCE}404"]["error"] == "Issue dashecorp/rig-conductor#404 not found in conductor"
    assert next(b for r, _, b in got if r == f"{FORCE}433")["previousState"] == "deploying"
    (execution,) = by_request["/api/execution-logs"]
    assert (execution["status"], execution["totalCostUsd"], execution["stepCount"]) == ("running", 0.231673, 4)
    (agent,) = (a for a in by_request["/api/agents"] if a["id"] == "dev-e-1")
    assert (agent["status"], agent["isOnline"], agent["currentIssue"]) == ("working", True, 42)
    assert agent["lastModel"] == "claude-sonnet-4-5"
    trace = by_request["/api/issues/dashecorp%2Frig-conductor%2342/trace"]
    assert [event["type"] for event in trace["events"]] == [
        "issue_approved",
        "issue_assigned",
        "work_started",
        "cli_started",
        "token_usage",
        "cli_completed",
        "pr_created",
        "merged",
    ]
    stream = by_request["/api/events/stream?id=dashecorp%2Frig-conductor%2342"]
    assert (stream[0]["type"], stream[6]["type"], trace["currentState"]) == ("IssueApproved", "PrCreated", "deploying")


PRINTED = [
    'curl -X POST \\\n"http://rig-conductor-api:8080/api/admin/issues/force-done?repo=dashecorp%2Frig-conductor&issueNumber=433"',
]
"""Commands as the conductor's documentation prints them."""


def test_the_printed_commands_stand_in_the_script_but_for_host_and_port(repository: Path) -> None:
    script = (repository / "docs" / "examples" / "conductor.sh").read_text()
    for command in PRINTED:
        assert command.replace("http://rig-conductor-api:8080", "$RIG_URL") in script
