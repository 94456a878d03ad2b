"""Signed deliveries: verified first, taken in once (promises §3.4, "Webhook HMAC")."""

import asyncio
import hashlib
from typing import Any

import pytest

from tests.http.edge import Edge

BODY = b'{"action":"labeled"}'


def sign(body: bytes = BODY, secret: str = "new-secret", delivery: str = "d-1") -> dict[str, str]:
    signature = hashlib.sha256(secret.encode() + body).hexdigest()
    return {"X-Signature": signature, "X-Delivery": delivery, "Content-Type": "application/json"}


async def deliver(
    edge: Edge, headers: dict[str, str], body: bytes = BODY, path: str = "/api/webhooks/github"
) -> tuple[int, Any]:
    async with edge.client.post(path, data=body, headers=headers) as response:
        return response.status, await response.json()


async def test_a_signed_delivery_queues_an_issue_and_again_changes_nothing(edge: Edge) -> None:
    """A2."""
    status, body = await deliver(edge, sign())
    assert (status, body) == (200, {"deliveryId": "d-1", "duplicate": False, "matched": 1, "jobs": []})
    assert [q["streamId"] for q in (await edge.get("/api/queue"))[1]] == ["acme/web#7"]
    with edge.store.snapshot() as snapshot:
        before = snapshot.position
    for path in ("/api/webhooks/github", "/api/webhook/github"):
        status, body = await deliver(edge, sign(), path=path)
        assert (status, body["duplicate"], body["matched"]) == (200, True, 0)
    with edge.store.snapshot() as snapshot:
        assert snapshot.position == before
    _, (listed,) = await edge.get("/api/webhook-deliveries")
    assert (listed["id"], listed["source"], listed["streams"]) == ("d-1", "github", ["acme/web#7"])


async def test_the_same_delivery_many_times_at_once_has_one_effect(edge: Edge) -> None:
    """F24."""
    answers = await asyncio.gather(*(deliver(edge, sign()) for _ in range(10)))
    assert sorted(body["duplicate"] for _, body in answers) == [False] + [True] * 9
    assert len((await edge.get("/api/events/stream?id=webhooks"))[1]) == 1


async def test_the_previous_secret_is_good_too(edge: Edge) -> None:
    assert (await deliver(edge, sign(secret="old-secret")))[0] == 200


@pytest.mark.parametrize(
    ("headers", "body", "path"),
    [
        (sign(secret="wrong"), BODY, "/api/webhooks/github"),
        (sign(), BODY + b" ", "/api/webhooks/github"),
        ({"Content-Type": "application/json"}, BODY, "/api/webhooks/github"),
        ({"Content-Type": "application/json"}, b"not json \xff", "/api/webhooks/github"),
        (sign(), BODY, "/api/webhooks/unknown"),
    ],
)
async def test_a_wrong_signature_is_401_before_anything_is_read(
    edge: Edge, headers: dict[str, str], body: bytes, path: str
) -> None:
    status, answer = await deliver(edge, headers, body, path)
    assert (status, answer["code"]) == (401, "bad_signature")
    with edge.store.snapshot() as snapshot:
        assert snapshot.position == 0


async def test_the_same_id_with_another_body_is_409(edge: Edge) -> None:
    await deliver(edge, sign())
    other = BODY + b"\n"
    assert (await deliver(edge, sign(other), other))[0] == 409


async def test_what_means_nothing_is_taken_in_and_says_why(edge: Edge) -> None:
    status, body = await deliver(edge, sign() | {"X-Event": "ping"})
    assert (status, body["matched"], body["ignored"]) == (200, 0, "ping")
