"""Folding the log on PostgreSQL again, and the hashes of its read models: the same as of any other backend (I5)."""

from collections.abc import Iterable, Iterator

from rig.model.events import Event
from rig.model.tables import ALL, R, Table
from rig.store.postgres.backend import write_rows
from rig.store.postgres.connection import Session
from rig.store.postgres.schema import index_read_models, make_read_models, meta, model_tables, set_meta
from rig.store.postgres.snapshot import PostgresSnapshot
from rig.store.rebuild import CHUNK, Digest, FreshRows, digest, fold_chunks, uncollected
from rig.store.schema import folds_mark, model_table


class _Rows:
    """``rig.store.stage.Rows`` on a session."""

    def __init__(self, session: Session) -> None:
        self._snapshot = PostgresSnapshot(session)

    def row(self, table: Table[R], tenant: str, key: str) -> R | None:
        return self._snapshot.get(table, tenant, key)

    def scan(self, table: Table[R], tenant: str, prefix: str) -> Iterable[tuple[str, R]]:
        return self._snapshot.scan(table, tenant, prefix)


def read_log(session: Session) -> Iterator[list[Event]]:
    """The log in chunks, in order."""
    snapshot, after = PostgresSnapshot(session), 0
    while events := snapshot.log(after, CHUNK):
        yield events
        after = events[-1].position


def digests(session: Session) -> list[Digest]:
    """The hash of every read model as it stands."""
    there = model_tables(session)
    found = []
    for table in ALL:
        name = model_table(table.name)
        found.append(digest(table.name, _documents(session, name) if name in there else ()))
    return found


def _documents(session: Session, name: str) -> Iterator[tuple[str, str, bytes]]:
    after = ("", "")
    while rows := session.all(
        f"SELECT tenant, key, doc FROM {name} WHERE (tenant, key) > (%s, %s) ORDER BY tenant, key LIMIT %s", *after, CHUNK
    ):
        yield from rows
        after = rows[-1][0], rows[-1][1]


def fold_into(session: Session, chunks: Iterable[list[Event]]) -> int:
    """Fold a log into read models that are empty, inside the caller's transaction. Returns the last position."""
    return fold_chunks(FreshRows(_Rows(session)), chunks, lambda rows: write_rows(session, rows))


def refold(session: Session) -> None:
    """Make the read models anew from the log, in one transaction. The caller holds the guard."""
    session.run("BEGIN")
    try:
        make_read_models(session, indexed=False)
        with uncollected():
            fold_into(session, read_log(session))
        index_read_models(session)
        set_meta(session, "folds", folds_mark().encode())
        session.run("COMMIT")
    except BaseException:
        session.rollback()
        raise
    for name in model_tables(session):
        session.run(f'ANALYZE "{name}"')


def folds_differ(session: Session) -> bool:
    """Whether the stored read models were made by other folds than these."""
    found = meta(session, "folds")
    return found is None or found != folds_mark().encode()
