"""Slack, Discord and the signed webhook against a receiver: what is sent, what calls nobody, what a refusal means."""

import base64
import time
from typing import Any

import pytest
from pydantic import ValidationError

from rig import Notification, NotSent
from rig.outgoing import address_fault, inert
from rig.signatures import standard
from rig_discord.notifier import Discord, DiscordConfig
from rig_notify.notifier import SignedWebhook, SignedWebhookConfig
from rig_slack.notifier import Slack, SlackConfig
from tests.standins.receiver import Receiver

EVIL = "@everyone <!channel> <@U1> [x](http://evil) *b* & </a>\x1b[31m"
SECRET = "whsec_" + base64.b64encode(b"k" * 24).decode()


def told(**changes: Any) -> Notification:
    given: dict[str, Any] = {
        "id": "slack-7",
        "kind": "attention",
        "severity": "warning",
        "title": "acme/app#1 needs a person",
        "text": EVIL,
        "url": "https://rig.example.com",
        "issue": "acme/app#1",
        "at": "2026-01-01T00:00:00.000Z",
        "sent": int(time.time()),
    }
    return Notification(**(given | changes))


async def test_slack_gets_blocks_in_which_nothing_calls_anyone() -> None:
    with Receiver() as receiver:
        await Slack(SlackConfig.model_validate({"url": f"{receiver.url}/services/T/B"})).send(told(title=EVIL))
    (got,) = receiver.got
    head, text, place = got.json["blocks"]
    assert got.path == "/services/T/B"
    assert "<" not in head["text"]["text"]
    assert "&lt;\u2060!channel&gt;" in head["text"]["text"]
    assert text["text"]["type"] == "plain_text"
    assert "slack-7" in place["elements"][0]["text"]
    assert "<!" not in got.json["text"]
    assert "@everyone" not in got.body.decode()
    assert "\\u001b" not in got.body.decode()


async def test_discord_gets_an_embed_that_pings_nobody() -> None:
    with Receiver() as receiver:
        await Discord(DiscordConfig.model_validate({"url": receiver.url})).send(told())
    sent = receiver.got[0].json
    (embed,) = sent["embeds"]
    assert sent["allowed_mentions"] == {"parse": []}
    assert "@everyone" not in embed["description"]
    assert "\\[x\\]\\(http" in embed["description"]
    assert embed["footer"]["text"] == "slack-7"


async def test_the_signed_webhook_verifies_as_standard_webhooks_do() -> None:
    with Receiver() as receiver:
        config = SignedWebhookConfig.model_validate({"url": receiver.url, "secret": SECRET})
        await SignedWebhook(config).send(told())
    (got,) = receiver.got
    heads = got.headers
    standard(
        got.body,
        id=heads["webhook-id"],
        timestamp=heads["webhook-timestamp"],
        signatures=heads["webhook-signature"],
        secrets=[SECRET],
        now=time.time(),
    )
    assert heads["webhook-id"] == "slack-7"
    assert got.json["type"] == "notification.attention"
    assert set(got.json["data"]) == {"id", "kind", "severity", "title", "text", "url", "issue", "at"}


@pytest.mark.parametrize(
    ("status", "headers", "rest", "final"),
    [
        (429, {"Retry-After": "7"}, 7, False),
        (429, {"Retry-After": "0.3"}, 1, False),
        (429, {"Retry-After": "999999"}, 3600, False),
        (429, {"Retry-After": "soon"}, None, False),
        (503, {}, None, False),
        (404, {"Retry-After": "7"}, None, True),
        (302, {"Location": "/elsewhere"}, None, True),
    ],
)
async def test_a_refusal_says_whether_and_when_to_come_again(
    status: int, headers: dict[str, str], rest: int | None, final: bool
) -> None:
    with Receiver(reply=lambda got: (status, headers)) as receiver, pytest.raises(NotSent) as refused:
        await Slack(SlackConfig.model_validate({"url": f"{receiver.url}/hidden"})).send(told())
    assert (refused.value.retry_after, refused.value.final) == (rest, final)
    assert refused.value.message == f"http {status}"
    assert len(receiver.got) == 1


async def test_a_receiver_that_is_not_there_is_tried_again_and_its_address_is_not_said() -> None:
    with Receiver() as receiver:
        url = receiver.url
    with pytest.raises(NotSent, match="not reached") as refused:
        await Slack(SlackConfig.model_validate({"url": f"{url}/hidden"})).send(told())
    assert not refused.value.final
    assert "hidden" not in refused.value.message


@pytest.mark.parametrize(
    ("url", "plain", "good"),
    [
        ("https://hooks.slack.com/services/T", False, True),
        ("http://127.0.0.1:9/x", False, True),
        ("http://[::1]:9/x", False, True),
        ("http://example.com/", False, False),
        ("http://127.0.0.1.example.com/", False, False),
        ("http://example.com/", True, True),
        ("https://me:pw@example.com/", True, False),
        ("file:///etc/passwd", True, False),
        ("https:///x", True, False),
        ("http://[::1", True, False),
    ],
)
def test_only_https_and_loopback_are_addresses(url: str, plain: bool, good: bool) -> None:
    assert (address_fault(url, plain=plain) is None) is good


def test_a_bad_configuration_is_refused_without_saying_its_secret() -> None:
    for bad in ({"url": "ftp://hidden"}, {"url": "https://hidden"}, {"url": "https://hidden", "secret": "no base64!"}):
        with pytest.raises(ValidationError) as refused:
            SignedWebhookConfig.model_validate(bad)
        assert all("hidden" not in e["msg"] for e in refused.value.errors())
    SignedWebhookConfig.model_validate({"url": "$SECRET:URL", "secret": "$SECRET:KEY"})


def test_inert_text_keeps_its_words() -> None:
    assert inert("@here a@b.c 1 < 2").replace("\u2060", "") == "@here a@b.c 1 < 2"
    assert "@here" not in inert("@here")
