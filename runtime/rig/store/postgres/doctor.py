"""Checking a store on PostgreSQL without changing a byte of it: server, head, chain, read models."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg

from rig.errors import RigError
from rig.store.doctor import Finding
from rig.store.postgres import guard, schema
from rig.store.postgres.connection import Server, Session, said
from rig.store.postgres.reader import BEGIN
from rig.store.postgres.rebuild import digests, folds_differ, read_log
from rig.store.postgres.verify import check_head, first_break
from rig.store.rebuild import Digest, folded


def examine(url: str) -> Iterator[Finding]:
    """All checks of a store, in order; a failed one does not end the others."""
    try:
        server = Server(url)
        session = server.connect()
    except RigError as error:
        yield Finding("fail", "store", error.message)
        return
    except psycopg.Error as error:
        yield Finding("fail", "store", f"{server.shown} cannot be reached: {said(error)}")
        return
    try:
        yield from _server(session, server)
        if not schema.has_log(session):
            yield Finding("ok", "store", f"there is no store yet in {server.shown}")
            return
        schema.missing(session)
        yield from _log(session)
    except RigError as error:
        yield Finding("fail", "store", error.message)
    except psycopg.Error as error:
        yield Finding("fail", "store", f"PostgreSQL: {said(error)}")
    finally:
        session.close()


def _server(session: Session, server: Server) -> Iterator[Finding]:
    schema.check_server(session)
    found = session.one("SELECT current_setting('server_version'), current_setting('fsync'), current_setting('data_checksums')")
    version, fsync, checksums = found or ("", "", "")
    yield Finding("ok", "postgresql", f"{version}, {server.shown}")
    if fsync != "on":
        yield Finding("warn", "fsync", "off: a crash of the server's machine loses what was acknowledged")
    if checksums != "on":
        yield Finding("warn", "checksums", "off: damaged pages are told by the log's chain alone; see pg_checksums --enable")
    who = guard.holder(session)
    yield Finding("ok", "owner", f"{who} serves from it" if who else "no daemon is running")


def _log(session: Session) -> Iterator[Finding]:
    head = session.one("SELECT position FROM head")
    end = head[0] if head else 0
    # Beside a running daemon events are added between two statements, so only a store without one is compared with its head.
    broken = (None if guard.holder(session) else check_head(session)) or first_break(session, 0, end)
    if broken is not None:
        yield Finding("fail", "chain", f"damaged at sequence {broken.sequence}: {broken.why}", broken.sequence)
        return
    yield Finding("ok", "chain", f"{end} events, every hash follows from the one before")
    if folds_differ(session):
        yield Finding("ok", "read models", "made by another version of Rig; the next start folds them again")
        return
    found, wanted = compare(session)
    for stored, again in zip(found, wanted, strict=True):
        if stored != again:
            yield Finding("fail", "read models", f"{stored.table} is not what the log says; run `rig rebuild`")
    if found == wanted:
        yield Finding("ok", "read models", f"{len(found)} tables are what the log says")


def compare(session: Session) -> tuple[list[Digest], list[Digest]]:
    """The hashes of the read models as they stand and as the log says, of one moment."""
    session.run(BEGIN)
    with tempfile.TemporaryDirectory() as scratch:
        wanted = folded(read_log(session), Path(scratch) / "fold.db")
    found = digests(session)
    session.run("ROLLBACK")
    return found, wanted
