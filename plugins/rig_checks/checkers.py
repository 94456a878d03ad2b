"""The checkers: store and streams are critical, disk and event loop can only degrade."""

import asyncio
import shutil
from dataclasses import dataclass

from pydantic import Field

from rig import CheckResult, HealthContext, PluginConfig

MIB = 1024 * 1024
OK = CheckResult()


class ChecksConfig(PluginConfig):
    """``[plugins.checks]``."""

    disk_free_mb: int = Field(512, ge=0)
    """Free space of the data directory's disk, in MiB, below which health is degraded; 0 never."""
    disk_free_percent: float = Field(3.0, ge=0, le=100)
    """The same as a share of the disk; 0 never."""
    loop_lag_ms: int = Field(250, ge=1)
    """Lateness of the event loop above which health is degraded."""


def _degraded(reason: str | None) -> CheckResult:
    return CheckResult("Degraded", reason) if reason else OK


@dataclass(frozen=True)
class StoreChecker:
    """The log can be read, and written."""

    name: str = "store"
    critical: bool = True

    async def check(self, context: HealthContext) -> CheckResult:
        return _degraded(await context.store_ping())


@dataclass(frozen=True)
class Streams:
    """What was committed reaches those who listen."""

    name: str = "streams"
    critical: bool = True

    async def check(self, context: HealthContext) -> CheckResult:
        return _degraded(await context.streams_ping())


@dataclass(frozen=True)
class Disk:
    """There is room for the log to grow."""

    config: ChecksConfig
    name: str = "disk"
    critical: bool = False

    async def check(self, context: HealthContext) -> CheckResult:
        usage = await asyncio.to_thread(shutil.disk_usage, context.data_dir)
        percent = 100 * usage.free / usage.total if usage.total else 100.0
        if usage.free < self.config.disk_free_mb * MIB or percent < self.config.disk_free_percent:
            return CheckResult("Degraded", f"{usage.free // MIB} MiB free ({percent:.1f} %)")
        return OK


@dataclass(frozen=True)
class EventLoop:
    """The daemon gets round to things in time."""

    config: ChecksConfig
    name: str = "event-loop"
    critical: bool = False

    async def check(self, context: HealthContext) -> CheckResult:
        lag = context.loop_lag() * 1000
        return CheckResult("Degraded", f"{lag:.0f} ms late") if lag > self.config.loop_lag_ms else OK
