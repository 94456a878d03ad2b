"""Posts to an incoming webhook of a Discord channel, as an embed that calls nobody."""

import json
from typing import Annotated

from pydantic import AfterValidator, SecretStr

from rig import Notification, NotifierConfig
from rig.outgoing import checked_address, inert, post

COLOURS = {"info": 0x3BA55D, "warning": 0xFAA61A, "critical": 0xED4245}


class DiscordConfig(NotifierConfig):
    """``[plugins.discord]``."""

    url: Annotated[SecretStr, AfterValidator(checked_address)] | None = None
    """Address of the channel's webhook (`https://discord.com/api/webhooks/…`), best as `"$SECRET:NAME"`; unset: nothing is sent."""


class Discord:
    """The notifier ``discord``."""

    name = "discord"

    def __init__(self, config: DiscordConfig) -> None:
        assert config.url is not None
        self.kinds = config.kinds
        self._url = config.url

    async def send(self, notification: Notification) -> None:
        """Discord knows no delivery ids, so the id stands in the footer. Markdown in texts is shown as it is written."""
        embed = {
            "title": _plain(notification.title)[:256],
            "description": _plain(notification.text)[:4000],
            "color": COLOURS[notification.severity],
            "timestamp": notification.at,
            "footer": {"text": notification.id},
            **({"url": notification.url} if notification.url else {}),
        }
        body = json.dumps({"embeds": [embed], "allowed_mentions": {"parse": []}}).encode()
        await post(self._url.get_secret_value(), body)


def _plain(text: str) -> str:
    return "".join(f"\\{c}" if c in "\\*_~`|>[]()#" else c for c in inert(text))
