"""Rows in layers: what a unit changed, over what its batch changed, over a cache, over the database."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Any, Protocol, TypeVar

from rig.model.tables import R, Table, prefix_of
from rig.store.backend import RowKey

K = TypeVar("K")
V = TypeVar("V")
_MISSING = object()


class Lru(OrderedDict[K, V]):
    """A dict that forgets what was used longest ago once it is over ``limit``."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit

    def trim(self) -> None:
        """Forget down to the limit; called once a batch, not on every put."""
        while len(self) > self.limit:
            self.popitem(last=False)


class Rows(Protocol):
    """The committed rows under a stage; a ``Backend`` is one."""

    def row(self, table: Table[R], tenant: str, key: str) -> R | None: ...

    def scan(self, table: Table[R], tenant: str, prefix: str) -> Iterable[tuple[str, R]]: ...


class RowStage:
    """The rows that a batch sees and changes; ``cache`` outlives batches and holds committed rows only."""

    def __init__(self, rows: Rows, cache: Lru[RowKey, Any]) -> None:
        self._rows = rows
        self._cache = cache
        self.rows: dict[RowKey, Any | None] = {}
        self._scanned: dict[tuple[str, str], dict[str, dict[str, Any | None]]] = {}
        """What is staged of each table that was scanned, by (tenant, table name), then by prefix: a batch has many other rows."""

    def get(self, table: Table[R], tenant: str, key: str) -> R | None:
        name: RowKey = (tenant, table.name, key)
        found: Any = self.rows.get(name, _MISSING)
        if found is _MISSING:
            found = self._cache.get(name, _MISSING)
            if found is _MISSING:
                found = self._cache[name] = self._rows.row(table, tenant, key)
            else:
                self._cache.move_to_end(name)
        return found  # type: ignore[no-any-return]

    def scan(self, table: Table[R], tenant: str, prefix: str) -> dict[str, R]:
        if (tenant, table.name) not in self._scanned:
            self._scanned[tenant, table.name] = {}
            self._by_prefix({k: row for k, row in self.rows.items() if k[1] == table.name and k[0] == tenant})
        found = dict(self._rows.scan(table, tenant, prefix))
        for key, row in self._scanned[tenant, table.name].get(prefix, {}).items():
            if row is None:
                found.pop(key, None)
            else:
                found[key] = row
        return found

    def accept(self, changed: dict[RowKey, Any | None]) -> None:
        """Stage what a unit changed."""
        self.rows.update(changed)
        if self._scanned:
            self._by_prefix(changed)

    def _by_prefix(self, rows: dict[RowKey, Any | None]) -> None:
        for (tenant, name, key), row in rows.items():
            staged = self._scanned.get((tenant, name))
            if staged is not None:
                staged.setdefault(prefix_of(key), {})[key] = row

    def adopt(self) -> None:
        """After the commit: what was staged is the truth now."""
        self._cache.update(self.rows)
        self._cache.trim()
        self.rows = {}
        self._scanned = {}


class UnitTables:
    """What the folds of one unit see (``rig.model.tables.Tables``): thrown away whole when the unit fails."""

    def __init__(self, stage: RowStage, tenant: str) -> None:
        self._stage = stage
        self._tenant = tenant
        self.changed: dict[RowKey, Any | None] = {}

    def get(self, table: Table[R], key: str) -> R | None:
        found: Any = self.changed.get((self._tenant, table.name, key), _MISSING)
        return self._stage.get(table, self._tenant, key) if found is _MISSING else found

    def put(self, table: Table[R], key: str, row: R) -> None:
        self.changed[self._tenant, table.name, key] = row

    def delete(self, table: Table[Any], key: str) -> None:
        self.changed[self._tenant, table.name, key] = None

    def scan(self, table: Table[R], prefix: str) -> Iterator[tuple[str, R]]:
        found: dict[str, Any] = self._stage.scan(table, self._tenant, prefix)
        for (_, name, key), row in self.changed.items():
            if name == table.name and prefix_of(key) == prefix:
                if row is None:
                    found.pop(key, None)
                else:
                    found[key] = row
        return iter(sorted(found.items()))

    def accept(self) -> None:
        """The unit holds: its changes become the batch's."""
        self._stage.accept(self.changed)
