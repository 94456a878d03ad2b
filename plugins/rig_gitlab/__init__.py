"""GitLab's webhooks: issues, merge requests and pipelines as facts."""

from collections.abc import Sequence

from rig import WebhookSource, WebhookSourcesContext, hookimpl

RIG_REQUIRES = ">=0.1,<0.2"
RIG_CONFIG = "rig_gitlab.config:GitLabConfig"


@hookimpl
def rig_register_webhook_sources(context: WebhookSourcesContext) -> Sequence[WebhookSource]:
    from rig_gitlab.source import GitLabSource

    return [GitLabSource(context.config)]
