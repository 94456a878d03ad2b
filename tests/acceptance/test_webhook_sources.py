"""Every kind of sender over HTTP to a real daemon: both secrets, every published payload, floods, and the page's own example."""

import base64
import hashlib
import hmac
import json
import os
import subprocess
import sys
import time
import urllib.parse
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.daemon import Answer, Daemon, running
from tests.plugins.signing import hexed, names, payload, standard

KEYS = {"NEW": "the new secret", "OLD": "the old secret"}
WHSEC = {n: "whsec_" + base64.b64encode(n.encode() * 16).decode() for n in KEYS}
CONFIG = "[tracker]\ntrusted_associations = ['OWNER']\n" + "".join(
    f"""
[[webhook_sources]]
name = "{name}"
type = "{type_}"
secret = "$SECRET:{prefix}NEW"
secret_previous = "$SECRET:{prefix}OLD"
requests_per_minute = {limit}
"""
    for name, type_, prefix, limit in (
        ("github", "github", "", 0),
        ("gitlab", "gitlab", "", 0),
        ("gitlab-signed", "gitlab", "W_", 0),
        ("linear", "linear", "", 0),
        ("standard", "standard", "W_", 0),
        ("ci", "hmac", "", 0),
        ("busy", "hmac", "", 600),
    )
)
CONFIG += "[plugins.webhooks.hmac.ci]\nprefix = 'sha256='\nid_header = 'X-Delivery'\n"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("sources")
    for name, plain in KEYS.items():
        for key, value in ((name, plain), (f"W_{name}", WHSEC[name])):
            command = [sys.executable, "-m", "rig.cli", "secret", "set", key, "--data-dir", str(folder / "data")]
            environ = {k: v for k, v in os.environ.items() if not k.startswith("RIG_")}
            subprocess.run(command, input=value, text=True, check=True, env=environ, capture_output=True)
    with running(folder, config=CONFIG) as daemon:
        yield daemon


def send(daemon: Daemon, source: str, body: bytes, key: str = "NEW", id: str = "d", **more: str) -> Answer:
    """A delivery signed as its sender does."""
    secret = KEYS.get(key, "neither")
    signed: dict[str, dict[str, str]] = {
        "github": {
            "X-Hub-Signature-256": "sha256=" + hexed(secret, body),
            "X-GitHub-Delivery": id,
            "X-GitHub-Event": more.pop("event", "issues"),
        },
        "gitlab": {"X-Gitlab-Token": secret, "Idempotency-Key": id},
        "gitlab-signed": standard(WHSEC.get(key, WHSEC["NEW"][:-4] + "AAA="), body, id, int(time.time()))
        | {"Idempotency-Key": id},
        "linear": {"Linear-Signature": hexed(secret, body), "Linear-Delivery": id},
        "standard": standard(WHSEC.get(key, WHSEC["NEW"][:-4] + "AAA="), body, id, int(time.time())),
        "ci": {"X-Signature": "sha256=" + hexed(secret, body), "X-Delivery": id},
        "busy": {"X-Signature": hexed(secret, body)},
    }
    path = "/webhooks/linear" if source == "linear" else f"/api/webhooks/{source}"
    return daemon.ask("POST", path, body, headers={**signed[source], **more})


def body_of(source: str, number: int) -> bytes:
    """A body of that source which queues or touches one issue, another for each number."""
    if source.startswith("gitlab"):
        found = payload("gitlab", "issue.labels")
        found["object_attributes"]["iid"] = number
    elif source == "linear":
        found = payload("linear", "Issue.create") | {"webhookTimestamp": int(time.time() * 1000)}
        found["data"]["identifier"] = f"LIN-{number}"
    elif source == "github":
        found = payload("github", "issues.labeled")
        found["issue"]["number"] = number
    else:
        found = {"type": "ISSUE_APPROVED", "identifier": f"{source[:3].upper()}-{number}"}
    return json.dumps(found).encode()


SOURCES = ["github", "gitlab", "gitlab-signed", "linear", "standard", "ci"]


@pytest.mark.parametrize("source", SOURCES)
def test_both_secrets_of_a_source_are_good_and_no_other(daemon: Daemon, source: str) -> None:
    for number, key in enumerate(("NEW", "OLD"), 1):
        answer = send(daemon, source, body_of(source, number), key, f"{source}-{key}")
        assert (answer.status, answer.json["matched"]) == (200, 1), answer.json
        again = send(daemon, source, body_of(source, number), key, f"{source}-{key}")
        assert (again.status, again.json["duplicate"]) == (200, True), again.json
    refused = send(daemon, source, body_of(source, 9), "OTHER", f"{source}-x")
    assert (refused.status, refused.json["code"]) == (401, "bad_signature")


def test_linears_signed_time_must_be_within_a_minute(daemon: Daemon) -> None:
    old = json.dumps(payload("linear", "Issue.create") | {"webhookTimestamp": int(time.time() * 1000) - 61_000}).encode()
    answer = send(daemon, "linear", old, id="too-late")
    assert (answer.status, answer.json["code"]) == (401, "replay_rejected")


def test_every_published_payload_of_github_is_accepted(daemon: Daemon, node_modules: Path) -> None:
    index = node_modules / "@octokit" / "webhooks-examples" / "api.github.com" / "index.json"
    seen: Counter[str] = Counter()
    for event in json.loads(index.read_text()):
        for n, example in enumerate(event["examples"]):
            answer = send(daemon, "github", json.dumps(example).encode(), id=f"{event['name']}-{n}", event=event["name"])
            assert answer.status == 200, (event["name"], n, answer.json)
            assert bool(answer.json["matched"]) != bool(answer.json.get("ignored")), answer.json
            seen["matched" if answer.json["matched"] else "ignored"] += 1
    print(dict(seen))
    assert seen.total() == 329
    assert seen["matched"] >= 7


@pytest.mark.parametrize(("source", "name"), [(s, n) for s in ("gitlab", "linear") for n in names(s)])
def test_every_recorded_payload_is_accepted(daemon: Daemon, source: str, name: str) -> None:
    found = payload(source, name)
    if source == "linear":
        found["webhookTimestamp"] = int(time.time() * 1000)
    answer = send(daemon, source, json.dumps(found).encode(), id=f"recorded-{name}")
    assert answer.status == 200, answer.json
    assert bool(answer.json["matched"]) != bool(answer.json.get("ignored")), answer.json


def test_of_601_requests_in_a_minute_the_last_is_told_to_wait(daemon: Daemon) -> None:
    began = time.monotonic()
    statuses = Counter(send(daemon, "busy", b"{}", "OTHER").status for _ in range(600))
    assert time.monotonic() - began < 55, "too slow to prove anything"
    assert statuses == {401: 600}
    last = send(daemon, "busy", b"{}")
    assert (last.status, last.json["code"]) == (429, "too_many_requests")
    assert 1 <= int(last.headers["Retry-After"]) <= 60
    assert send(daemon, "ci", b"[]", id="others").status == 200  # another source is not held up


def form(body: bytes) -> bytes:
    return urllib.parse.urlencode({"payload": body.decode()}).encode()


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (form(body_of("github", 77)), {"Content-Type": "application/x-www-form-urlencoded"}, 200),
        (body_of("github", 78), {"Content-Type": "text/plain"}, 200),  # the bytes are signed, whatever they are called
        (b"payload=%ff", {"Content-Type": "application/x-www-form-urlencoded"}, 400),
        (b"a=1&a=2&payload", {"Content-Type": "application/x-www-form-urlencoded"}, 400),
        (b"", {}, 400),
        (b"[" * 1_000_000, {}, 400),
        (b'{"a":' * 200_000, {}, 400),
        (b"{" + b"\0" * 50 + b"}", {}, 400),
        (b'{"action": "\\ud800\\u0000", "issue": {"number": 1e400}}', {}, 200),  # nothing in it means anything
        (b"7", {}, 400),
        (b"\xff\xfe{}", {}, 400),
    ],
)
def test_what_is_signed_well_and_means_harm_is_told_so(
    daemon: Daemon, body: bytes, headers: dict[str, str], status: int
) -> None:
    id = hashlib.sha256(body).hexdigest()
    answer = send(daemon, "github", body, id=id, **headers)
    assert answer.status == status, answer.json
    assert daemon.ask("GET", f"/api/webhook-deliveries/{id}").status == (200 if status == 200 else 404)


def test_more_than_25_mib_is_too_large_and_25_mib_are_not(daemon: Daemon) -> None:
    at_most = 25 * 1024 * 1024
    start = b'{"type": "HEARTBEAT", "agentId": "big", "note": "'
    assert send(daemon, "ci", start + b"x" * (at_most - len(start) - 1) + b'"}', id="too-big").status == 413
    answer = send(daemon, "ci", b" " * (at_most - 2) + b"[]", id="big")
    assert (answer.status, bool(answer.json["ignored"])) == (200, True)


def test_the_example_of_the_page_works(daemon: Daemon, repository: Path, require: Callable[[str], str]) -> None:
    for tool in ("curl", "openssl", "bash"):
        require(tool)
    page = (repository / "docs" / "webhooks.md").read_text()
    script = page.partition("```bash\n")[2].partition("```")[0]
    environ = {"PATH": os.environ["PATH"], "RIG_URL": daemon.url, "CI_WEBHOOK": KEYS["NEW"]}
    done = subprocess.run(["bash", "-ec", script], check=False, env=environ, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    said = page.partition("The answer is `")[2].partition("`")[0]
    assert json.loads(done.stdout) == json.loads(said)


def test_the_command_line_lists_shows_and_replays(daemon: Daemon) -> None:
    assert send(daemon, "ci", body_of("ci", 50), id="by-hand").status == 200
    listed: list[dict[str, Any]] = json.loads(daemon.rig("webhook", "list", "--source", "ci", "-o", "json", check=True).stdout)
    assert "by-hand" in [row["id"] for row in listed]
    assert "issue_approved CI-50" in daemon.rig("webhook", "show", "by-hand", check=True).stdout
    assert json.loads(daemon.rig("webhook", "replay", "by-hand", "-o", "json", check=True).stdout)["matched"] == 0
    assert json.loads(daemon.rig("webhook", "replay", "by-hand", "--force", "-o", "json", check=True).stdout)["matched"] == 1
    assert daemon.rig("webhook", "show", "nothing").returncode == 3


def test_no_secret_and_no_signature_is_kept(daemon: Daemon) -> None:
    body = body_of("gitlab", 61)
    assert send(daemon, "gitlab", body, id="kept").status == 200
    headers = daemon.ask("GET", "/api/webhook-deliveries/kept").json["headers"]
    assert "x-gitlab-token" not in headers
    everything = b"".join(p.read_bytes() for p in daemon.data.rglob("*") if p.is_file() and p.name != "lock")
    assert hmac.new(KEYS["NEW"].encode(), body, hashlib.sha256).hexdigest().encode() not in everything
    assert KEYS["NEW"].encode() not in everything
