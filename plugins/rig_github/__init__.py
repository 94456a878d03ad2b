"""GitHub's webhooks: issues, pull requests, reviews and checks as facts."""

from collections.abc import Sequence

from rig import HealthChecker, HealthCheckersContext, WebhookSource, WebhookSourcesContext, hookimpl

RIG_REQUIRES = ">=0.1,<0.2"
RIG_CONFIG = "rig_github.config:GitHubConfig"


@hookimpl
def rig_register_webhook_sources(context: WebhookSourcesContext) -> Sequence[WebhookSource]:
    from rig_github.source import GitHubSource

    return [GitHubSource(context.config)]


@hookimpl
def rig_register_health_checkers(context: HealthCheckersContext) -> Sequence[HealthChecker]:
    from rig_github.health import GitHubChecker

    return [GitHubChecker(context.config.api_url)] if context.config.api_url else []
