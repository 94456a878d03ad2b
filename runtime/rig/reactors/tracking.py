"""Asks trackers what is to be done: each at its own pace, never twice at a time, and without losing or repeating anything.

A tracker's place, its cursor and how long it wants to be left alone, is the payload of a durable timer. The unit that stores what
a page causes moves that timer, so a page counts once, whoever asked for it and wherever a daemon was killed. Webhooks of the same
tracker may tell of the same things before or after: issues are judged by how they stand (``rig.model.tracking``).
"""

import asyncio
import hashlib
import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from rig.clock import Clock, Micros
from rig.config import Settings
from rig.errors import AlreadyExists, Conflict, PluginError, RigError, TrackerUnavailable, VersionConflict
from rig.ids import DEFAULT_TENANT
from rig.model.health import CheckResult
from rig.model.rows import TrackedRow
from rig.model.tracking import Rules, TrackedIssue, order
from rig.plugin.guarded import GuardedTracker
from rig.plugin.tracker import PollContext, TrackerPage
from rig.reactors.roster import serve_all
from rig.reactors.tracked import MAX_ID, Found, decide, missing, open_rows
from rig.store.port import Snapshot, Store
from rig.store.units import Timer, Unit
from rig.text import one_line

log = logging.getLogger(__name__)

PAGES = 20
"""Pages that are read in a row; the next ones after a second."""
CHUNK = 50
"""Issues of one unit."""
TRIES = 5
"""How often a chunk is decided again because its issues move."""
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
SECOND: Micros = 1_000_000
MOST_REFUSED = 1000
"""Issues that can't be used of which a tracker is remembered to have told; the oldest go first."""
T = TypeVar("T")


class Place(msgspec.Struct, frozen=True):
    """How far a tracker was read; the payload of its timer."""

    cursor: str = ""
    rules: str = ""
    """Digest of the rules that the cursor was read under; under other ones everything is read again."""
    rest: Micros = 0
    """When it may be asked again at the earliest, whoever wishes it."""
    fails: int = 0
    """Failures in a row."""
    checked: str = ""
    """Id of the last issue that was asked for by its id."""
    checked_at: Micros = 0


_place = msgspec.json.Decoder(Place).decode


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


class Overtaken(Exception):
    """Another daemon has moved the place of a tracker."""


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
                timer, place = await self._place(name)
                assert timer.due is not None
                now = self._clock.now()
                due = max(now, place.rest) if first else timer.due
                first = False
                watch.due, watch.resting = due, place.rest > now
                await self._wait(watch, due, place.rest)
                watch.wanted.clear()
                await self._round(name, timer, place)
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

    async def _place(self, name: str) -> tuple[Timer, Place]:
        """The tracker's timer, made when there is none, and what is in it."""
        key = f"tracker:{name}"
        timer: Timer | None = await self._store.read(lambda s: s.timer(DEFAULT_TENANT, key))
        if timer is None:
            now = self._clock.now()
            timer = Timer(key, now, msgspec.json.encode(Place(checked_at=now)))
            await self._store.commit(Unit(DEFAULT_TENANT, timers=(timer,), operation="poll_tracker"))
        return timer, _place(timer.payload)

    # A round

    async def _round(self, name: str, timer: Timer, place: Place) -> None:
        tracker, watch, section = self._trackers.get(name), self.watched[name], self._settings().tracker
        if tracker is None or tracker.quarantined:
            watch.error = "its plugin is quarantined or switched off"
            await self._move(timer, place, self._interval())
            return
        rules = Rules(tuple(section.active_states), tuple(section.terminal_states), tuple(section.required_labels))
        digest = _digest(rules, section.trusted_associations)
        if place.rules != digest:
            place = msgspec.structs.replace(place, cursor="", rules=digest)
            watch.refused.clear()
        reading = _Reading(self._store, self._clock, name, rules, timer, place, watch.refused)
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

    async def _check(self, tracker: GuardedTracker, reading: "_Reading") -> None:
        """Ask for issues that wait or are worked on by their ids, a few at a time: a page tells nothing of one that is gone."""
        place = reading.place
        as_of, rows = await self._store.read(
            lambda s: (s.as_of(DEFAULT_TENANT), open_rows(s, tracker.name, place.checked, CHECKED))
        )
        found = {issue.id: issue for issue in await _asked(tracker.fetch([row.id for row in rows]))}
        listed: list[TrackedIssue | TrackedRow] = [found.get(row.id, row) for row in rows]
        done = rows[-1].id if len(rows) == CHECKED else ""
        place = msgspec.structs.replace(place, checked=done, checked_at=self._clock.now())
        assert reading.timer.due is not None
        await reading.store_all(listed, as_of, place, reading.timer.due)

    async def _failed(self, watch: Watch, reading: "_Reading", error: RigError) -> None:
        place, interval = reading.place, self._interval()
        rest = float(min(getattr(error, "retry_after", None) or 0, LONGEST_REST))
        wait = max(rest, min(interval * 2 ** min(place.fails, 10), max(LONGEST, interval)))
        watch.error = one_line(error.message)
        log.warning("the tracker %s was not read: %s; again in %d s", reading.name, watch.error, wait)
        now = self._clock.now()
        place = msgspec.structs.replace(place, fails=place.fails + 1, rest=now + int(rest * SECOND) if rest else 0)
        await self._move(reading.timer, place, wait)

    async def _move(self, timer: Timer, place: Place, seconds: float) -> None:
        moved = Timer(timer.key, self._clock.now() + int(seconds * SECOND), msgspec.json.encode(place))
        unit = Unit(DEFAULT_TENANT, timers=(moved,), timers_fired=(timer,), operation="poll_tracker")
        try:
            await self._store.commit(unit)
        except VersionConflict:
            raise Overtaken from None

    def _interval(self) -> float:
        return self._settings().tracker.poll_interval_ms / 1000 * self._jitter()

    def _pause(self, page: TrackerPage) -> tuple[float, float]:
        """(seconds until the next page, seconds of them in which the tracker must be left alone)."""
        rest = min(max(page.wait or 0.0, 0.0), float(LONGEST_REST))
        return max(1.0 if page.more else self._interval(), rest), rest


class _Reading:
    """The pages of one round, and the timer as it stands after each."""

    def __init__(
        self, store: Store, clock: Clock, name: str, rules: Rules, timer: Timer, place: Place, refused: dict[str, str]
    ) -> None:
        """``refused``: issues that can't be used, kept over rounds."""
        self._store = store
        self._clock = clock
        self.name = name
        self._rules = rules
        self.timer = timer
        self.place = place
        self.faults: dict[str, str] = {}
        """What the tracker says of this round."""
        self._refused = refused

    async def take(self, page: TrackerPage, as_of: int, pause: tuple[float, float]) -> bool:
        """Store what a page causes and go on to the next; True when the page must be asked for again."""
        issues: dict[str, TrackedIssue | TrackedRow] = {i.id: i for i in sorted(page.issues, key=order)}
        self.faults |= {_name(id): one_line(why) for id, why in page.faults.items()}
        if page.complete:
            shown = {**issues, **page.faults}
            for id in self._refused.keys() - {_name(id) for id in shown}:
                del self._refused[id]
            gone = await self._store.read(lambda s: missing(s, self.name, shown))
            issues |= {row.id: row for row in gone}
        now, (wait, rest) = self._clock.now(), pause
        place = msgspec.structs.replace(self.place, cursor=page.cursor, fails=0, rest=now + int(rest * SECOND) if rest else 0)
        return await self.store_all(list(issues.values()), as_of, place, now + int(wait * SECOND))

    async def store_all(self, issues: Sequence[TrackedIssue | TrackedRow], as_of: int, place: Place, due: Micros) -> bool:
        """Store what issues cause, in units of some; the last one moves the place. True when an issue must be asked for again."""
        stale = False
        for start in range(0, max(len(issues), 1), CHUNK):
            part, last = issues[start : start + CHUNK], start + CHUNK >= len(issues)
            stale = await self._store_part(part, as_of, (place, due) if last else None, stale) or stale
        return stale

    async def _store_part(
        self, part: Sequence[TrackedIssue | TrackedRow], as_of: int, move: tuple[Place, Micros] | None, stale: bool
    ) -> bool:
        for _ in range(TRIES):
            standing: bool
            found: Found
            standing, found = await self._store.read(
                lambda s: (self._stands(s), decide(s, self.name, part, self._rules, as_of))
            )
            if not standing:
                raise Overtaken
            for issue in part:
                self._refused.pop(_name(issue.id), None)
            self._refused |= {_name(id): one_line(why) for id, why in found.faults.items()}
            for id in [*self._refused][:-MOST_REFUSED]:
                del self._refused[id]
            moved: Timer | None = None
            if move is not None:
                place, due = move
                if stale or found.stale:  # what the page left out comes again: its cursor does not count
                    place, due = msgspec.structs.replace(place, cursor=self.place.cursor), self._clock.now() + 2 * SECOND
                moved = Timer(self.timer.key, due, msgspec.json.encode(place))
            unit = Unit(
                DEFAULT_TENANT,
                found.unit_events(self.name),
                expect=found.expect,
                principal=f"tracker:{self.name}",
                operation="poll_tracker",
                timers=(moved,) if moved is not None else (),
                timers_fired=(self.timer,) if moved is not None else (),
            )
            if not unit.events and moved is None:
                return found.stale
            try:
                await self._store.commit(unit)
            except (VersionConflict, AlreadyExists):
                continue
            if moved is not None:
                self.timer, self.place = moved, place
            return found.stale
        raise Conflict("its issues keep changing while they are judged")

    def _stands(self, snapshot: Snapshot) -> bool:
        return snapshot.timer(DEFAULT_TENANT, self.timer.key) == self.timer


async def _asked(answer: Awaitable[T]) -> T:
    """A plugin's answer; whatever of Rig's errors it raises, it is the tracker that can't be read."""
    try:
        return await answer
    except (TrackerUnavailable, PluginError):
        raise
    except RigError as error:
        raise TrackerUnavailable(error.message) from error


def _name(id: object) -> str:
    """An id as it is shown."""
    return one_line(str(id)[:MAX_ID])


def _digest(rules: Rules, trusted: Sequence[str]) -> str:
    return hashlib.sha256(msgspec.json.encode([rules, list(trusted)])).hexdigest()[:16]


def _summary(faults: Mapping[str, str]) -> str | None:
    if not faults:
        return None
    first = next(iter(faults.values()))
    return one_line(first if len(faults) == 1 else f"{first} (and {len(faults) - 1} more)")
