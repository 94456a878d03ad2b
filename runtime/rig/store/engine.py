"""The engine of the log: has each batch decided, writes it once, and remembers what the next one will ask for.

Runs on the writer's thread alone and knows no event loop, no file and no SQL: a ``Backend`` does that.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from rig.clock import Clock
from rig.ids import Ids
from rig.model.tables import ISSUES
from rig.store.backend import Backend, RowKey
from rig.store.batch import BatchRun, Result
from rig.store.faults import Unsettled
from rig.store.port import Batch
from rig.store.stage import Lru
from rig.store.units import Claim, Unit


class Engine:
    """Turns waiting units and claims into one written batch."""

    def __init__(self, backend: Backend, clock: Clock, ids: Ids, *, cached_rows: int = 20_000) -> None:
        self.backend = backend
        self.clock = clock
        self.ids = ids
        end = backend.end()
        self.position, self.hash, self.at = end.position, end.hash, end.at
        self.rows: Lru[RowKey, Any] = Lru(cached_rows)
        self._versions: Lru[tuple[str, str], int] = Lru(2 * cached_rows)
        self._sequences: dict[str, int] = {}
        self._stale = False
        """Set after a failure: the end is read again before the next batch."""
        self._doubted: tuple[Unsettled, Batch] | None = None

    @property
    def doubted(self) -> bool:
        """Whether it is not known yet if the last batch was stored."""
        return self._doubted is not None

    def settle(self) -> Batch | None:
        """The batch in doubt, if it was stored after all; None when there is none. Raises what the backend raises."""
        if self._doubted is None:
            return None
        doubt, batch = self._doubted
        stored = doubt.look()
        self._doubted = None
        return batch if stored else None

    def forget(self) -> None:
        """Drop what is cached; after a failure of the database nothing remembered is trusted."""
        self.rows.clear()
        self._versions.clear()
        self._sequences.clear()
        self._stale = True

    def _refresh(self) -> None:
        end = self.backend.end()
        self.position, self.hash, self.at = end.position, end.hash, max(end.at, self.at)
        self._stale = False

    def run(self, work: Sequence[Unit | Claim]) -> tuple[list[Result], Batch]:
        """Decide, write and adopt a batch. Raises what the backend raises; then nothing of it is stored, or, for Unsettled,
        ``settle`` tells later."""
        if self._stale:
            self._refresh()
        run = BatchRun(self)
        results = run.decide(work)
        batch = Batch(
            events=tuple(run.staged.events),
            rows=run.staged.rows,
            timers_changed=bool(run.staged.timers),
            next_timer=min((t.due for t in run.staged.timers.values() if t is not None and t.due is not None), default=None),
        )
        if run.staged:
            try:
                self.backend.write(run.staged)
            except Unsettled as doubt:
                self._doubted = (doubt, batch)
                raise
        self._adopt(run)
        return results, batch

    def _adopt(self, batch: BatchRun) -> None:
        self.position, self.hash, self.at = batch.position, batch.hash, batch.at
        self._versions.update(batch.staged.versions)
        self._versions.trim()
        self._sequences.update(batch.staged.sequences)
        batch.stage.adopt()

    def version(self, tenant: str, stream: str) -> int:
        found = self._versions.get((tenant, stream))
        if found is None:
            found = self._versions[tenant, stream] = self.backend.versions(tenant, (stream,))[stream]
        return found

    def look_up(self, streams: Mapping[str, set[str]]) -> None:
        """Read what a batch will ask for of these streams, by tenant, in one go: versions, and the rows of issues."""
        for tenant, names in streams.items():
            unknown = [name for name in names if (tenant, name) not in self._versions]
            if not unknown:
                continue
            versions = self.backend.versions(tenant, unknown)
            self._versions.update(((tenant, name), version) for name, version in versions.items())
            known = [name for name in unknown if versions[name]]
            rows = self.backend.found(ISSUES, tenant, known) if known else {}
            for name in unknown:
                self.rows.setdefault((tenant, ISSUES.name, name), rows.get(name))

    def sequence(self, tenant: str) -> int:
        found = self._sequences.get(tenant)
        if found is None:
            found = self._sequences[tenant] = self.backend.sequence(tenant)
        return found
