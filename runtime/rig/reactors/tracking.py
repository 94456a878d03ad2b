"""Asks trackers what is to be done: each at its own pace, never twice at a time, and without losing or repeating anything."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from rig.clock import Clock, Micros
from rig.config import Settings
from rig.errors import PluginError, RigError, TrackerUnavailable
from rig.ids import DEFAULT_TENANT
from rig.model.health import CheckResult
from rig.model.rows import TrackedRow
from rig.model.tracking import Rules, TrackedIssue
from rig.plugin.guarded import GuardedTracker
from rig.plugin.tracker import PollContext, TrackerPage
from rig.reactors.reading import SECOND, Overtaken, Reading
from rig.reactors.roster import serve_all
from rig.reactors.tracked import open_rows
from rig.store.port import Store
from rig.store.units import Timer
from rig.text import one_line

log = logging.getLogger(__name__)

PAGES = 20
"""Pages that are read in a row; the next ones after a second."""
CHECKED = 25
"""Issues that wait or are worked on that are asked for by their ids at a time."""
CHECK: Micros = 300 * 1_000_000
"""Time between two such looks."""
LOOK = 5.0
"""Seconds after which plugins that were switched are noticed."""
LONGEST = 600.0
"""Seconds between two tries of a tracker that fails, unless it asks for more."""
LONGEST_REST = 3700
"""Seconds that a tracker may ask to be left alone: the hour of a rate limit."""
T = TypeVar("T")


@dataclass
class Watch:
    """A tracker as this daemon knows it."""

    wanted: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when somebody asks for a poll now."""
    error: str | None = None
    faults: dict[str, str] = field(default_factory=dict)
    """What of it can't be read or used, as of the last round, by id."""
    refused: dict[str, str] = field(default_factory=dict)
    """Issues among them that Rig can't use: a tracker with a cursor tells of each only when it has changed."""
    polled_at: Micros | None = None
    """When it last answered."""
    due: Micros | None = None
    resting: bool = False
    """Whether it has asked to be left alone."""


class Tracking:
    """The trackers of one daemon."""

    def __init__(
        self,
        store: Store,
        trackers: Mapping[str, GuardedTracker],
        clock: Clock,
        settings: Callable[[], Settings],
        *,
        second: float = 1.0,
        jitter: Callable[[], float] = lambda: random.uniform(0.9, 1.1),
    ) -> None:
        """``trackers`` may change while it runs. ``second`` is the unit of all waits, for tests."""
        self._store = store
        self._trackers = trackers
        self._clock = clock
        self._settings = settings
        self._second = second
        self._jitter = jitter
        self.watched: dict[str, Watch] = {}

    def wanted(self) -> list[str]:
        """Names of the trackers that are polled: that of ``tracker.kind``, or all."""
        kind = self._settings().tracker.kind
        return [name for name in sorted(self._trackers) if not kind or name == kind]

    def refresh(self) -> bool:
        """Poll every tracker now, or once the poll that is under way has ended; False when that was asked for already."""
        watches = [self.watched.setdefault(name, Watch()) for name in self.wanted()]
        fresh = [watch for watch in watches if not watch.wanted.is_set()]
        for watch in fresh:
            watch.wanted.set()
        return bool(fresh)

    def states(self) -> list[tuple[str, Watch]]:
        """(name, how it is) of every tracker that is polled."""
        return [(name, self.watched.get(name) or Watch()) for name in self.wanted()]

    def health(self) -> list[tuple[str, CheckResult]]:
        """(name, result) of every tracker: Degraded while it can't be read, or something of it can't."""
        kind, found = self._settings().tracker.kind, []
        for name in self.wanted():
            watch = self.watched.get(name) or Watch()
            why = watch.error or _summary(watch.faults)
            found.append((f"tracker:{name}", CheckResult("Degraded", why) if why else CheckResult()))
        if kind and kind not in self._trackers:
            found.append((f"tracker:{kind}", CheckResult("Degraded", "no plugin has such a tracker, or it is not configured")))
        return found

    async def fire(self, tenant: str, timer: Timer) -> None:
        """The handler of timers of kind ``tracker``: each is consumed by the task of its own tracker, which may take long."""

    async def run(self) -> None:
        """Poll every tracker until cancelled."""
        await serve_all(self.wanted, self._serve, look=LOOK * self._second)

    async def _serve(self, name: str) -> None:
        first, watch = True, self.watched.setdefault(name, Watch())
        while True:
            try:
                reading = await Reading.begun(self._store, self._clock, name, watch.refused)
                now, rest = self._clock.now(), reading.place.rest
                due = max(now, rest) if first else reading.due
                first = False
                watch.due, watch.resting = due, rest > now
                await self._wait(watch, due, rest)
                watch.wanted.clear()
                await self._round(watch, reading)
            except Overtaken:
                log.debug("the tracker %s is polled by another daemon", name)
            except RigError as error:
                watch.error = one_line(error.message)
                log.warning("the tracker %s waits: %s", name, error.message)
                await asyncio.sleep(LOOK * self._second)
            except Exception:
                watch.error = "what it answered can't be used; the daemon's log says more"
                log.exception("the tracker %s waits", name)
                await asyncio.sleep(LOOK * self._second)

    async def _wait(self, watch: Watch, due: Micros, rest: Micros) -> None:
        """Until it is due, or wished for and not resting."""
        resting = (rest - self._clock.now()) / SECOND
        if resting > 0:
            await asyncio.sleep(resting * self._second)
        left = (due - self._clock.now()) / SECOND * self._second
        if left > 0:
            try:
                async with asyncio.timeout(left):
                    await watch.wanted.wait()
            except TimeoutError:
                pass

    # A round

    async def _round(self, watch: Watch, reading: Reading) -> None:
        tracker, section = self._trackers.get(reading.name), self._settings().tracker
        if tracker is None or tracker.quarantined:
            watch.error = "its plugin is quarantined or switched off"
            await reading.move(reading.place, self._interval())
            return
        rules = Rules(tuple(section.active_states), tuple(section.terminal_states), tuple(section.required_labels))
        reading.follow(rules, section.trusted_associations)
        asked = self._clock.now()
        try:
            for _ in range(PAGES):
                as_of = await self._store.read(lambda s: s.as_of(DEFAULT_TENANT))
                context = PollContext(
                    reading.place.cursor, self._clock.now(), tuple(section.trusted_associations), rules.required_labels
                )
                page = await _asked(tracker.poll(context))
                again = await reading.take(page, as_of, self._pause(page))
                if again or not page.more or page.wait:
                    break
            if not page.complete and asked - reading.place.checked_at >= CHECK:
                await self._check(tracker, reading)
        except (TrackerUnavailable, PluginError) as error:
            await self._failed(watch, reading, error)
        else:
            watch.error, watch.polled_at = None, self._clock.now()
        finally:
            watch.faults = {**reading.faults, **watch.refused}

    async def _check(self, tracker: GuardedTracker, reading: Reading) -> None:
        """Ask for issues that wait or are worked on by their ids, a few at a time: a page tells nothing of one that is gone."""
        place = reading.place
        as_of, rows = await self._store.read(
            lambda s: (s.as_of(DEFAULT_TENANT), open_rows(s, tracker.name, place.checked, CHECKED))
        )
        found = {issue.id: issue for issue in await _asked(tracker.fetch([row.id for row in rows]))}
        listed: list[TrackedIssue | TrackedRow] = [found.get(row.id, row) for row in rows]
        done = rows[-1].id if len(rows) == CHECKED else ""
        place = msgspec.structs.replace(place, checked=done, checked_at=self._clock.now())
        await reading.store_all(listed, as_of, place, reading.due)

    async def _failed(self, watch: Watch, reading: Reading, error: RigError) -> None:
        place, interval = reading.place, self._interval()
        rest = float(min(getattr(error, "retry_after", None) or 0, LONGEST_REST))
        wait = max(rest, min(interval * 2 ** min(place.fails, 10), max(LONGEST, interval)))
        watch.error = one_line(error.message)
        log.warning("the tracker %s was not read: %s; again in %d s", reading.name, watch.error, wait)
        now = self._clock.now()
        place = msgspec.structs.replace(place, fails=place.fails + 1, rest=now + int(rest * SECOND) if rest else 0)
        await reading.move(place, wait)

    def _interval(self) -> float:
        return self._settings().tracker.poll_interval_ms / 1000 * self._jitter()

    def _pause(self, page: TrackerPage) -> tuple[float, float]:
        """(seconds until the next page, seconds of them in which the tracker must be left alone)."""
        rest = min(max(page.wait or 0.0, 0.0), float(LONGEST_REST))
        return max(1.0 if page.more else self._interval(), rest), rest


async def _asked(answer: Awaitable[T]) -> T:
    """A plugin's answer; whatever of Rig's errors it raises, it is the tracker that can't be read."""
    try:
        return await answer
    except (TrackerUnavailable, PluginError):
        raise
    except RigError as error:
        raise TrackerUnavailable(error.message) from error


def _summary(faults: Mapping[str, str]) -> str | None:
    if not faults:
        return None
    first = next(iter(faults.values()))
    return one_line(first if len(faults) == 1 else f"{first} (and {len(faults) - 1} more)")
