"""Tells notifiers what happened: each follows the log with a cursor of its own, in order, at least once, and holds up no other.

Only events of the default tenant are told: notifiers and their secrets are its own. The cursor moves after a notification was
taken, so one that was taken just before a crash is sent again, with the same id.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import msgspec

from rig.clock import Clock, Micros, iso
from rig.errors import NotSent, PluginError, RigError, VersionConflict
from rig.ids import DEFAULT_TENANT
from rig.model import identity
from rig.model.events import Event
from rig.model.folds.issue import unapplied_key
from rig.model.health import CheckResult
from rig.model.notices import TOLD, Notice, Subject, notice
from rig.model.tables import ISSUES, UNAPPLIED
from rig.outgoing import LONGEST_REST, address_fault
from rig.plugin.guarded import GuardedNotifier
from rig.plugin.notifier import Notification
from rig.reactors.roster import serve_all
from rig.store.port import Batch, Snapshot, Store
from rig.store.units import Cursor, Unit
from rig.text import clean, one_line

log = logging.getLogger(__name__)

PAGE = 200
"""Events that are read at a time."""
BEHIND = 1000
"""Events without a notification after which the cursor is moved nevertheless: they are read again after a restart."""
TRIES = 8
"""How often a notification is sent before it is given up."""
LONGEST = 60
"""Seconds between two tries at most, unless the receiver asks for more."""
LOOK = 5.0
"""Seconds after which plugins that were switched are noticed."""
STALE: Micros = 24 * 3600 * 1_000_000
"""Age at which a notification is not worth sending any more, as after a plugin was disabled for days."""


@dataclass(frozen=True)
class _Told:
    """An event with what there is to say of it."""

    event: Event
    notice: Notice
    url: str


class Notify:
    """The notifications of one daemon."""

    def __init__(
        self,
        store: Store,
        notifiers: Mapping[str, GuardedNotifier],
        clock: Clock,
        public_url: Callable[[], str],
        *,
        second: float = 1.0,
    ) -> None:
        """``notifiers`` may change while it runs. ``second`` is the unit of all waits, for tests."""
        self._store = store
        self._notifiers = notifiers
        self._clock = clock
        self._public_url = public_url
        self._second = second
        self._news: dict[str, asyncio.Event] = {}
        self._faults: dict[str, str] = {}

    def health(self) -> list[tuple[str, CheckResult]]:
        """(name, result) of every notifier: Degraded from a failed try until one succeeds."""
        return [
            (name, CheckResult("Degraded", self._faults[name]) if name in self._faults else CheckResult())
            for name in sorted(self._notifiers)
        ]

    def hear(self, batch: Batch) -> None:
        """A store listener: there is something to read."""
        for news in self._news.values():
            news.set()

    async def run(self) -> None:
        """Serve every notifier until cancelled."""
        await serve_all(lambda: self._notifiers, self._serve, look=LOOK * self._second)

    async def _serve(self, name: str) -> None:
        news = self._news[name] = asyncio.Event()
        try:
            while True:
                try:
                    await self._follow(name, news)
                except VersionConflict:  # another daemon was there
                    log.debug("the notifier %s goes on where another daemon is", name)
                except RigError as error:
                    log.warning("notifications of %s wait: %s", name, error.message)
                except Exception:
                    log.exception("notifications of %s wait", name)
                await asyncio.sleep(LOOK * self._second)
        finally:
            del self._news[name]
            self._faults.pop(name, None)

    async def _follow(self, name: str, news: asyncio.Event) -> None:
        cursor, kept = f"notify:{name}", 0

        async def keep(new: int) -> None:
            nonlocal kept
            await self._store.commit(Unit(DEFAULT_TENANT, cursors=(Cursor(cursor, kept, new),), operation="notify"))
            kept = new

        kept, newest = await self._store.read(lambda s: (s.cursor(cursor), s.as_of(DEFAULT_TENANT)))
        if not kept and newest:  # a new notifier hears of what happens from now on
            await keep(newest)
        at = kept
        while True:
            news.clear()
            page: list[Event]
            page, told = await self._store.read(partial(_page, after=at))
            for one in told:
                if await self._tell(name, one):
                    await keep(one.event.sequence)
            at = page[-1].sequence if page else at
            if at - kept >= BEHIND:
                await keep(at)
            if len(page) < PAGE:
                await news.wait()

    async def _tell(self, name: str, told: _Told) -> bool:
        """Send until it is taken or given up; False when the notifier does not want it."""
        tries = 0
        while tries < TRIES and self._clock.now() - told.event.at < STALE:
            notifier = self._notifiers.get(name)
            if notifier is None or notifier.quarantined:
                await asyncio.sleep(LOOK * self._second)
                continue
            if notifier.kinds and told.notice.kind not in notifier.kinds:
                return False
            tries += 1
            rest = min(2 ** (tries - 1), LONGEST)
            try:
                await notifier.send(self._notification(name, told))
            except NotSent as refusal:
                self._faults[name] = one_line(refusal.message)
                if refusal.final:
                    break
                rest = max(rest, min(refusal.retry_after or 0, LONGEST_REST))
            except PluginError as error:
                self._faults[name] = one_line(error.message)
            else:
                self._faults.pop(name, None)
                return True
            if tries < TRIES:
                await asyncio.sleep(rest * self._second)
        log.warning("a notification of %s was given up: %s", name, self._faults.get(name, "it is a day old"))
        return True

    def _notification(self, name: str, told: _Told) -> Notification:
        event, about = told.event, told.notice
        return Notification(
            id=f"{name}-{event.sequence}",
            kind=about.kind,
            severity=about.severity,
            title=one_line(about.title),
            text=clean(about.text),
            url=told.url or self._public_url(),
            issue=event.stream if identity.is_issue(event.stream) else None,
            at=iso(event.at),
            sent=self._clock.now() // 1_000_000,
        )


def _page(snapshot: Snapshot, after: int) -> tuple[list[Event], list[_Told]]:
    """The next events, and those of them that people are told of."""
    page = snapshot.events(DEFAULT_TENANT, after, PAGE)
    told: list[_Told] = []
    for event in page:
        if event.type not in TOLD:
            continue
        row = snapshot.get(ISSUES, DEFAULT_TENANT, event.stream)
        subject = Subject(event.stream, (row.title or "") if row else "", row is not None and row.state == "done")
        applied = snapshot.get(UNAPPLIED, DEFAULT_TENANT, unapplied_key(event.sequence)) is None
        found = notice(event.type, msgspec.json.decode(event.body or b"{}"), subject) if applied else None
        if found is not None:
            url = row.url if row and row.url and address_fault(row.url, plain=True) is None else ""
            told.append(_Told(event, found, url))
    return page, told
