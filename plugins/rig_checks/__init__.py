"""Health of what the daemon itself stands on: store, streams, disk and event loop."""

from collections.abc import Sequence

from rig import HealthChecker, HealthCheckersContext, hookimpl

RIG_REQUIRES = ">=0.1,<0.2"
RIG_CONFIG = "rig_checks.checkers:ChecksConfig"


@hookimpl
def rig_register_health_checkers(context: HealthCheckersContext) -> Sequence[HealthChecker]:
    from rig_checks.checkers import Disk, EventLoop, StoreChecker, Streams

    return [StoreChecker(), Streams(), Disk(context.config), EventLoop(context.config)]
