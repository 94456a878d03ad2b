"""The configuration of the plugin for senders of any kind."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from rig import PluginConfig


class HmacScheme(BaseModel):
    """How one sender signs: ``[plugins.webhooks.hmac.<name of the source>]``."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    header: str = Field("X-Signature", min_length=1, max_length=100)
    """Header with the signature of the raw body."""
    algorithm: Literal["sha256", "sha384", "sha512", "sha1"] = "sha256"
    """Hash under the HMAC; sha1 is for old senders only."""
    prefix: str = Field("", max_length=50)
    """What stands before the signature in the header, such as `sha256=`."""
    encoding: Literal["hex", "base64"] = "hex"
    """How the signature is written."""
    id_header: str = Field("", max_length=100)
    """Header with the sender's id of the delivery; empty: it has none, and the same body within a day is the same delivery."""
    event_header: str = Field("", max_length=100)
    """Header that says what happened, for the list of deliveries; empty: the body's `type`."""


class WebhooksConfig(PluginConfig):
    """``[plugins.webhooks]``."""

    hmac: dict[str, HmacScheme] = Field(default_factory=dict)
    """How the sources of type `hmac` sign, by their names; one that is not named here signs as the defaults say."""
