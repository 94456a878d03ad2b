"""Notifications in a Discord channel."""

from collections.abc import Sequence

from rig import HealthChecker, HealthCheckersContext, Notifier, NotifiersContext, hookimpl

RIG_REQUIRES = ">=0.1,<0.2"
RIG_CONFIG = "rig_discord.notifier:DiscordConfig"


@hookimpl
def rig_register_notifiers(context: NotifiersContext) -> Sequence[Notifier]:
    if context.config.url is None:
        return []
    from rig_discord.notifier import Discord

    return [Discord(context.config)]


@hookimpl
def rig_register_health_checkers(context: HealthCheckersContext) -> Sequence[HealthChecker]:
    if context.config.url is None:
        return []
    from rig_discord.health import DiscordWebhook

    return [DiscordWebhook(context.config)]
