"""The health checkers of what the daemon stands on."""

from pathlib import Path

import pytest

from rig import CheckResult, HealthContext
from rig_checks.checkers import ChecksConfig, Disk, EventLoop, StoreChecker, Streams


async def _well() -> str | None:
    return None


async def _slow() -> str | None:
    return "read-only"


async def _gone() -> str | None:
    raise ConnectionRefusedError


def _context(tmp_path: Path, **changes: object) -> HealthContext:
    fields = {"store_ping": _well, "streams_ping": _well, "loop_lag": lambda: 0.0, "data_dir": tmp_path, **changes}
    return HealthContext(**fields)  # type: ignore[arg-type]


async def test_store_and_streams_are_as_their_pings_say(tmp_path: Path) -> None:
    for checker, ping in ((StoreChecker(), "store_ping"), (Streams(), "streams_ping")):
        assert checker.critical
        assert await checker.check(_context(tmp_path)) == CheckResult()
        assert await checker.check(_context(tmp_path, **{ping: _slow})) == CheckResult("Degraded", "read-only")
        with pytest.raises(ConnectionRefusedError):
            await checker.check(_context(tmp_path, **{ping: _gone}))


@pytest.mark.parametrize(
    ("config", "status"),
    [
        (ChecksConfig(disk_free_mb=0, disk_free_percent=0), "Ok"),
        (ChecksConfig(disk_free_mb=10**12, disk_free_percent=0), "Degraded"),
        (ChecksConfig(disk_free_mb=0, disk_free_percent=100), "Degraded"),
    ],
)
async def test_a_full_disk_degrades(tmp_path: Path, config: ChecksConfig, status: str) -> None:
    result = await Disk(config).check(_context(tmp_path))
    assert result.status == status
    assert (result.reason is None) is (status == "Ok")
    assert not Disk(config).critical


@pytest.mark.parametrize(("seconds", "result"), [(0.2, CheckResult()), (0.3, CheckResult("Degraded", "300 ms late"))])
async def test_a_late_event_loop_degrades(tmp_path: Path, seconds: float, result: CheckResult) -> None:
    checker = EventLoop(ChecksConfig())
    assert await checker.check(_context(tmp_path, loop_lag=lambda: seconds)) == result
    assert not checker.critical
