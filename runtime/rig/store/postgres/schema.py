"""The PostgreSQL schema and its migrations: applied by name, in order, once, in one transaction.

Bodies, meta and documents are ``bytea`` of canonical JSON, never ``jsonb``, which would lose their bytes. Texts are compared
with collation "C", by code point, as SQLite and Python do, so that every list has the same order on every backend.
"""

import secrets
from collections.abc import Callable
from typing import Any

from rig.errors import ConfigError, LogCorrupt, SchemaTooNew
from rig.model.tables import ALL, Table
from rig.store.chain import GENESIS
from rig.store.postgres.connection import OLDEST, SCHEMA, Session
from rig.store.schema import model_table

TEXT = 'text COLLATE "C"'

_MIGRATIONS: list[Callable[[Session], None]] = []


def _migration(step: Callable[[Session], None]) -> Callable[[Session], None]:
    _MIGRATIONS.append(step)
    return step


@_migration
def m001_log(session: Session) -> None:
    """Events, the head, sequences, timers, cursors, idempotency outcomes."""
    for statement in (
        f"""CREATE TABLE events (
            position bigint PRIMARY KEY, tenant {TEXT} NOT NULL, sequence bigint NOT NULL, stream {TEXT} NOT NULL,
            version bigint NOT NULL, type {TEXT} NOT NULL, id {TEXT} NOT NULL, at bigint NOT NULL, principal {TEXT},
            operation {TEXT}, request_id {TEXT}, meta bytea NOT NULL, body bytea NOT NULL, body_hash bytea NOT NULL,
            hash bytea NOT NULL)""",
        "CREATE UNIQUE INDEX events_stream ON events (tenant, stream, version)",
        "CREATE UNIQUE INDEX events_sequence ON events (tenant, sequence)",
        """CREATE TABLE head (
            one boolean PRIMARY KEY DEFAULT true CHECK (one), position bigint NOT NULL, hash bytea NOT NULL,
            at bigint NOT NULL, batch bytea NOT NULL) WITH (fillfactor = 10)""",
        f"CREATE TABLE sequences (tenant {TEXT} PRIMARY KEY, sequence bigint NOT NULL)",
        f"""CREATE TABLE timers (
            tenant {TEXT}, key {TEXT}, due bigint NOT NULL, payload bytea NOT NULL, PRIMARY KEY (tenant, key))""",
        "CREATE INDEX timers_due ON timers (due, tenant, key)",
        f"CREATE TABLE cursors (name {TEXT} PRIMARY KEY, position bigint NOT NULL)",
        """CREATE TABLE answers (
            scope bytea PRIMARY KEY, digest bytea NOT NULL, status integer NOT NULL, body bytea NOT NULL, at bigint NOT NULL)""",
        "CREATE INDEX answers_at ON answers (at)",
    ):
        session.run(statement)
    session.run("INSERT INTO head VALUES (true, 0, %s, 0, %s)", GENESIS, bytes(16))


@_migration
def m002_read_models(session: Session) -> None:
    """The read models. No later migration is needed for them: ``FOLDS_VERSION`` makes them anew."""
    make_read_models(session)


def make_read_models(session: Session, *, indexed: bool = True) -> None:
    """One empty table a read model, as ``rig.model.tables`` declares them, in place of those that there are."""
    for name in model_tables(session):
        session.run(f'DROP TABLE "{name}"')
    for table in ALL:
        create_read_model(session, table)
    if indexed:
        index_read_models(session)


def model_tables(session: Session) -> list[str]:
    """The tables of read models that there are."""
    found = session.all("SELECT tablename::text FROM pg_tables WHERE schemaname = %s ORDER BY 1", SCHEMA)
    return [name for (name,) in found if name.startswith(model_table(""))]


def create_read_model(session: Session, table: Table[Any]) -> None:
    """The table of one read model, without the indexes of its lists."""
    types = {"TEXT": TEXT, "INTEGER": "bigint"}
    name = model_table(table.name)
    columns = "".join(f", {column} {types[kind]}" for column, kind in table.columns)
    session.run(f"CREATE TABLE {name} (tenant {TEXT}, key {TEXT}, doc bytea NOT NULL{columns}, PRIMARY KEY (tenant, key))")


def index_read_models(session: Session) -> None:
    """The indexes of the lists; NULL sorts first there, as it does in SQLite."""
    for table in ALL:
        name = model_table(table.name)
        for columns in table.indexes:
            places = ", ".join(["tenant", *(f"{column} NULLS FIRST" for column in columns)])
            session.run(f"CREATE INDEX {name}_{'_'.join(columns)} ON {name} ({places})")


def has_log(session: Session) -> bool:
    """Whether the database holds a store."""
    found = session.one("SELECT to_regclass(%s) IS NOT NULL", f"{SCHEMA}.migrations")
    return bool(found and found[0])


def missing(session: Session) -> list[Callable[[Session], None]]:
    """The migrations that are still to come. Raises SchemaTooNew for a store with some that this Rig does not know."""
    applied = {name for (name,) in session.all("SELECT name FROM migrations")} if has_log(session) else set()
    known = {step.__name__ for step in _MIGRATIONS}
    if newer := sorted(applied - known):
        raise SchemaTooNew(f"the store was written by a newer Rig ({newer[-1]}); upgrade Rig or restore a backup")
    return [step for step in _MIGRATIONS if step.__name__ not in applied]


def check_server(session: Session) -> None:
    """Raises ConfigError when the server or the database cannot hold a store."""
    version = session.connection.info.server_version
    if version < OLDEST:
        raise ConfigError(f"PostgreSQL {version // 10000} is too old for a store: {OLDEST // 10000} or later is needed")
    found = session.one("SELECT current_setting('server_encoding'), current_database()")
    if found is not None and found[0] != "UTF8":
        raise ConfigError(f"database {found[1]} is encoded in {found[0]}; make one with: createdb -E UTF8 -T template0 NAME")


def migrate(session: Session) -> None:
    """Apply what is missing, all or nothing. Raises SchemaTooNew."""
    if not has_log(session):
        session.run("BEGIN")
        session.run(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        session.run(f"CREATE TABLE migrations (name {TEXT} PRIMARY KEY)")
        session.run(f"CREATE TABLE meta (key {TEXT} PRIMARY KEY, value bytea NOT NULL)")
        steps = list(_MIGRATIONS)
    else:
        steps = missing(session)
        session.run("BEGIN")
    for step in steps:
        step(session)
        session.run("INSERT INTO migrations VALUES (%s)", step.__name__)
    session.run("COMMIT")


def meta(session: Session, key: str) -> bytes | None:
    """A value of the store about itself: ``store_id``, ``folds``, ``verified``."""
    found = session.one("SELECT value FROM meta WHERE key = %s", key)
    return found[0] if found else None


def set_meta(session: Session, key: str, value: bytes) -> None:
    session.run("INSERT INTO meta VALUES (%s, %s) ON CONFLICT (key) DO UPDATE SET value = excluded.value", key, value)


def store_id(session: Session) -> bytes:
    """16 random bytes that tell this store from any other; drawn at the first call."""
    found = meta(session, "store_id")
    if found is None:
        found = secrets.token_bytes(16)
        set_meta(session, "store_id", found)
    if len(found) != 16:
        raise LogCorrupt("the store's identity is damaged", sequence=1)
    return found
