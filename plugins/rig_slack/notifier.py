"""Posts to an incoming webhook of Slack, as blocks of escaped text."""

import json
from typing import Annotated

from pydantic import AfterValidator, SecretStr

from rig import Notification, NotifierConfig
from rig.outgoing import checked_address, inert, post

SIGNS = {"info": ":white_check_mark:", "warning": ":warning:", "critical": ":rotating_light:"}


class SlackConfig(NotifierConfig):
    """``[plugins.slack]``."""

    url: Annotated[SecretStr, AfterValidator(checked_address)] | None = None
    """Address of the incoming webhook (`https://hooks.slack.com/services/…`), best as `"$SECRET:NAME"`; unset: nothing is sent."""


class Slack:
    """The notifier ``slack``."""

    name = "slack"

    def __init__(self, config: SlackConfig) -> None:
        assert config.url is not None
        self.kinds = config.kinds
        self._url = config.url

    async def send(self, notification: Notification) -> None:
        """The title, the text as plain text, and a line with the address and the delivery's id, which Slack has no field for."""
        title = f"{SIGNS[notification.severity]} *{escaped(notification.title)}*"
        place = " · ".join(filter(None, [escaped(notification.url), escaped(notification.id)]))
        blocks = [
            {"type": "section", "text": {"type": "mrkdwn", "text": title[:3000], "verbatim": True}},
            *([_plain(notification.text)] if notification.text else []),
            {"type": "context", "elements": [{"type": "mrkdwn", "text": place[:3000], "verbatim": True}]},
        ]
        body = json.dumps({"text": escaped(notification.title), "blocks": blocks}).encode()
        await post(self._url.get_secret_value(), body)


def _plain(text: str) -> dict[str, object]:
    return {"type": "section", "text": {"type": "plain_text", "text": inert(text)[:3000], "emoji": False}}


def escaped(text: str) -> str:
    """Text as Slack's mrkdwn wants it; what stands in it formats nothing, links nothing and calls nobody."""
    made = inert(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f"\u2060{c}" if c in "*_~`" else c for c in made)
