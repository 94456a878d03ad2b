"""POSTs notifications as JSON to an address of yours, signed as Standard Webhooks has it."""

import json
from dataclasses import asdict
from typing import Annotated

from pydantic import AfterValidator, SecretStr, model_validator

from rig import Notification, NotifierConfig
from rig.outgoing import checked_address, post
from rig.signatures import sign_standard


class SignedWebhookConfig(NotifierConfig):
    """``[plugins.notify]``."""

    url: Annotated[SecretStr, AfterValidator(checked_address)] | None = None
    """Where to POST, best as `"$SECRET:NAME"`; unset: nothing is sent."""
    secret: SecretStr | None = None
    """What is signed with (`whsec_` and base64), best as `"$SECRET:NAME"`; needed with `url`."""
    allow_http: bool = False
    """Whether `url` may be plain http to another machine; loopback always may."""

    @model_validator(mode="after")
    def _whole(self) -> "SignedWebhookConfig":
        if self.url is not None and self.secret is None:
            raise ValueError("url needs a secret to sign with")
        if self.secret is not None and not self.secret.get_secret_value().startswith("$SECRET:"):
            sign_standard(b"", id="", at=0, secret=self.secret.get_secret_value())
        return self


class SignedWebhook:
    """The notifier ``webhook``."""

    name = "webhook"

    def __init__(self, config: SignedWebhookConfig) -> None:
        assert config.url is not None
        assert config.secret is not None
        self.kinds = config.kinds
        self._url, self._secret, self._plain = config.url, config.secret, config.allow_http

    async def send(self, notification: Notification) -> None:
        """``{type: "notification.<kind>", timestamp, data}``; the header webhook-id is the same with every try."""
        data = asdict(notification)
        at = data.pop("sent")
        said = {"type": f"notification.{notification.kind}", "timestamp": notification.at, "data": data}
        body = json.dumps(said, ensure_ascii=False).encode()
        headers = sign_standard(body, id=notification.id, at=at, secret=self._secret.get_secret_value())
        await post(self._url.get_secret_value(), body, headers, plain=self._plain)
