"""Who may do what, on a real daemon: no credential, a page of another site, an agent that dropped its key (I20, R2, R6)."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rig.wire.operations import ADMIN, OPERATIONS, Operation
from tests.acceptance.daemon import Daemon, running
from tests.acceptance.test_session import git, repository

PUBLIC = {"get_health", "get_ready", "get_deep_health", "get_metrics", "get_openapi", "get_docs", "get_docs_asset"}
SIGNED = {"receive_webhook", "receive_github_webhook", "receive_linear_webhook"}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon that wants a credential always."""
    with running(tmp_path_factory.mktemp("guarded"), config='[auth]\nmode = "required"\n') as daemon:
        yield daemon


def places() -> list[tuple[Operation, str]]:
    return [(o, re.sub(r"\{\w+\}", "ABC-1", path.replace("{file}", "start.js"))) for o in OPERATIONS for path in o.paths]


@pytest.mark.parametrize(("operation", "path"), places(), ids=lambda v: v if isinstance(v, str) else v.name)
def test_every_operation_without_a_credential_is_401_but_the_public_ones(
    guarded: Daemon, operation: Operation, path: str
) -> None:
    """I20"""
    for headers in ({}, {"Authorization": "Bearer rig_aaaaaaaa_wrong"}, {"Authorization": "Basic eDp5"}):
        answer = guarded.ask(operation.method, path, {} if operation.mutating else None, headers=headers)
        if operation.name in PUBLIC:
            assert answer.status == 200
        else:
            assert answer.status == 401, (headers, answer.body)
            assert operation.name in SIGNED or "WWW-Authenticate" in answer.headers


def test_a_key_opens_what_its_scope_allows_and_no_more(guarded: Daemon) -> None:
    made = guarded.rig("key", "create", "reader", "--scope", "orchestrator:read", check=True)
    key = re.findall(r"rig_[0-9a-z]+_[\w-]+", made.stdout)[0]
    bearer = {"Authorization": f"Bearer {key}"}
    assert guarded.ask("GET", "/api/issues", headers=bearer).status == 200
    for operation in OPERATIONS:
        if operation.mutating and operation.name not in SIGNED:
            path = re.sub(r"\{\w+\}", "ABC-1", operation.paths[0])
            answer = guarded.ask(operation.method, path, {}, headers=bearer)
            assert answer.status == 403, (operation.name, answer.body)
        elif operation.scope == ADMIN:
            assert guarded.ask("GET", operation.paths[0], headers=bearer).status == 403
    listed = guarded.rig("key", "list", "-o", "json", check=True).stdout
    assert key not in listed
    assert key.encode() not in b"".join(p.read_bytes() for p in guarded.data.rglob("*") if p.is_file())


def test_a_page_of_another_site_may_do_nothing(tmp_path: Path) -> None:
    """DNS rebinding and cross-site requests are refused also where the local operator needs no key."""
    with running(tmp_path / "rig") as daemon:
        event = {"type": "ISSUE_APPROVED", "repo": "acme/app", "issueNumber": 1}
        port = daemon.url.rpartition(":")[2]
        for headers, status in (
            ({"Host": f"evil.example:{port}"}, 403),
            ({"Origin": "https://evil.example"}, 403),
            ({"Origin": "null"}, 403),
            ({"Sec-Fetch-Site": "cross-site"}, 403),
            ({"X-Forwarded-For": "10.0.0.1"}, 401),
            ({"Forwarded": "for=10.0.0.1"}, 401),
            ({"Authorization": "Bearer wrong"}, 401),
            ({"Content-Type": "text/plain"}, 415),
        ):
            answer = daemon.ask("POST", "/api/events", event, headers=headers)
            assert answer.status == status, (headers, answer.body)
        assert daemon.ask("GET", "/api/issues", headers={"Host": f"evil.example:{port}"}).status == 403
        assert daemon.ask("GET", "/api/issues").json == []
        assert daemon.ask("POST", "/api/events", event, headers={"Origin": daemon.url}).status == 200


ATTACK = """
cat > /dev/null
own=$RIG_TOKEN
unset RIG_TOKEN
cd "$PWD"
try() { # name, then curl's arguments
    name=$1; shift
    printf '%s %s\\n' "$name" "$(curl -s -o /dev/null -w '%{http_code}' --max-time 10 -H 'Content-Type: application/json' "$@")" >> result.txt
}
attack() {
    try "$1 overlay" "${@:2}" -X PATCH -d '{"path": "dispatch.max_turns", "value": 1}' "$RIG_URL/api/v1/config/overlay"
    try "$1 key" "${@:2}" -d '{"name": "mine", "scopes": ["orchestrator:admin"]}' "$RIG_URL/api/api-keys"
    try "$1 keys" "${@:2}" "$RIG_URL/api/api-keys"
    try "$1 force" "${@:2}" -X POST "$RIG_URL/api/admin/issues/force-done?repo=acme/app&issueNumber=1"
    try "$1 heartbeat" "${@:2}" -d '{"agentId": "other", "fence": 1}' "$RIG_URL/api/leases/@LEASE@/heartbeat"
    try "$1 complete" "${@:2}" -d '{"agentId": "other", "fence": 1}' "$RIG_URL/api/leases/@LEASE@/complete"
    try "$1 event" "${@:2}" -d '{"type": "ISSUE_DONE", "repo": "acme/app", "issueNumber": 1}' "$RIG_URL/api/events"
    try "$1 claim" "${@:2}" -d '{"agentId": "me"}' "$RIG_URL/api/assignments/claim"
    try "$1 issue" "${@:2}" -d '{"repo": "acme/app", "issueNumber": 9}' "$RIG_URL/api/v1/issues"
    try "$1 config" "${@:2}" "$RIG_URL/api/v1/config"
}
attack bare
attack key -H "Authorization: Bearer $own"
attack wrong -H "Authorization: Bearer rig_deadbeef_guess"
try "bare local" -H 'X-Stella-Tenant: default' -d '{"name": "mine"}' "$RIG_URL/api/api-keys"
export -f try attack; export RIG_URL
setsid bash -c 'attack session'
env -i PATH="$PATH" RIG_URL="$RIG_URL" bash -c "$(declare -f try attack); attack environment"
env -i PATH="$PATH" RIG_URL="$RIG_URL" setsid bash -c "$(declare -f try attack); (attack orphan; touch gone) & exit 0"
for _ in $(seq 100); do [ -e gone ] && break; sleep 0.1; done
rm -f gone
try own -H "Authorization: Bearer $own" -d '{"type": "TOKEN_USAGE", "agentId": "rig-1", "model": "m", "inputTokens": 5}' "$RIG_URL/api/events"
env > environment.txt
"""


REFUSED = {
    "bare": (401, 403),
    "session": (401, 403),
    "environment": (401, 403),
    "orphan": (401,),
    "key": (403,),
    "wrong": (401,),
}
"""Statuses by the way in which it asks."""
READS = {"orphan keys", "orphan config"}
"""Who has cut every tie to its attempt can't be told from the operator's own tools, and may read; never write."""


def test_an_agent_that_drops_its_key_is_refused_over_loopback(tmp_path: Path, require: Callable[[str], str]) -> None:
    """R2, R6: with no credential, with its own, with a guess, from another session, with a clean environment, as an orphan."""
    require("curl")
    repo = repository(tmp_path / "repo")
    script = tmp_path / "agent.sh"
    script.write_text("exit 1")
    config = f"""
[dispatch]
enabled = false
provider = "command"
success_state = "done"
[executor]
slots = 1
[workspace]
repo = "{repo}"
[providers.command]
command = "bash {script}"
"""
    with running(tmp_path / "rig", config=config, environ={"RIG_CANARY": "canary-of-the-daemon"}) as daemon:
        daemon.post(type="ISSUE_APPROVED", repo="acme/app", issueNumber=1)
        lease = daemon.ask("POST", "/api/assignments/claim", {"agentId": "other"}).json["lease"]
        script.write_text(ATTACK.replace("@LEASE@", lease["id"]))
        subprocess.run(["bash", "-n", str(script)], check=True)
        assert daemon.ask("PATCH", "/api/v1/config/overlay", {"path": "dispatch.enabled", "value": True}).status == 200
        daemon.ask("POST", "/api/v1/issues", {"repo": "acme/app", "issueNumber": 2})
        issue = daemon.wait_for(
            lambda: next(
                (
                    i
                    for i in daemon.ask("GET", "/api/issues").json
                    if i["issueNumber"] == 2 and i["state"] in ("done", "failed")
                ),
                None,
            ),
            60,
        )
        assert issue["state"] == "done", daemon.log.read_text()
        lines = git(repo, "show", f"{issue['branch']}:result.txt").splitlines()
        results = {name: int(status) for name, status in (line.rsplit(" ", 1) for line in lines)}
        assert results.pop("own") == 200
        assert len(results) == 61
        assert {n: s for n, s in results.items() if n not in READS and s not in REFUSED[n.split()[0]]} == {}
        held = daemon.ask("POST", f"/api/leases/{lease['id']}/heartbeat", {"agentId": "other", "fence": lease["fence"]})
        assert held.status == 200
        assert {i["issueNumber"]: i["state"] for i in daemon.ask("GET", "/api/issues").json} == {1: "assigned", 2: "done"}
        assert "max_turns" not in json.dumps(daemon.ask("GET", "/api/v1/config/overlay").json)
        assert not [k for k in daemon.ask("GET", "/api/api-keys").json if k["name"] == "mine"]
        told = git(repo, "show", f"{issue['branch']}:environment.txt")
        assert "canary" not in told
        operator = (daemon.data / "operator.token").read_text().strip()
        assert operator not in told
