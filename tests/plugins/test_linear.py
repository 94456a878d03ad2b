"""The webhook source ``linear``: the signature, the time that is signed, names, and what each event means."""

import json
from typing import Any

import pytest

from rig import BadRequest, BadSignature, Mapped, StaleDelivery, WebhookDelivery, WebhookSettings
from rig.model import facts
from rig_linear.config import LinearConfig
from rig_linear.source import LinearSource
from tests.plugins.signing import NOW, hexed, names, payload


def _delivery(
    found: Any, secret: str = "secret", at: float = NOW, moved: int = 0, signature: str | None = None
) -> WebhookDelivery:
    if isinstance(found, dict):
        found = {**found, "webhookTimestamp": NOW * 1000 + moved}
    body = found if isinstance(found, bytes) else json.dumps(found).encode()
    given = {"linear-signature": hexed(secret, body) if signature is None else signature, "linear-delivery": "d-1"}
    return WebhookDelivery(body, given, "linear", int(at * 1e6))


def _read(name: str, settings: WebhookSettings | None = None, config: LinearConfig | None = None, **changes: Any) -> Mapped:
    found = payload("linear", name)
    found["data"].update(changes)
    mapped = LinearSource(config).normalize(_delivery(found), settings or WebhookSettings())
    assert bool(mapped.facts) is (mapped.ignored is None)
    for fact in mapped.facts:
        facts.parse(dict(fact))
    return mapped


@pytest.mark.parametrize("secrets", [["secret"], ["new", "secret"]])
@pytest.mark.parametrize("away", [-60, 0, 60])
def test_a_signature_under_either_secret_is_good_within_a_minute(secrets: list[str], away: int) -> None:
    LinearSource().verify(_delivery({}, at=NOW + away), secrets)


@pytest.mark.parametrize("away", [-60.1, 60.1, 10**6])
def test_a_signed_time_out_of_the_minute_is_refused(away: float) -> None:
    with pytest.raises(StaleDelivery):
        LinearSource().verify(_delivery({}, at=NOW + away), ["secret"])


@pytest.mark.parametrize("signature", ["", "0" * 64, "sha256=x", hexed("secret", b"other"), "é"])
def test_a_wrong_signature_is_refused_before_the_body_is_parsed(signature: str) -> None:
    with pytest.raises(BadSignature):
        LinearSource().verify(_delivery(b"{not json", signature=signature), ["secret", ""])


def test_a_signature_in_capitals_or_under_an_empty_secret_is_refused() -> None:
    given = _delivery({})
    with pytest.raises(BadSignature):
        LinearSource().verify(
            WebhookDelivery(given.body, {"linear-signature": given.headers["linear-signature"].upper()}), ["secret"]
        )
    with pytest.raises(BadSignature):
        LinearSource().verify(_delivery({}, secret=""), [""])


@pytest.mark.parametrize("body", [b"{}", b'{"webhookTimestamp": true}', b'{"webhookTimestamp": "1"}', b"[]", b"\xff"])
def test_a_body_without_a_signed_time_is_malformed(body: bytes) -> None:
    with pytest.raises(BadRequest):
        LinearSource().verify(_delivery(body), ["secret"])


def test_a_time_that_is_no_number_is_never_in_time() -> None:
    for text in (b"NaN", b"1e999", b"9" * 400):
        with pytest.raises(StaleDelivery):
            LinearSource().verify(_delivery(b'{"webhookTimestamp": ' + text + b"}"), ["secret"])


def test_a_delivery_that_is_sent_again_at_another_time_is_the_same() -> None:
    found = payload("linear", "Issue.create")
    first, again = (LinearSource().identify(_delivery(found, moved=m)) for m in (0, 1))
    assert first == again
    assert (first.delivery_id, first.event) == ("d-1", "Issue.create")
    assert LinearSource().identify(_delivery(found | {"action": "update"})).fingerprint != first.fingerprint


@pytest.mark.parametrize(
    ("mapped", "type_"),
    [
        (_read("Issue.create"), "ISSUE_APPROVED"),
        (_read("Issue.create", WebhookSettings(required_labels=("rig",))), None),
        (_read("Issue.create.backlog"), None),
        (_read("Issue.create.backlog", config=LinearConfig(queued_types=("backlog",))), "ISSUE_APPROVED"),
        (_read("Issue.update.labels", WebhookSettings(required_labels=("Rig",))), "ISSUE_APPROVED"),
        (_read("Issue.update.state"), "ISSUE_APPROVED"),
        (_read("Issue.update.title"), None),
        (_read("Issue.update.completed"), "ISSUE_DONE"),
        (_read("Issue.update.canceled"), "ISSUE_CANCELLED"),
        (_read("Issue.update.late"), None),
        (_read("Issue.remove"), "ISSUE_CANCELLED"),
        (_read("Comment.create"), None),
        (_read("Issue.create", identifier="x"), None),
    ],
)
def test_what_linears_events_mean(mapped: Mapped, type_: str | None) -> None:
    assert [f["type"] for f in mapped.facts] == ([] if type_ is None else [type_])
    if mapped.facts:
        assert mapped.facts[0]["identifier"] == "ENG-123"


@pytest.mark.parametrize(("number", "word"), [(0, None), (1, "critical"), (2, "high"), (3, "normal"), (4, "low"), ("1", None)])
def test_linears_priorities_are_rigs(number: Any, word: str | None) -> None:
    assert _read("Issue.create", priority=number).facts[0].get("priority") == word


@pytest.mark.parametrize("name", names("linear"))
def test_fields_of_another_shape_count_as_missing(name: str) -> None:
    found = payload("linear", name)
    for key in ("data", "action", "updatedFrom", "url"):
        odds: list[Any] = [None, 7, "x\0", [], {"identifier": "ENG-1", "state": [], "labels": {}}, {"state": {"type": []}}]
        for odd in odds:
            mapped = LinearSource().normalize(_delivery(found | {key: odd}), WebhookSettings())
            for fact in mapped.facts:
                facts.parse(dict(fact))
