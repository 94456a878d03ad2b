"""The webhook sources ``standard`` and ``hmac``: signatures of whatever form, and bodies that are events."""

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from pydantic import ValidationError

from rig import BadRequest, BadSignature, MalformedJson, StaleDelivery, WebhookDelivery, WebhookSettings
from rig_webhooks.config import WebhooksConfig
from rig_webhooks.sources import HmacSource, StandardSource
from tests.plugins.signing import NOW, WHSEC, WHSEC_OLD, standard

BODY = b'{"type": "ISSUE_APPROVED", "identifier": "ENG-1"}'


def _standard(headers: dict[str, str], body: bytes = BODY, at: int = NOW) -> WebhookDelivery:
    return WebhookDelivery(body, headers, "any", at * 1_000_000)


def test_the_vector_of_standard_webhooks_verifies() -> None:
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    delivery = _standard(headers, b'{"test": 2432232314}', 1614265330)
    StandardSource().verify(delivery, ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])


def test_any_of_several_signatures_under_either_secret_is_good() -> None:
    old, new = standard(WHSEC_OLD, BODY), standard(WHSEC, BODY)
    several = old | {"webhook-signature": f"v1a,abc {old['webhook-signature']} {new['webhook-signature']}"}
    for secrets in ([WHSEC], [WHSEC_OLD], ["whsec_bm90aGluZw==", WHSEC]):
        StandardSource().verify(_standard(several), secrets)


@pytest.mark.parametrize(
    ("headers", "secrets"),
    [
        ({}, [WHSEC]),
        (standard(WHSEC, BODY + b" "), [WHSEC]),
        (standard(WHSEC, BODY), [WHSEC_OLD, ""]),
        (standard(WHSEC, BODY), ["not base64!"]),
        (standard(WHSEC, BODY) | {"webhook-timestamp": str(NOW + 1)}, [WHSEC]),
        (
            standard(WHSEC, BODY) | {"webhook-signature": standard(WHSEC, BODY)["webhook-signature"].replace("v1,", "v2,")},
            [WHSEC],
        ),
    ],
)
def test_anything_else_is_refused(headers: dict[str, str], secrets: list[str]) -> None:
    with pytest.raises(BadSignature):
        StandardSource().verify(_standard(headers), secrets)


@pytest.mark.parametrize("away", [-301, 301])
def test_a_signed_time_over_five_minutes_away_is_refused(away: int) -> None:
    with pytest.raises(StaleDelivery):
        StandardSource().verify(_standard(standard(WHSEC, BODY, at=NOW + away)), [WHSEC])


def _digest(algorithm: str, secret: str = "secret") -> bytes:
    return hmac.new(secret.encode(), BODY, algorithm).digest()


@pytest.mark.parametrize(
    ("scheme", "header", "value"),
    [
        ({}, "x-signature", _digest("sha256").hex()),
        ({"header": "X-Sig", "prefix": "sha512=", "algorithm": "sha512"}, "x-sig", "sha512=" + _digest("sha512").hex()),
        ({"encoding": "base64", "algorithm": "sha1"}, "x-signature", base64.b64encode(_digest("sha1")).decode()),
    ],
)
def test_each_source_signs_as_its_configuration_says(scheme: dict[str, Any], header: str, value: str) -> None:
    source = HmacSource(WebhooksConfig.model_validate({"hmac": {"ci": scheme}}))
    good = WebhookDelivery(BODY, {header: value}, "ci")
    source.verify(good, ["secret"])
    source.verify(good, ["new", "secret"])
    for bad, secrets in (
        (good, ["other"]),
        (WebhookDelivery(BODY + b" ", {header: value}, "ci"), ["secret"]),
        (WebhookDelivery(BODY, {}, "ci"), ["secret"]),
    ):
        with pytest.raises(BadSignature):
            source.verify(bad, secrets)
    if scheme:
        with pytest.raises(BadSignature):
            source.verify(WebhookDelivery(BODY, {header: value}, "another source"), ["secret"])


def test_an_empty_secret_signs_nothing() -> None:
    empty = hmac.new(b"", BODY, hashlib.sha256).hexdigest()
    with pytest.raises(BadSignature):
        HmacSource().verify(WebhookDelivery(BODY, {"x-signature": empty}), [""])


def test_a_scheme_with_an_unknown_key_is_refused() -> None:
    for wrong in ({"algorithm": "md5"}, {"colour": "red"}, {"header": ""}):
        with pytest.raises(ValidationError):
            WebhooksConfig.model_validate({"hmac": {"ci": wrong}})


def test_deliveries_are_called_as_the_sender_calls_them() -> None:
    assert StandardSource().identify(_standard(standard(WHSEC, BODY))).delivery_id == "msg_1"
    assert HmacSource().identify(WebhookDelivery(BODY, {})).delivery_id == ""
    named = HmacSource(WebhooksConfig.model_validate({"hmac": {"ci": {"id_header": "X-Id", "event_header": "X-Event"}}}))
    identity = named.identify(WebhookDelivery(BODY, {"x-id": "7", "x-event": "built"}, "ci"))
    assert (identity.delivery_id, identity.event) == ("7", "built")
    with pytest.raises(BadRequest):
        named.identify(WebhookDelivery(BODY, {}, "ci"))


@pytest.mark.parametrize(
    ("body", "count"),
    [
        (json.loads(BODY), 1),
        ([json.loads(BODY)] * 3, 3),
        ({"type": "user.created", "data": {}}, 1),  # Rig says that it knows no such event
        ([], 0),
        ({}, 0),
        ({"type": 7}, 0),
        ([{"type": "HEARTBEAT"}, 7], 0),
        (7, 0),
        ([json.loads(BODY)] * 1001, 0),
    ],
)
def test_a_body_is_events_or_ignored_with_a_reason(body: Any, count: int) -> None:
    mapped = HmacSource().normalize(WebhookDelivery(json.dumps(body).encode(), {}), WebhookSettings())
    assert len(mapped.facts) == count
    assert bool(mapped.ignored) is (count == 0)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 200_000])
def test_what_is_no_json_is_malformed(body: bytes) -> None:
    for source in (HmacSource(), StandardSource()):
        with pytest.raises(MalformedJson):
            source.normalize(WebhookDelivery(body, {}), WebhookSettings())
