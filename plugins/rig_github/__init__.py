"""GitHub's webhooks: issues, pull requests, reviews and checks as facts."""

from collections.abc import Sequence

from rig import WebhookSource, WebhookSourcesContext, hookimpl

RIG_REQUIRES = ">=0.1,<0.2"
RIG_CONFIG = "rig_github.config:GitHubConfig"


@hookimpl
def rig_register_webhook_sources(context: WebhookSourcesContext) -> Sequence[WebhookSource]:
    from rig_github.source import GitHubSource

    return [GitHubSource(context.config)]
