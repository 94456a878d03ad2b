"""Webhooks of any sender: Standard Webhooks, and HMAC signatures of whatever form."""

from collections.abc import Sequence

from rig import WebhookSource, WebhookSourcesContext, hookimpl

RIG_REQUIRES = ">=0.1,<0.2"
RIG_CONFIG = "rig_webhooks.config:WebhooksConfig"


@hookimpl
def rig_register_webhook_sources(context: WebhookSourcesContext) -> Sequence[WebhookSource]:
    from rig_webhooks.sources import HmacSource, StandardSource

    return [StandardSource(), HmacSource(context.config)]
