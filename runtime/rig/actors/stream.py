"""Turns: how the actor of one stream decides many messages at once and commits them together, only ever on the truth."""

from asyncio import CancelledError, Task
from contextvars import Context as Variables
from typing import Any, Final

import msgspec

from rig.actors.base import RigActor
from rig.actors.future import RigFuture
from rig.actors.kind import Ask, Host, Kind, provisional, unit
from rig.errors import AlreadyExists, Draining, IdempotencyReuse, OutcomeUnknown, RigError, VersionConflict
from rig.model.call import Call
from rig.model.decide.base import Context
from rig.store.units import Committed, Unit

MAX_TRIES = 5
"""How often a command is decided again because others moved the stream on."""

MAX_UNITS = 256
"""Units of one turn; what a fast decide can do in a slice must still fit a group commit."""

_UNSET: Final = object()


class _Step:
    """A message within a turn, with what became of it so far: a unit, or a result that needs no commit."""

    __slots__ = ("ask", "redo", "reply", "result", "tries", "unit", "variables")

    def __init__(self, ask: Ask, reply: RigFuture | None, variables: Variables) -> None:
        self.ask = ask
        self.reply = reply
        self.variables = variables
        self.tries = 0
        self.redo = False
        self.unit: Unit | None = None
        self.result: Committed | RigError | None = None


class StreamActor(RigActor):
    """The one who decides the commands of a stream.

    Its state is the stream's row with the stream's version; both are read when a message comes and dropped when anything
    makes them doubtful. A turn decides each waiting message on the state as the message before left it, submits a unit each
    in one group commit and answers after it. When a unit fails, what was decided after it was decided on a state that never
    came to be, so it is decided again on a fresh reading. A refusal counts only on a state that was checked.
    """

    def __init__(self, host: Host, kind: Kind[Any], tenant: str, key: str) -> None:
        self.host = host
        self.kind = kind
        self.tenant = tenant
        self.key = key
        self._row: Any = None
        self._version: int | None = None  # None: the state must be read
        self._again: list[_Step] = []
        self._turn: Task[None] | None = None
        self._heard_version = 0
        self._heard_row: Any = _UNSET
        super().__init__(host.dispatcher, f"{kind.name}:{tenant}:{key}", host.on_fault, host.inbox_limit)

    @property
    def busy(self) -> bool:
        return self._turn is not None or bool(self._again) or super().busy

    @property
    def turn(self) -> Task[None] | None:
        """The turn that waits for its commit, None when the actor rests."""
        return self._turn

    def hear(self, version: int, row: Any = _UNSET) -> None:
        """Told of what the log says of this stream: a version that it reached, or the row as it is now.

        Facts of others are noticed here; its own come along too and change nothing.
        """
        if self._turn is not None:
            self._heard_version = max(self._heard_version, version)
            self._heard_row = self._heard_row if row is _UNSET else row
        elif self._version is not None and (version > self._version or (row is not _UNSET and row != self._row)):
            self._forget()

    def close(self) -> None:
        """Answer Draining to all that waits and take nothing more; a turn under way ends with its commit."""
        self._stop()
        self._actor_loop_teardown()

    def on_failure(self, exception_type: Any, exception_value: Any, traceback: Any) -> None:
        self._forget()

    def _forget(self) -> None:
        self._row, self._version = None, None

    def _load(self) -> bool:
        """Read the state; whether it is another than before."""
        before = (self._version, self._row)
        with self.host.store.snapshot() as snapshot:
            self._row = snapshot.get(self.kind.table, self.tenant, self.key)
            self._version = snapshot.stream_version(self.tenant, self.key)
        return before != (self._version, self._row)

    # A turn, first half: decide.

    def run(self, end: float) -> None:
        if self._turn is not None:
            return
        plan: list[_Step] = []
        units: list[Unit] = []
        while (step := self._next()) is not None:
            if not step.variables.run(self._take, step, units):
                self._again.insert(0, step)
                break
            plan.append(step)
            if step.unit is not None:
                units.append(step.unit)
            # After a fault there is no state to go on from until this turn's units are in the log.
            if self._version is None or self.dispatcher.timer() >= end or len(units) == MAX_UNITS:
                break
        if units:
            self._heard_version, self._heard_row = 0, _UNSET
            self._turn = self.dispatcher.loop.create_task(self._commit(plan, units))
        else:
            self._settle(plan, [])

    def _next(self) -> _Step | None:
        if self._again:
            return self._again.pop(0)
        letters = self.actor_inbox.letters
        while letters:
            envelope, variables = letters.popleft()
            if isinstance(envelope.message, Ask):
                reply = envelope.reply_to
                assert reply is None or isinstance(reply, RigFuture)
                return _Step(envelope.message, reply, variables)
            variables.run(self._handle, envelope)
            if self.actor_stopped.is_set():
                self._actor_loop_teardown()
        return None

    def _take(self, step: _Step, units: list[Unit]) -> bool:
        """Decide a message; False if it must wait for the end of this turn.

        What was refused or failed without doubt is answered here and leaves neither unit nor result.
        """
        step.unit, step.result = None, None
        try:
            if step.redo:  # one repeat in a turn spoils what is behind it; a turn of repeats must not do so one by one
                step.result = self._replay(step.ask.call)
                if step.result is not None:
                    return True
            fresh = self._version is None and self._load()
            try:
                step.unit = self._decide(step.ask, follows=bool(units))
            except RigError:
                if units or fresh or not self._load():
                    raise
                step.unit = self._decide(step.ask, follows=False)
        except RigError as refusal:
            scope = step.ask.call.idempotency_scope
            if scope is not None and any(u.idempotency and u.idempotency.scope == scope for u in units):
                return False
            try:
                step.result = self._replay(step.ask.call) or refusal
            except Exception as error:  # noqa: BLE001  # answered, and told as a fault
                self._refuse(step.reply, error)
        except BaseException as error:  # noqa: BLE001  # answered, and told as a fault
            self._refuse(step.reply, error)
        return True

    def _decide(self, ask: Ask, follows: bool) -> Unit:
        version, row = self._version, self._row
        assert version is not None
        if ask.expected_version is not None and ask.expected_version != version:
            raise VersionConflict(
                f"{self.key} is at version {version}, not {ask.expected_version}",
                current_version=version,
                expected_version=ask.expected_version,
            )
        host, call = self.host, ask.call
        now = host.clock.now()
        decision = self.kind.decide(row, ask.command, Context(self.key, now, host.ids, call, host.config_version()))
        expect = {**decision.extra_expect, self.key: version}
        for new in decision.events:
            if new.stream == self.key:
                version += 1
                row = self.kind.fold(row, provisional(new, call, version, now))
        self._row, self._version = row, version
        return unit(ask, decision, expect, follows)

    def _replay(self, call: Call) -> Committed | None:
        """The first answer to this very request, which may well have brought about the state that now refuses it (I3)."""
        if call.idempotency_scope is None:
            return None
        with self.host.store.snapshot() as snapshot:
            known = snapshot.outcome(call.idempotency_scope)
        if known is None:
            return None
        digest, outcome = known
        if digest != call.idempotency_digest:
            raise IdempotencyReuse
        return Committed(events=(), at=self.host.clock.now(), rows={}, outcome=outcome, replayed=True)

    # Second half: commit, answer, go on from the truth.

    async def _commit(self, plan: list[_Step], units: list[Unit]) -> None:
        results: list[Committed | BaseException] = []
        try:
            results.extend(await self.host.store.commit_many(units))
        except CancelledError:
            results = [OutcomeUnknown() for _ in units]
        except BaseException as error:  # noqa: BLE001  # answered, and told as a fault
            results = [error for _ in units]
        finally:
            self._turn = None
            self._settle(plan, results)

    def _settle(self, plan: list[_Step], results: list[Committed | BaseException]) -> None:
        """Answer each message of a turn, or keep it to be decided again, in order; adopt the new state, or forget it."""
        true = True
        done = iter(results)
        again: list[_Step] = []
        for step in plan:
            result = step.result if step.unit is None else next(done)
            if result is None:
                continue
            moved_on = step.unit is not None and isinstance(result, (VersionConflict, AlreadyExists))
            refused = step.unit is None and isinstance(result, RigError)
            doubtful = not true and (moved_on or refused)  # decided on a state that never came to be
            raced = not doubtful and moved_on and step.ask.expected_version is None and step.tries < MAX_TRIES
            if doubtful or raced:
                step.tries += raced  # the first that fails is answered or counted, so those behind it come to their turn
                step.redo = True
                again.append(step)
            elif isinstance(result, Committed):
                self._answer(step, result)
            else:
                self._refuse(step.reply, result)
            if step.unit is not None:
                true = true and isinstance(result, Committed) and not result.replayed
        if results:
            self._adopt([r for r in results if isinstance(r, Committed)] if true else None)
        self._again[:0] = again
        if self.actor_stopped.is_set():
            self._actor_loop_teardown()
        elif self._again or self.actor_inbox.letters:
            self.actor_inbox.wake()

    def _answer(self, step: _Step, committed: Committed) -> None:
        if step.reply is None:
            return
        try:
            answer = step.unit.outcome if step.unit is not None else None
            if answer is not None and committed.outcome is None:
                committed = msgspec.structs.replace(committed, outcome=answer(committed))
        except BaseException as error:  # noqa: BLE001  # answered, and told as a fault
            self._refuse(step.reply, error)
        else:
            step.reply.set(committed)

    def _adopt(self, commits: list[Committed] | None) -> None:
        """Go on from the rows of a turn that went through whole; anything else, or a word of others, means to read anew."""
        if commits is None or self._version is None:
            self._forget()
            return
        written = _UNSET
        for committed in commits:
            written = committed.rows.get((self.kind.table.name, self.key), written)
        own = any(event.stream == self.key for committed in commits for event in committed.events)
        row = self._row if written is _UNSET else written
        heard = self._heard_version > self._version or (self._heard_row is not _UNSET and self._heard_row != row)
        if heard or (own and written is _UNSET):
            self._forget()
        else:
            self._row = row

    def _actor_loop_teardown(self) -> None:
        super()._actor_loop_teardown()
        while self._again:
            self._refuse(self._again.pop(0).reply, Draining())
