"""The store in memory: the readable specification of what the others do on disk."""

import operator
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any

from rig.clock import Clock, Micros
from rig.ids import Ids
from rig.model.events import Event
from rig.model.tables import BY_NAME, Query, R, Since, Table
from rig.store.backend import Answered, End, Staged
from rig.store.chain import GENESIS
from rig.store.log import Log
from rig.store.port import Snapshot
from rig.store.units import Outcome, Timer

_TOO_BIG = 2**63
"""Columns hold 64 bits in every other store, and so here."""

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": lambda value, among: value in among,
}


def _nulls_first(value: Any) -> tuple[bool, Any]:
    return (False, 0) if value is None else (True, value)


def _columns(table: Table[Any], row: Any) -> dict[str, Any]:
    return dict(zip([name for name, _ in table.columns], table.extract(row), strict=True))


class MemoryBackend:
    """Plain dicts behind one lock; a snapshot holds the lock, so it must be short."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.events: list[Event] = []
        self.rows: dict[tuple[str, str], dict[str, Any]] = {}
        """(tenant, table) to key to row."""
        self.heads: dict[tuple[str, str], int] = {}
        self.sequences: dict[str, int] = {}
        self.timers: dict[tuple[str, str], Timer] = {}
        self.cursors: dict[str, int] = {}
        self.answers: dict[str, Answered] = {}

    def end(self) -> End:
        last = self.events[-1] if self.events else None
        return End(last.position, last.hash, last.at) if last else End(0, GENESIS, 0)

    def sequence(self, tenant: str) -> int:
        return self.sequences.get(tenant, 0)

    def versions(self, tenant: str, streams: Sequence[str]) -> Mapping[str, int]:
        return {stream: self.heads.get((tenant, stream), 0) for stream in streams}

    def row(self, table: Table[R], tenant: str, key: str) -> R | None:
        return self.rows.get((tenant, table.name), {}).get(key)

    def found(self, table: Table[R], tenant: str, keys: Sequence[str]) -> Mapping[str, R]:
        rows = self.rows.get((tenant, table.name), {})
        return {key: rows[key] for key in keys if key in rows}

    def scan(self, table: Table[R], tenant: str, prefix: str) -> Iterable[tuple[str, R]]:
        rows = self.rows.get((tenant, table.name), {})
        return [(key, rows[key]) for key in sorted(rows) if key.startswith(prefix)]

    def select(self, query: Query[R]) -> list[tuple[str, R]]:
        found = self._matching(query)
        return found[query.offset : query.offset + query.limit]

    def _matching(self, query: Query[R]) -> list[tuple[str, R]]:
        found: list[tuple[str, R, dict[str, Any]]] = []
        for key, row in self.rows.get((query.tenant, query.table.name), {}).items():
            columns = _columns(query.table, row)
            if query.after_key is not None and key <= query.after_key:
                continue
            if all(columns[n] is not None and _COMPARE[op](columns[n], value) for n, op, value in query.where):
                found.append((key, row, columns))
        found.sort(key=lambda item: item[0], reverse=bool(query.order) and query.order[-1].startswith("-"))
        for column in reversed(query.order):
            name = column.removeprefix("-")
            found.sort(key=lambda item, n=name: _nulls_first(item[2][n]), reverse=column.startswith("-"))  # type: ignore[misc]
        return [(key, row) for key, row, _ in found]

    def outcomes(self, scopes: Sequence[str]) -> Mapping[str, Answered]:
        return {scope: self.answers[scope] for scope in scopes if scope in self.answers}

    def timer(self, tenant: str, key: str) -> Timer | None:
        return self.timers.get((tenant, key))

    def cursor(self, name: str) -> int:
        return self.cursors.get(name, 0)

    def write(self, staged: Staged) -> None:
        due = [timer.due for timer in staged.timers.values() if timer is not None]
        columns = [BY_NAME[name].extract(row) for (_, name, _), row in staged.rows.items() if row is not None]
        if any(isinstance(value, int) and not -_TOO_BIG <= value < _TOO_BIG for value in chain(due, *columns)):
            raise OverflowError("a number does not fit into 64 bits")
        with self.lock:
            self.events.extend(staged.events)
            for (tenant, name, key), row in staged.rows.items():
                rows = self.rows.setdefault((tenant, name), {})
                if row is None:
                    rows.pop(key, None)
                else:
                    rows[key] = row
            self.heads.update(staged.versions)
            self.sequences.update(staged.sequences)
            self.cursors.update(staged.cursors)
            self.answers.update(staged.answers)
            for place, timer in staged.timers.items():
                if timer is None:
                    self.timers.pop(place, None)
                else:
                    self.timers[place] = timer


class MemorySnapshot:
    """``rig.store.port.Snapshot`` over the dicts."""

    def __init__(self, backend: MemoryBackend) -> None:
        self._b = backend

    @property
    def position(self) -> int:
        return len(self._b.events)

    def tenants(self) -> list[str]:
        return sorted(self._b.sequences)

    def as_of(self, tenant: str) -> int:
        return self._b.sequence(tenant)

    def get(self, table: Table[R], tenant: str, key: str) -> R | None:
        return self._b.row(table, tenant, key)

    def found(self, table: Table[R], tenant: str, keys: Sequence[str]) -> Mapping[str, R]:
        return self._b.found(table, tenant, keys)

    def page(self, query: Query[R]) -> list[tuple[str, R]]:
        return self._b.select(query)

    def count(self, query: Query[Any]) -> int:
        return len(self._b._matching(query))

    def totals(self, query: Query[Any], by: tuple[str, ...], since: Since | None = None) -> list[tuple[Any, ...]]:
        groups: dict[tuple[Any, ...], list[int]] = {}
        before = {} if since is None else self._before(query.tenant, since)
        for _, row in self._b._matching(query):
            columns = _columns(query.table, row)
            past = before.get(columns["opened"], {}) if since else {}
            sums = groups.setdefault(tuple(columns[name] for name in by), [0] * len(query.table.sums))
            for place, name in enumerate(query.table.sums):
                sums[place] += columns[name] - (past[f"{since.prefix}{name}"] if since and past else 0)
        return [(*group, *sums) for group, sums in groups.items()]

    def _before(self, tenant: str, since: Since) -> dict[int, dict[str, Any]]:
        """The newest change of each total before the instant, by when it was opened."""
        found: dict[int, dict[str, Any]] = {}
        account, lines = f"{since.prefix}account", f"{since.prefix}lines"
        for row in self._b.rows.get((tenant, since.history.name), {}).values():
            columns = _columns(since.history, row)
            known = found.get(columns[account])
            if columns["at"] < since.at and (known is None or known[lines] < columns[lines]):
                found[columns[account]] = columns
        return found

    def stream(self, tenant: str, stream: str, after_version: int = 0, limit: int | None = None) -> list[Event]:
        found = [e for e in self._b.events if e.tenant == tenant and e.stream == stream and e.version > after_version]
        return found if limit is None else found[:limit]

    def stream_version(self, tenant: str, stream: str) -> int:
        return self._b.heads.get((tenant, stream), 0)

    def events(self, tenant: str, after_sequence: int, limit: int) -> list[Event]:
        return [e for e in self._b.events if e.tenant == tenant and e.sequence > after_sequence][:limit]

    def log(self, after_position: int, limit: int) -> list[Event]:
        return self._b.events[after_position : after_position + limit]

    def outcome(self, scope: str) -> tuple[bytes, Outcome] | None:
        found = self._b.answers.get(scope)
        return None if found is None else (found.digest, found.outcome)

    def timers(self, due_before: Micros, limit: int) -> list[tuple[str, Timer]]:
        due = [(t.due or 0, tenant, t) for (tenant, _), t in self._b.timers.items() if (t.due or 0) <= due_before]
        return [(tenant, timer) for _, tenant, timer in sorted(due, key=lambda d: (d[0], d[1], d[2].key))[:limit]]

    def timer(self, tenant: str, key: str) -> Timer | None:
        return self._b.timer(tenant, key)

    def next_due(self) -> Micros | None:
        return min((t.due for t in self._b.timers.values() if t.due is not None), default=None)

    def cursor(self, name: str) -> int:
        return self._b.cursor(name)


class _MemoryReader:
    gives_way = 0.0

    def __init__(self, backend: MemoryBackend) -> None:
        self._backend = backend

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        with self._backend.lock:
            yield MemorySnapshot(self._backend)

    def get(self, table: Table[R], tenant: str, key: str) -> R | None:
        with self._backend.lock:
            return self._backend.row(table, tenant, key)

    async def run(self, job: Callable[[Snapshot], Any]) -> Any:
        with self.snapshot() as snapshot:
            return job(snapshot)

    def close(self) -> None:
        return None


def open_memory(*, clock: Clock | None = None, ids: Ids | None = None, backend: MemoryBackend | None = None) -> Log:
    """An empty store in memory, for tests and for ``--store memory``; call it on a running event loop."""
    backend = backend or MemoryBackend()
    return Log(backend, _MemoryReader(backend), clock=clock, ids=ids)
