"""Is the log on PostgreSQL what it was? Its end compared with the ``head`` row, then walked (I6).

There is no head file here: the ``head`` row, written by the same transaction as the events, is the anchor. It tells of events
that were lost, changed or added behind the server's back, page by page as well as row by row. It cannot tell of a whole
database that was put back to an earlier day; what was acknowledged after that day is gone with it.
"""

import msgspec
import psycopg

from rig.errors import LogCorrupt
from rig.store.chain import Break, Walker
from rig.store.postgres.connection import Session, is_lost, said
from rig.store.postgres.schema import meta
from rig.store.sql import EVENT_COLUMNS, event_of
from rig.store.verify import CHUNK, ERASURES, VERIFIED_AT_START, Verified, corrupt, erased


def first_break(session: Session, after: int = 0, until: int | None = None) -> Break | None:
    """Walk the log behind position ``after`` (0: all of it); the first break, None when there is none.

    On a session that is in no transaction, since a page that cannot be read would end one. Raises psycopg.Error when the
    server cannot be asked.
    """
    known = _erasures(session)
    walker = Walker(erased=known)
    if after:
        found = session.one("SELECT hash FROM events WHERE position = %s", after)
        if found is None:
            return _at(session, after, f"position {after} is missing")
        walker = Walker(after, found[0], whole=False, erased=known)
    while until is None or walker.position < until:
        try:
            rows = session.all(
                f"SELECT {EVENT_COLUMNS} FROM events WHERE position > %s ORDER BY position LIMIT %s", walker.position, CHUNK
            )
        except psycopg.Error as error:
            if is_lost(error):
                raise
            return _bisect(session, walker, said(error))
        if not rows:
            return None
        broken = walker.walk(map(event_of, rows))
        if broken is not None:
            return broken
    return None


def check_head(session: Session) -> Break | None:
    """Compare the log's end with the ``head`` row; both are of one transaction, so nothing excuses a difference."""
    head = session.one("SELECT position, hash FROM head")
    last = session.one("SELECT position, hash FROM events ORDER BY position DESC LIMIT 1") or (0, bytes(32))
    if head is None:
        return Break(1, 1, "the head of the log is gone")
    if last[0] != head[0]:
        first = min(last[0], head[0]) + 1
        return first_break(session) or _at(session, first, f"the log ends at {last[0]}, its head says {head[0]}")
    if last[1] != head[1]:
        return first_break(session) or _at(session, head[0], "the log's end is not the one its head names")
    return None


def check(session: Session) -> Verified:
    """What ``rig serve`` checks before it opens the log. Raises LogCorrupt that names the first bad sequence."""
    try:
        broken = check_head(session)
        head = session.one("SELECT position FROM head")
        end = head[0] if head else 0
        mark = min(int(meta(session, "verified") or 0), max(0, end - VERIFIED_AT_START))
        broken = broken or first_break(session, mark)
    except psycopg.Error as error:
        if is_lost(error):
            raise
        raise LogCorrupt(f"the log cannot be read: {said(error)}; restore a backup", sequence=1) from error
    if broken is not None:
        raise damaged(broken)
    return Verified(mark, end)


def damaged(broken: Break) -> LogCorrupt:
    """The error for a break, in words for an operator."""
    return corrupt(broken, "restore a backup of the database with PostgreSQL's own tools")


def _erasures(session: Session) -> dict[tuple[str, int], bytes]:
    try:
        return erased(
            session.all(
                "SELECT tenant, body FROM events WHERE tenant IN (SELECT tenant FROM sequences) AND stream = %s", ERASURES
            )
        )
    except (psycopg.DataError, psycopg.InternalError, msgspec.DecodeError):  # damage, which the walk finds
        return {}


def _bisect(session: Session, walker: Walker, why: str) -> Break:
    """A page of this chunk cannot be read: walk it event by event to name the first one that is lost."""
    while True:
        try:
            row = session.one(f"SELECT {EVENT_COLUMNS} FROM events WHERE position = %s", walker.position + 1)
        except psycopg.Error as error:
            if is_lost(error):
                raise
            row = None
        if row is None:
            return _at(session, walker.position + 1, why)
        broken = walker.walk([event_of(row)])
        if broken is not None:
            return broken


def _at(session: Session, position: int, why: str) -> Break:
    """A break at a lost position; its sequence is one more than that of the event before."""
    try:
        found = session.one("SELECT sequence FROM events WHERE position < %s ORDER BY position DESC LIMIT 1", position)
    except psycopg.Error as error:
        if is_lost(error):
            raise
        return Break(position, position, why)
    return Break(position, found[0] + 1 if found else 1, why)
