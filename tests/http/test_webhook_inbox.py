"""What becomes of a delivery after its signature: kept, tried again, dead, replayed, forgotten; and floods are held off."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from io import BytesIO
from typing import Any

import pytest

from rig.clock import ManualClock
from rig.errors import BadRequest, BadSignature, PluginError, StorageUnavailable
from rig.http.rates import Rates
from rig.model import delivery as model
from rig.plugin.contexts import Identity, Mapped, WebhookDelivery, WebhookSettings
from rig.plugin.sources import Hook
from rig.reactors.inbox import Inbox, Policy
from tests.http.edge import Edge, MemoryBlobs, open_edge, price

ISSUE = {"type": "ISSUE_APPROVED", "identifier": "ENG-1", "title": "One"}


class Sender:
    """A source whose body is a list of events; ``broken`` makes its plugin fail in the calls that it names."""

    type = "sender"

    def __init__(self) -> None:
        self.broken: set[str] = set()
        self.normalized = 0
        self.as_today: Callable[[Any], Any] = lambda events: events

    async def verify(self, delivery: WebhookDelivery, secrets: Sequence[str]) -> None:
        if delivery.header("x-secret") not in secrets:
            raise BadSignature

    async def identify(self, delivery: WebhookDelivery) -> Identity:
        if "identify" in self.broken:
            raise PluginError("plugin sender failed in identify: ValueError")
        return Identity(delivery.header("x-id") or "", "sent")

    async def normalize(self, delivery: WebhookDelivery, settings: WebhookSettings) -> Mapped:
        self.normalized += 1
        if "normalize" in self.broken:
            raise PluginError("plugin sender failed in normalize: ValueError")
        try:
            return Mapped(tuple(self.as_today(json.loads(delivery.body))))
        except (ValueError, RecursionError):
            raise BadRequest("not JSON") from None


class Post:
    """The edge with such a source."""

    def __init__(self, edge: Edge, sender: Sender, blobs: MemoryBlobs, inbox: Inbox) -> None:
        self.edge, self.sender, self.blobs, self.inbox = edge, sender, blobs, inbox
        self.clock: ManualClock = edge.clock

    async def send(
        self, body: Any = (ISSUE,), id: str = "d-1", path: str = "/api/webhooks/sender", **headers: str
    ) -> tuple[int, Any]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {"X-Secret": "s", "X-Id": id, "Content-Type": "application/json", **headers}
        async with self.edge.client.post(path, data=BytesIO(data), headers=given) as response:
            return response.status, await response.json()

    async def due(self) -> list[str]:
        """Fire every timer that is due; their keys."""
        with self.edge.store.snapshot() as snapshot:
            found = [(t, timer) for t, timer in snapshot.timers(self.clock.now(), 1000) if timer.due is not None]
        for tenant, timer in found:
            await self.inbox.handlers()[timer.key.partition(":")[0]](tenant, timer)
        return [timer.key for _, timer in found]

    async def row(self, id: str = "d-1") -> Any:
        status, body = await self.edge.get(f"/api/webhook-deliveries/{id}")
        assert status == 200, body
        return body

    async def caused(self, stream: str = "ENG-1") -> list[str]:
        with self.edge.store.snapshot() as snapshot:
            return [event.type for event in snapshot.stream("default", stream)]


@pytest.fixture
async def post() -> AsyncIterator[Post]:
    sender, blobs = Sender(), MemoryBlobs()
    hook = Hook("sender", sender, ("s",), requests_per_minute=600)

    def hooks(name: str) -> list[Hook]:
        return [hook] if name == "sender" else []

    async with open_edge(deps={"hooks": hooks}) as edge:
        inbox = Inbox(
            edge.store,
            blobs,
            edge.clock,
            hooks=hooks,
            settings=lambda t: WebhookSettings(),
            price=price,
            policy=lambda: Policy(2, 60),
        )
        object.__setattr__(edge.deps, "inbox", inbox)
        yield Post(edge, sender, blobs, inbox)


async def test_a_delivery_keeps_its_body_and_no_header_that_signs_it(post: Post) -> None:
    await post.send(**{"X-Hub-Signature-256": "sha256=x", "Authorization": "Bearer x", "X-Event": "e"})
    row = await post.row()
    assert post.blobs.bodies == {row["digest"]: json.dumps([ISSUE]).encode()}
    assert (row["state"], row["matched"], row["bodyKept"], row["caused"]) == ("accepted", 1, True, ["issue_approved ENG-1"])
    assert row["headers"]["x-event"] == "e"
    assert not {"x-secret", "x-hub-signature-256", "authorization"} & set(row["headers"])


@pytest.mark.parametrize("broken", ["identify", "normalize"])
async def test_a_delivery_that_its_plugin_can_not_read_is_kept_and_tried_again(post: Post, broken: str) -> None:
    post.sender.broken = {broken}
    status, answer = await post.send()
    assert (status, answer["matched"], answer["state"]) == (200, 0, "retry")
    id = answer["deliveryId"]
    assert await post.caused() == []
    assert (await post.send())[1]["duplicate"]  # while its sender sends it again
    post.clock.advance(59)
    assert await post.due() == []
    post.clock.advance(1)
    post.sender.broken = {"normalize"}
    await post.due()
    row = await post.row(id)
    assert (row["state"], row["tries"], bool(row["error"])) == ("retry", 1, True)
    post.clock.advance(119)
    assert await post.due() == []
    post.clock.advance(1)
    post.sender.broken = set()
    await post.due()
    row = await post.row(id)
    assert (row["state"], row["tries"], row["matched"], row["error"]) == ("accepted", 2, 1, None)
    assert await post.caused() == ["issue_approved"]
    post.clock.advance(100_000)
    assert "webhook" not in {key.partition(":")[0] for key in await post.due()}
    assert (await post.send())[1]["duplicate"] or broken == "identify"


async def test_a_timer_that_fires_twice_has_one_effect(post: Post) -> None:
    post.sender.broken = {"normalize"}
    await post.send()
    post.sender.broken = set()
    post.clock.advance(60)
    with post.edge.store.snapshot() as snapshot:
        ((tenant, timer),) = snapshot.timers(post.clock.now(), 10)
    retry = post.inbox.handlers()["webhook"]
    await asyncio.gather(*(retry(tenant, timer) for _ in range(3)), return_exceptions=True)
    assert await post.caused() == ["issue_approved"]


async def test_after_eight_tries_a_delivery_is_dead_and_can_still_be_replayed(post: Post) -> None:
    post.sender.broken = {"normalize"}
    await post.send()
    waits = []
    for _ in range(model.MAX_TRIES):
        row = await post.row()
        with post.edge.store.snapshot() as snapshot:
            timer = next(t for _, t in snapshot.timers(1 << 60, 10) if t.key.startswith("webhook:"))
        assert timer.due is not None
        waits.append(round((timer.due - post.clock.now()) / 1e6))
        assert row["state"] == "retry"
        post.clock.advance(waits[-1])
        await post.due()
    assert waits == [60, 120, 240, 480, 960, 1920, 3840, 7680]
    row = await post.row()
    assert (row["state"], row["tries"], row["nextTryAt"]) == ("dead", 8, None)
    assert [d["id"] for d in (await post.edge.get("/api/webhook-deliveries?state=dead&source=sender"))[1]] == ["d-1"]
    post.sender.broken = set()
    status, answer = await post.edge.post("/api/webhook-deliveries/d-1/replay")
    assert (status, answer["matched"], answer["state"]) == (200, 1, "replayed")
    assert await post.caused() == ["issue_approved"]


async def test_a_replay_causes_what_is_missing_and_nothing_twice_unless_forced(post: Post) -> None:
    await post.send()
    status, answer = await post.edge.post("/api/webhook-deliveries/d-1/replay")
    assert (status, answer["matched"], answer["ignored"]) == (200, 0, "all that it means was caused before")
    post.sender.as_today = lambda events: [*events, {**ISSUE, "identifier": "ENG-2"}]
    assert (await post.edge.post("/api/webhook-deliveries/d-1/replay"))[1]["matched"] == 1
    assert (await post.caused(), await post.caused("ENG-2")) == (["issue_approved"], ["issue_approved"])
    assert (await post.edge.post("/api/webhook-deliveries/d-1/replay?force=true"))[1]["matched"] == 2
    assert await post.caused() == ["issue_approved"] * 2
    row = await post.row()
    assert (row["state"], row["replays"], row["matched"]) == ("replayed", 3, 4)
    with post.edge.store.snapshot() as snapshot:
        events = [e for e in snapshot.stream("default", "webhooks") if e.type == "webhook_replayed"]
    assert {(e.principal, e.operation) for e in events} == {("local", "replay_webhook_delivery")}


async def test_replays_at_once_cause_what_is_missing_once(post: Post) -> None:
    post.sender.broken = {"normalize"}
    await post.send()
    post.sender.broken = set()
    answers = await asyncio.gather(*(post.edge.post("/api/webhook-deliveries/d-1/replay") for _ in range(4)))
    assert sorted(a["matched"] for s, a in answers if s == 200)[-1:] == [1]
    assert await post.caused() == ["issue_approved"]
    post.clock.advance(60)
    await post.due()  # the standing retry went with the replay
    assert await post.caused() == ["issue_approved"]


async def test_replays_are_told_apart_by_their_idempotency_key(post: Post) -> None:
    await post.send()
    path = "/api/webhook-deliveries/d-1/replay?force=true"
    for _ in range(2):
        assert (await post.edge.post(path, headers={"Idempotency-Key": "k"}))[1]["matched"] == 1
    assert await post.caused() == ["issue_approved"] * 2


async def test_what_can_not_be_replayed_says_why(post: Post) -> None:
    assert (await post.edge.post("/api/webhook-deliveries/none/replay"))[0] == 404
    assert (await post.edge.get("/api/webhook-deliveries/none"))[0] == 404
    assert (await post.edge.get("/api/webhook-deliveries?state=odd"))[0] == 400
    await post.send()
    assert (await post.edge.post("/api/webhook-deliveries/d-1/replay?force=maybe"))[0] == 400
    post.blobs.bodies.clear()
    assert (await post.edge.post("/api/webhook-deliveries/d-1/replay"))[0] == 410


async def test_bodies_are_forgotten_after_their_time_but_not_one_that_a_later_delivery_needs(post: Post) -> None:
    await post.send(id="d-1")
    await post.send([{**ISSUE, "identifier": "ENG-3"}], id="d-2")
    post.clock.advance(86_400)
    await post.send(id="d-3")  # the body of d-1
    post.clock.advance(86_400 + 3600)
    assert [key.partition(":")[0] for key in await post.due()] == ["webhook-sweep"]
    assert [(await post.row(d))["bodyKept"] for d in ("d-1", "d-2", "d-3")] == [False, False, True]
    assert list(post.blobs.bodies) == [(await post.row("d-3"))["digest"]]
    assert (await post.edge.post("/api/webhook-deliveries/d-1/replay"))[0] == 410
    post.clock.advance(86_400)
    await post.due()
    assert post.blobs.bodies == {}


async def test_without_an_id_the_same_body_within_a_day_is_the_same_delivery(post: Post) -> None:
    first = await post.send(id="")
    assert first[1]["deliveryId"].startswith("sha256-")
    post.clock.advance(86_399)
    assert (await post.send(id=""))[1]["duplicate"]
    post.clock.advance(2)
    assert not (await post.send(id=""))[1]["duplicate"]
    assert await post.caused() == ["issue_approved"] * 2


async def test_the_senders_idempotency_key_is_not_rigs(post: Post) -> None:
    answers = await asyncio.gather(*(post.send(**{"Idempotency-Key": "k"}) for _ in range(5)))
    assert sorted((s, a["duplicate"]) for s, a in answers) == [(200, False)] + [(200, True)] * 4


async def test_a_body_that_can_not_be_stored_is_refused_and_nothing_happens(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(data: bytes) -> str:
        raise StorageUnavailable

    monkeypatch.setattr(post.blobs, "put", full)
    assert (await post.send())[0] == 503
    assert await post.caused() == []
    monkeypatch.undo()
    assert (await post.send())[1] == {"deliveryId": "d-1", "duplicate": False, "matched": 1, "jobs": []}


async def test_usage_from_a_webhook_is_priced_and_a_stale_lease_is_refused(post: Post) -> None:
    usage = {"type": "TOKEN_USAGE", "agentId": "a", "model": "claude-sonnet-4-5", "inputTokens": 10}
    assert (await post.send([usage]))[1]["matched"] == 1
    with post.edge.store.snapshot() as snapshot:
        (event,) = snapshot.stream("default", "a")
    assert "cost" in json.loads(event.meta or b"{}")
    stale = {**ISSUE, "leaseId": "no-such", "fence": 1}
    assert (await post.send([stale], id="d-2"))[0] == 409
    post.sender.broken = {"normalize"}
    await post.send([stale], id="d-3")
    post.sender.broken = set()
    post.clock.advance(60)
    await post.due()
    assert "lease" in (await post.row("d-3"))["ignored"]


async def test_of_601_requests_in_a_minute_the_last_is_told_to_wait(post: Post) -> None:
    """Good and bad signatures count alike."""
    for n in range(600):
        secret = "s" if n % 100 == 0 else "wrong"
        status, _ = await post.send(id=f"d-{n}", **{"X-Secret": secret})
        assert status == (200 if secret == "s" else 401), n
    seen = post.sender.normalized
    async with post.edge.client.post("/api/webhooks/sender", data=b"[]", headers={"X-Secret": "s"}) as response:
        assert (response.status, (await response.json())["code"]) == (429, "too_many_requests")
        assert 1 <= int(response.headers["Retry-After"]) <= 61
    assert post.sender.normalized == seen
    post.clock.advance(61)
    assert (await post.send(id="later"))[0] == 200


def test_the_window_slides_and_zero_is_no_limit() -> None:
    rates = Rates()
    for now in (0.0, 30.0):
        rates.admit("a", 2, now)
    for now in (31.0, 59.9):
        with pytest.raises(Exception, match="within a minute"):
            rates.admit("a", 2, now)
    rates.admit("a", 2, 60.0)
    rates.admit("b", 2, 60.0)
    for _ in range(1000):
        rates.admit("c", 0, 60.0)


async def test_an_unknown_source_is_refused_before_its_body_is_read(post: Post) -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield b"x" * 1000
        await asyncio.sleep(30)

    async with asyncio.timeout(5):
        async with post.edge.client.post("/api/webhooks/nobody", data=endless()) as response:
            assert response.status == 401


@pytest.mark.parametrize("body", [b"", b"\xff", b"[" * 100_000, b'{"a": "\\u0000"', b"payload=%7B%7D", b"\0"])
async def test_garbage_with_a_good_signature_is_400_and_leaves_nothing(post: Post, body: bytes) -> None:
    status, answer = await post.send(body)
    assert status == 400, answer
    assert post.blobs.bodies == {}
    assert (await post.edge.get("/api/webhook-deliveries"))[1] == []


@pytest.mark.parametrize("odd", ["a\0b", "\ud800", float("inf"), 2**63, True])
async def test_what_no_event_may_hold_is_ignored_with_a_reason(post: Post, odd: Any) -> None:
    status, answer = await post.send([{**ISSUE, "note": {"x": [odd]}}])
    assert (status, answer["matched"], bool(answer.get("ignored"))) == (200, int(odd is True), odd is not True)
    deep: Any = []
    for _ in range(70):
        deep = [deep]
    assert "deeply" in (await post.send([{**ISSUE, "note": deep}], id="deep"))[1]["ignored"]


async def test_headers_that_are_no_text_are_kept_as_far_as_they_are(post: Post) -> None:
    reader, writer = await asyncio.open_connection(post.edge.client.host, post.edge.client.port)
    body = json.dumps([ISSUE]).encode()
    head = b"POST /api/webhooks/sender HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Secret: s\r\nX-Id: d-1\r\nX-Odd: \xff\xfe\r\n"
    writer.write(head + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 200"), answer
    assert "x-odd" in (await post.row())["headers"]


async def test_more_than_25_mib_is_413(post: Post) -> None:
    assert (await post.send(b" " * (25 * 1024 * 1024 + 1)))[0] == 413
    assert post.blobs.bodies == {}


def test_what_a_delivery_has_left_to_cause_is_counted() -> None:
    from rig.model import facts

    a, b = (facts.parse({**ISSUE, "identifier": i}) for i in ("ENG-1", "ENG-2"))
    assert model.left([a, a, b], [model.cause(a)]) == [a, b]
    assert model.left([a], [model.cause(a)] * 2) == []
