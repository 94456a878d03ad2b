"""A batch while it is decided: which units hold, which issues claims get, and the places of their events in the log.

Versions, fences and idempotency keys are checked here, so the database's unique indexes are only the last word.
"""

import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from rig.clock import Micros
from rig.errors import AlreadyExists, BadRequest, IdempotencyReuse, RigError, StaleLease, Unavailable, VersionConflict
from rig.model import folds
from rig.model.decide.claim import claim as decide_claim
from rig.model.decide.claim import pushed
from rig.model.decide.held import lease_payload
from rig.model.events import ANY_VERSION, Event, NewEvent
from rig.model.folds.streams import entry_key
from rig.model.rows import IssueRow, QueueRow
from rig.model.tables import ENTRIES, ISSUES, LEASES, QUEUE, STREAMS, Query
from rig.model.upcasters import stamped
from rig.store.backend import Answered, Staged
from rig.store.chain import envelope, link
from rig.store.stage import RowStage, UnitTables
from rig.store.units import Claim, Committed, Outcome, Timer, Unit

if TYPE_CHECKING:
    from rig.store.engine import Engine

log = logging.getLogger(__name__)

ANSWERS_KEPT: Micros = 24 * 3600 * 1_000_000
"""How long an idempotency key is remembered (I3)."""

_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
"""The escape of NUL in JSON, and not the text of one."""

Result = Committed | Exception | None
"""What becomes of one unit or claim: committed, refused with an error, or (claims) nothing to hand out."""


class BatchRun:
    """One batch while it is decided."""

    def __init__(self, engine: "Engine") -> None:
        self._engine = engine
        self._backend = engine.backend
        self.stage = RowStage(engine.backend, engine.rows)
        self.staged = Staged(rows=self.stage.rows)
        self.position, self.hash = engine.position, engine.hash
        self.at = max(engine.clock.now(), engine.at)
        self._claims = 0
        self._answers: Mapping[str, Answered] = {}
        """What was stored before this batch under the scopes that come in it."""
        self._queues: dict[tuple[str, str], Iterator[QueueRow]] = {}

    def decide(self, work: Sequence[Unit | Claim]) -> list[Result]:
        """Units first, in order; then the claims, in order, so that they see all that came before them."""
        results: list[Result] = [None] * len(work)
        claims: list[int] = []
        self._claims = sum(isinstance(item, Claim) for item in work)
        self._look_up(work)
        stored = False
        for index, item in enumerate(work):
            if isinstance(item, Claim):
                claims.append(index)
            elif item.follows and not stored:
                results[index] = VersionConflict("the unit that this one follows was not stored")
            else:
                result = results[index] = self._guarded(self._unit, item)
                stored = isinstance(result, Committed) and not result.replayed
        for index in claims:
            results[index] = self._guarded(self._claim, work[index])
        return results

    def _look_up(self, work: Sequence[Unit | Claim]) -> None:
        """Few statements a batch instead of a few an event: each lets go of the interpreter, and has to get it back."""
        scopes = [item.idempotency.scope for item in work if item.idempotency is not None]
        if scopes:
            self._answers = self._backend.outcomes(scopes)
        streams: dict[str, set[str]] = {}
        for item in work:
            names = [event.stream for event in item.events] if isinstance(item, Unit) else [item.job_id]
            streams.setdefault(item.tenant, set()).update([name for name in names if "\0" not in name])
        self._engine.look_up(streams)

    def _guarded(self, step: Callable[[Any], Result], item: Unit | Claim) -> Result:
        try:
            return step(item)
        except RigError as error:
            return error
        except Exception:  # a fault of a fold must not take the batch with it; nothing of this unit is staged yet
            log.exception("a unit could not be folded: %s", item.operation)
            return Unavailable("this could not be applied; the fault is in the daemon's log")

    # One unit

    def _unit(self, unit: Unit) -> Result:
        if "\0" in unit.principal + unit.request_id or any("\0" in e.stream or _NUL.search(e.body) for e in unit.events):
            raise BadRequest("a text holds NUL, which not every store can keep")
        known = self._known(unit)
        if known is not None:
            return known
        for stream, expected in unit.expect.items():
            if expected != ANY_VERSION:
                self._check_version(unit.tenant, stream, expected)
        for lease_id, fence in unit.fences:
            self._check_fence(unit.tenant, lease_id, fence)
        for cursor in unit.cursors:
            if self._cursor(cursor.name) != cursor.old:
                raise VersionConflict(f"cursor {cursor.name} has moved", cursor=cursor.name)
        for timer in unit.timers_fired:
            if self._timer(unit.tenant, timer.key) != timer:
                raise VersionConflict(f"timer {timer.key} has moved", timer=timer.key)
        return self._append(unit, unit.events, (*((Timer(t.key, None)) for t in unit.timers_fired), *unit.timers))

    def _known(self, item: Unit | Claim) -> Committed | None:
        """The first outcome of a repeated request, None for a new one. Raises IdempotencyReuse."""
        if item.idempotency is None:
            return None
        scope = item.idempotency.scope
        answer = self.staged.answers.get(scope) or self._answers.get(scope)
        if answer is None or answer.at < self.at - ANSWERS_KEPT:
            return None
        if answer.digest != item.idempotency.digest:
            raise IdempotencyReuse
        return Committed(events=(), at=answer.at, rows={}, outcome=answer.outcome, replayed=True)

    def _check_version(self, tenant: str, stream: str, expected: int) -> None:
        current = self._version(tenant, stream)
        if current == expected:
            return
        if expected == 0:
            raise AlreadyExists(f"{stream} exists already", current_version=current)
        raise VersionConflict(
            f"{stream} is at version {current}, not {expected}", current_version=current, expected_version=expected
        )

    def _check_fence(self, tenant: str, lease_id: str, fence: int) -> None:
        lease = self.stage.get(LEASES, tenant, lease_id)
        if lease is None or lease.fence != fence or lease.state != "live":
            state = "unknown" if lease is None or lease.fence != fence else lease.state
            raise StaleLease(f"the lease is {state}; stop working on it and claim again", lease=lease_id)

    def _append(self, item: Unit | Claim, events: Sequence[NewEvent], timers: Sequence[Timer]) -> Committed:
        tables = UnitTables(self.stage, item.tenant)
        sequence = self._sequence(item.tenant)
        position, hash_ = self.position, self.hash
        versions: dict[tuple[str, str], int] = {}
        made: list[Event] = []
        for new in events:
            key = (item.tenant, new.stream)
            version = versions[key] = (versions.get(key) or self._version(*key)) + 1
            position += 1
            sequence += 1
            event = self._event(item, new, position, sequence, version, hash_)
            hash_ = event.hash
            folds.fold(event, tables)
            made.append(event)
        committed = Committed(
            events=tuple(made), at=self.at, rows={(name, key): row for (_, name, key), row in tables.changed.items()}
        )
        if item.idempotency is not None:
            outcome = item.outcome(committed) if item.outcome is not None else Outcome(204, b"")
            self.staged.answers[item.idempotency.scope] = Answered(item.idempotency.digest, outcome, self.at)
            committed = Committed(events=committed.events, at=committed.at, rows=committed.rows, outcome=outcome)
        # Nothing below fails: the unit holds.
        tables.accept()
        self.position, self.hash = position, hash_
        self.staged.events.extend(made)
        self.staged.versions.update(versions)
        if made:
            self.staged.sequences[item.tenant] = sequence
        for timer in timers:
            self.staged.timers[item.tenant, timer.key] = timer if timer.due is not None else None
        if isinstance(item, Unit):
            for cursor in item.cursors:
                self.staged.cursors[cursor.name] = cursor.new
        return committed

    def _event(self, item: Unit | Claim, new: NewEvent, position: int, sequence: int, version: int, previous: bytes) -> Event:
        body_hash = sha256(new.body).digest()
        named = (
            position,
            item.tenant,
            sequence,
            new.stream,
            version,
            new.type,
            self._engine.ids.uuid(),
            self.at,
            item.principal,
            item.operation,
            item.request_id,
            stamped(new.type, new.meta),
        )
        return Event(*named, new.body, body_hash, link(previous, envelope(*named), body_hash))

    # One claim

    def _claim(self, claim: Claim) -> Result:
        known = self._known(claim)
        if known is not None:
            return known
        tenant, agent = claim.tenant, claim.agent
        own = pushed(
            agent,
            self.stage.get(STREAMS, tenant, agent),
            lambda number: self.stage.get(ENTRIES, tenant, entry_key(agent, number)),
            lambda issue: self.stage.get(ISSUES, tenant, issue),
        )
        row = own.issue or self._head(claim)
        if row is None:
            return None
        job = claim.job_id
        while row.job is None and self._version(claim.tenant, job):  # with 8 digits, two of many draw the same
            job = self._engine.ids.job()
        events = decide_claim(
            row,
            agent=claim.agent,
            lease_id=claim.lease_id,
            job_id=job,
            seconds=claim.lease_seconds,
            provider=claim.provider,
            entry=own.entry,
            skipped=own.skipped,
        )
        due = self.at + claim.lease_seconds * 1_000_000
        return self._append(claim, events, (Timer(f"lease:{claim.lease_id}", due, lease_payload(row.stream, row.fence + 1)),))

    def _head(self, claim: Claim) -> IssueRow | None:
        """The queue's head, which no other claim of the batch gets then."""
        waiting = next(self._queue(claim.tenant, claim.pool), None)
        if waiting is None:
            return None
        row = self.stage.get(ISSUES, claim.tenant, waiting.stream)
        if row is None:
            raise VersionConflict(f"the queue names {waiting.stream}, which is not an issue")
        return row

    def _queue(self, tenant: str, pool: str) -> Iterator[QueueRow]:
        """Eligible rows by rank, then by age, read once a batch: after the units, claims alone change the queue."""
        rows = self._queues.get((tenant, pool))
        if rows is None:
            rows = self._queues[tenant, pool] = iter(self._eligible(tenant, pool))
        return rows

    def _eligible(self, tenant: str, pool: str) -> list[QueueRow]:
        """The database's head of the queue, corrected by what this batch changed."""
        changed = {key: row for (t, name, key), row in self.stage.rows.items() if name == QUEUE.name and t == tenant}
        found = self._backend.select(
            Query(
                QUEUE,
                tenant,
                (("ready", "=", 1), ("pool", "=", pool), ("not_before", "<=", self.at)),
                ("rank", "queued_sequence"),
                limit=self._claims + len(changed),
            )
        )
        eligible = [row for key, row in found if key not in changed]
        eligible += [r for r in changed.values() if r is not None and r.ready and r.pool == pool and r.not_before <= self.at]
        return sorted(eligible, key=lambda r: (r.rank, r.queued_sequence))

    # Layered reads

    def _version(self, tenant: str, stream: str) -> int:
        staged = self.staged.versions.get((tenant, stream))
        return self._engine.version(tenant, stream) if staged is None else staged

    def _sequence(self, tenant: str) -> int:
        staged = self.staged.sequences.get(tenant)
        return self._engine.sequence(tenant) if staged is None else staged

    def _cursor(self, name: str) -> int:
        staged = self.staged.cursors.get(name)
        return self._backend.cursor(name) if staged is None else staged

    def _timer(self, tenant: str, key: str) -> Timer | None:
        if (tenant, key) in self.staged.timers:
            return self.staged.timers[tenant, key]
        return self._backend.timer(tenant, key)
