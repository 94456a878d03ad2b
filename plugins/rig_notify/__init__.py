"""Notifications as signed webhooks of your own."""

from collections.abc import Sequence

from rig import Notifier, NotifiersContext, hookimpl

RIG_REQUIRES = ">=0.1,<0.2"
RIG_CONFIG = "rig_notify.notifier:SignedWebhookConfig"


@hookimpl
def rig_register_notifiers(context: NotifiersContext) -> Sequence[Notifier]:
    if context.config.url is None:
        return []
    from rig_notify.notifier import SignedWebhook

    return [SignedWebhook(context.config)]
