"""Rows in layers: what a unit changed, over what its batch changed, over a cache, over the database."""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, TypeVar

from rig.model.tables import R, Table
from rig.store.backend import Backend, RowKey

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


class RowStage:
    """The rows that a batch sees and changes; ``cache`` outlives batches and holds committed rows only."""

    def __init__(self, backend: Backend, cache: Lru[RowKey, Any]) -> None:
        self._backend = backend
        self._cache = cache
        self.rows: dict[RowKey, Any | None] = {}

    def get(self, table: Table[R], tenant: str, key: str) -> R | None:
        name: RowKey = (tenant, table.name, key)
        found: Any = self.rows.get(name, _MISSING)
        if found is _MISSING:
            found = self._cache.get(name, _MISSING)
            if found is _MISSING:
                found = self._cache[name] = self._backend.row(table, tenant, key)
            else:
                self._cache.move_to_end(name)
        return found  # type: ignore[no-any-return]

    def scan(self, table: Table[R], tenant: str, prefix: str) -> dict[str, R]:
        found = dict(self._backend.scan(table, tenant, prefix))
        for (row_tenant, name, key), row in self.rows.items():
            if name == table.name and row_tenant == tenant and key.startswith(prefix):
                if row is None:
                    found.pop(key, None)
                else:
                    found[key] = row
        return found

    def adopt(self) -> None:
        """After the commit: what was staged is the truth now."""
        self._cache.update(self.rows)
        self._cache.trim()
        self.rows = {}


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
        found: dict[str, Any] = dict(self._stage.scan(table, self._tenant, prefix))
        for (_, name, key), row in self.changed.items():
            if name == table.name and key.startswith(prefix):
                if row is None:
                    found.pop(key, None)
                else:
                    found[key] = row
        return iter(sorted(found.items()))

    def accept(self) -> None:
        """The unit holds: its changes become the batch's."""
        self._stage.rows.update(self.changed)
