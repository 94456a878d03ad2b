"""What is read of a store on PostgreSQL, on one session: by readers inside a transaction, by the writer outside of one."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rig.clock import Micros
from rig.model.events import Event
from rig.model.tables import Query, R, Since, Table
from rig.store.backend import Answered, End, scope_key
from rig.store.postgres.connection import Session
from rig.store.postgres.sql import select, totals, where
from rig.store.schema import model_table
from rig.store.sql import EVENT_COLUMNS, event_of, prefix_end, row_decoder, timer_of
from rig.store.units import Outcome, Timer


class PostgresSnapshot:
    """``rig.store.port.Snapshot``, and the reads of ``rig.store.backend.Backend``. Raises psycopg.Error."""

    def __init__(self, session: Session) -> None:
        self._one = session.one
        self._all = session.all

    # The log

    def end(self) -> End:
        found = self._one("SELECT position, hash, at FROM head")
        assert found is not None
        return End(*found)

    @property
    def position(self) -> int:
        return self.end().position

    def tenants(self) -> list[str]:
        return [tenant for (tenant,) in self._all("SELECT tenant FROM sequences ORDER BY tenant")]

    def as_of(self, tenant: str) -> int:
        found = self._one("SELECT sequence FROM sequences WHERE tenant = %s", tenant)
        return found[0] if found else 0

    def versions(self, tenant: str, streams: Sequence[str]) -> Mapping[str, int]:
        return dict(
            self._all(
                """SELECT name, coalesce((SELECT max(version) FROM events WHERE tenant = %s AND stream = name), 0)
                FROM unnest(%s::text[]) AS name""",
                tenant,
                list(streams),
            )
        )

    def stream(self, tenant: str, stream: str, after_version: int = 0, limit: int | None = None) -> list[Event]:
        return self._events(
            "tenant = %s AND stream = %s AND version > %s ORDER BY version LIMIT %s::bigint",
            tenant,
            stream,
            after_version,
            limit or None,
        )

    def stream_version(self, tenant: str, stream: str) -> int:
        return self.versions(tenant, (stream,))[stream]

    def events(self, tenant: str, after_sequence: int, limit: int) -> list[Event]:
        return self._events("tenant = %s AND sequence > %s ORDER BY sequence LIMIT %s", tenant, after_sequence, limit)

    def log(self, after_position: int, limit: int) -> list[Event]:
        return self._events("position > %s ORDER BY position LIMIT %s", after_position, limit)

    def _events(self, condition: str, *arguments: Any) -> list[Event]:
        return [event_of(r) for r in self._all(f"SELECT {EVENT_COLUMNS} FROM events WHERE {condition}", *arguments)]

    # Read models

    def get(self, table: Table[R], tenant: str, key: str) -> R | None:
        found = self._one(f"SELECT doc FROM {model_table(table.name)} WHERE tenant = %s AND key = %s", tenant, key)
        return row_decoder(table.row).decode(found[0]) if found else None

    def found(self, table: Table[R], tenant: str, keys: Sequence[str]) -> Mapping[str, R]:
        decode = row_decoder(table.row).decode
        sql = f"SELECT key, doc FROM {model_table(table.name)} WHERE tenant = %s AND key = ANY(%s::text[])"
        return {key: decode(doc) for key, doc in self._all(sql, tenant, list(keys))}

    def scan(self, table: Table[R], tenant: str, prefix: str) -> Iterable[tuple[str, R]]:
        decode = row_decoder(table.row).decode
        sql = f"SELECT key, doc FROM {model_table(table.name)} WHERE tenant = %s AND key >= %s AND key < %s ORDER BY key"
        return [(key, decode(doc)) for key, doc in self._all(sql, tenant, prefix, prefix_end(prefix))]

    def page(self, query: Query[R]) -> list[tuple[str, R]]:
        sql, arguments = select(query)
        decode = row_decoder(query.table.row).decode
        return [(key, decode(doc)) for key, doc in self._all(sql, *arguments)]

    def count(self, query: Query[Any]) -> int:
        condition, arguments = where(query)
        found = self._one(f"SELECT count(*) FROM {model_table(query.table.name)} WHERE {condition}", *arguments)
        return found[0] if found else 0

    def totals(self, query: Query[Any], by: tuple[str, ...], since: Since | None = None) -> list[tuple[Any, ...]]:
        sql, arguments = totals(query, by, since)
        return self._all(sql, *arguments)

    # What else a unit changes

    def outcomes(self, scopes: Sequence[str]) -> Mapping[str, Answered]:
        keys = {scope_key(scope): scope for scope in scopes}
        sql = "SELECT scope, digest, status, body, at FROM answers WHERE scope = ANY(%b::bytea[])"
        return {
            keys[key]: Answered(digest, Outcome(status, body), at)
            for key, digest, status, body, at in self._all(sql, list(keys))
        }

    def outcome(self, scope: str) -> tuple[bytes, Outcome] | None:
        found = self.outcomes((scope,)).get(scope)
        return (found.digest, found.outcome) if found else None

    def timer(self, tenant: str, key: str) -> Timer | None:
        found = self._one("SELECT key, due, payload FROM timers WHERE tenant = %s AND key = %s", tenant, key)
        return timer_of(*found) if found else None

    def timers(self, due_before: Micros, limit: int) -> list[tuple[str, Timer]]:
        found = self._all(
            "SELECT tenant, key, due, payload FROM timers WHERE due <= %s ORDER BY due, tenant, key LIMIT %s",
            due_before,
            limit,
        )
        return [(tenant, timer_of(key, due, payload)) for tenant, key, due, payload in found]

    def next_due(self) -> Micros | None:
        found = self._one("SELECT min(due) FROM timers")
        return found[0] if found else None

    def cursor(self, name: str) -> int:
        found = self._one("SELECT position FROM cursors WHERE name = %s", name)
        return found[0] if found else 0
