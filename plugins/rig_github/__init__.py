"""GitHub's webhooks and issues: issues, pull requests, reviews and checks as facts."""

from collections.abc import Sequence

from rig import HealthChecker, HealthCheckersContext, Tracker, TrackersContext, WebhookSource, WebhookSourcesContext, hookimpl

RIG_REQUIRES = ">=0.1,<0.2"
RIG_CONFIG = "rig_github.config:GitHubConfig"


@hookimpl
def rig_register_webhook_sources(context: WebhookSourcesContext) -> Sequence[WebhookSource]:
    from rig_github.source import GitHubSource

    return [GitHubSource(context.config)]


@hookimpl
def rig_register_health_checkers(context: HealthCheckersContext) -> Sequence[HealthChecker]:
    from rig_github.health import GitHubChecker

    url = context.config.api_url or ("https://api.github.com" if context.config.repositories else "")
    return [GitHubChecker(url)] if url else []


@hookimpl
def rig_register_trackers(context: TrackersContext) -> Sequence[Tracker]:
    if not context.config.repositories:
        return []
    from rig_github.tracker import GitHubIssues

    return [GitHubIssues(context.config)]
