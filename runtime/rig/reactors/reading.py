"""How far a tracker was read, and what moves on from there.

A tracker's place, its cursor and how long it wants to be left alone, is the payload of a durable timer. The unit that stores what
a page causes moves that timer, so a page counts once, whoever asked for it and wherever a daemon was killed. Webhooks of the same
tracker may tell of the same things before or after: issues are judged by how they stand (``rig.model.tracking``).
"""

import hashlib
from collections.abc import Sequence

import msgspec

from rig.clock import Clock, Micros
from rig.errors import AlreadyExists, Conflict, VersionConflict
from rig.ids import DEFAULT_TENANT
from rig.model.rows import TrackedRow
from rig.model.tracking import Rules, TrackedIssue, order
from rig.plugin.tracker import TrackerPage
from rig.reactors.tracked import MAX_ID, Found, decide, missing
from rig.store.port import Snapshot, Store
from rig.store.units import Timer, Unit
from rig.text import one_line

CHUNK = 50
"""Issues of one unit."""
TRIES = 5
"""How often a chunk is decided again because its issues move."""
MOST_REFUSED = 1000
"""Issues that can't be used of which a tracker is remembered to have told; the oldest go first."""
SECOND: Micros = 1_000_000


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


class Overtaken(Exception):
    """Another daemon has moved the place of a tracker."""


class Reading:
    """The pages of one round, and the timer as it stands after each."""

    def __init__(self, store: Store, clock: Clock, name: str, timer: Timer, refused: dict[str, str]) -> None:
        """``refused``: issues that can't be used by id, kept over rounds."""
        self._store = store
        self._clock = clock
        self.name = name
        self._timer = timer
        self.place = _place(timer.payload)
        self.faults: dict[str, str] = {}
        """What the tracker says of this round."""
        self._refused = refused
        self._rules = Rules()

    @classmethod
    async def begun(cls, store: Store, clock: Clock, name: str, refused: dict[str, str]) -> "Reading":
        """From the place where the tracker was left, or from the beginning."""
        key = f"tracker:{name}"
        timer: Timer | None = await store.read(lambda s: s.timer(DEFAULT_TENANT, key))
        if timer is None:
            now = clock.now()
            timer = Timer(key, now, msgspec.json.encode(Place(checked_at=now)))
            await store.commit(Unit(DEFAULT_TENANT, timers=(timer,), operation="poll_tracker"))
        return cls(store, clock, name, timer, refused)

    @property
    def due(self) -> Micros:
        """When the tracker is asked next, nobody wishing it sooner."""
        assert self._timer.due is not None
        return self._timer.due

    def follow(self, rules: Rules, trusted: Sequence[str]) -> None:
        """Read under these rules; under other ones than before everything is read again."""
        self._rules = rules
        digest = hashlib.sha256(msgspec.json.encode([rules, list(trusted)])).hexdigest()[:16]
        if self.place.rules != digest:
            self.place = msgspec.structs.replace(self.place, cursor="", rules=digest)
            self._refused.clear()

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

    async def move(self, place: Place, seconds: float) -> None:
        """End the round with nothing to store: the next one begins at ``place`` in some seconds."""
        moved = Timer(self._timer.key, self._clock.now() + int(seconds * SECOND), msgspec.json.encode(place))
        unit = Unit(DEFAULT_TENANT, timers=(moved,), timers_fired=(self._timer,), operation="poll_tracker")
        try:
            await self._store.commit(unit)
        except VersionConflict:
            raise Overtaken from None

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
                moved = Timer(self._timer.key, due, msgspec.json.encode(place))
            unit = Unit(
                DEFAULT_TENANT,
                found.unit_events(self.name),
                expect=found.expect,
                principal=f"tracker:{self.name}",
                operation="poll_tracker",
                timers=(moved,) if moved is not None else (),
                timers_fired=(self._timer,) if moved is not None else (),
            )
            if not unit.events and moved is None:
                return found.stale
            try:
                await self._store.commit(unit)
            except (VersionConflict, AlreadyExists):
                continue
            if moved is not None:
                self._timer, self.place = moved, place
            return found.stale
        raise Conflict("its issues keep changing while they are judged")

    def _stands(self, snapshot: Snapshot) -> bool:
        return snapshot.timer(DEFAULT_TENANT, self._timer.key) == self._timer


def _name(id: object) -> str:
    """An id as it is shown."""
    return one_line(str(id)[:MAX_ID])
