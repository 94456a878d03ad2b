"""Linear's webhooks and issues, as facts."""

from collections.abc import Sequence

from rig import Tracker, TrackersContext, WebhookSource, WebhookSourcesContext, hookimpl

RIG_REQUIRES = ">=0.1,<0.2"
RIG_CONFIG = "rig_linear.config:LinearConfig"


@hookimpl
def rig_register_webhook_sources(context: WebhookSourcesContext) -> Sequence[WebhookSource]:
    from rig_linear.source import LinearSource

    return [LinearSource(context.config)]


@hookimpl
def rig_register_trackers(context: TrackersContext) -> Sequence[Tracker]:
    if context.config.api_key is None:
        return []
    from rig_linear.tracker import LinearIssues

    return [LinearIssues(context.config)]
