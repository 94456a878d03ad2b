"""A real delivery of GitHub, signed and posted with curl, becomes a queued issue, once (F24, promises §3.4)."""

import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.daemon import Daemon, running
from tests.acceptance.wire import program

SECRET = "a-secret-of-the-test"
PAYLOAD = Path(__file__).parent.parent / "fixtures" / "github" / "issues.labeled.json"
CONFIG = f"""
[[webhook_sources]]
name = "github"
type = "github"
secret = "{SECRET}"
"""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with running(tmp_path_factory.mktemp("webhooks"), config=CONFIG) as daemon:
        yield daemon


@pytest.fixture
def deliver(require: Callable[[str], str], daemon: Daemon, tmp_path: Path) -> Callable[..., tuple[int, Any]]:
    """Post a body as GitHub does, with the real curl; (status, answer)."""
    curl = require("curl")

    def post(
        body: bytes, delivery: str, signature: str | None, event: str = "issues", path: str = "/api/webhooks/github"
    ) -> tuple[int, Any]:
        file = tmp_path / "body"
        file.write_bytes(body)
        headers = {"Content-Type": "application/json", "X-GitHub-Event": event, "X-GitHub-Delivery": delivery}
        if signature is not None:
            headers["X-Hub-Signature-256"] = signature
        given = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
        done = program(
            [curl, "-sS", "--max-time", "10", "-w", "\n%{http_code}", "--data-binary", f"@{file}", *given, daemon.url + path]
        )
        assert done.returncode == 0, done.stderr
        answer, _, status = done.stdout.rpartition("\n")
        return int(status), json.loads(answer)

    return post


def signed(body: bytes, secret: str = SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def newest(daemon: Daemon) -> int:
    return int(daemon.ask("GET", "/api/issues").headers["X-Rig-As-Of"])


def test_a_signed_delivery_becomes_a_queued_issue_and_again_changes_nothing(
    deliver: Callable[..., tuple[int, Any]], daemon: Daemon
) -> None:
    body = PAYLOAD.read_bytes()
    payload = json.loads(body)
    stream = f"{payload['repository']['full_name']}#{payload['issue']['number']}"
    status, answer = deliver(body, "72d3162e-cc78-11e3-81ab-4c9367dc0958", signed(body))
    assert (status, answer["duplicate"], answer["matched"]) == (200, False, 1)
    (queued,) = daemon.ask("GET", "/api/queue").json
    assert (queued["streamId"], queued["issue"]["title"]) == (stream, payload["issue"]["title"])
    before = newest(daemon)
    for path in ("/api/webhooks/github", "/api/webhook/github"):
        status, answer = deliver(body, "72d3162e-cc78-11e3-81ab-4c9367dc0958", signed(body), path=path)
        assert (status, answer["duplicate"], answer["matched"]) == (200, True, 0)
    assert newest(daemon) == before
    assert [i["streamId"] for i in daemon.ask("GET", "/api/issues").json] == [stream]


@pytest.mark.parametrize(
    ("body", "signature"),
    [
        (PAYLOAD.read_bytes(), signed(PAYLOAD.read_bytes(), "another-secret")),
        (PAYLOAD.read_bytes() + b" ", signed(PAYLOAD.read_bytes())),
        (PAYLOAD.read_bytes(), None),
        (PAYLOAD.read_bytes(), "sha1=" + "0" * 40),
        (PAYLOAD.read_bytes(), "sha256=nothex"),
        (b"\xff\xfe not json {", signed(b"something else")),
    ],
)
def test_a_wrong_signature_is_401_before_anything_is_read(
    deliver: Callable[..., tuple[int, Any]], daemon: Daemon, body: bytes, signature: str | None
) -> None:
    before = newest(daemon)
    status, answer = deliver(body, "other", signature)
    assert (status, answer["code"]) == (401, "bad_signature")
    assert newest(daemon) == before


def test_garbage_with_the_right_signature_is_400(deliver: Callable[..., tuple[int, Any]]) -> None:
    body = b"\xff\xfe not json {"
    assert deliver(body, "garbage", signed(body))[0] == 400


def test_a_source_that_nobody_configured_is_401(deliver: Callable[..., tuple[int, Any]]) -> None:
    body = PAYLOAD.read_bytes()
    for path in ("/api/webhooks/nobody", "/webhooks/linear"):
        status, _ = deliver(body, "d", signed(body), path=path)
        assert status == 401
