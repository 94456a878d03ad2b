"""Which daemon serves a store: a session's advisory lock on the very connection that writes (I28).

PostgreSQL lets go of it when the session is over and not earlier, so whoever holds it knows that nothing of a session before is
still to be committed: also not a COMMIT whose connection was lost on the way. A pooler that hands sessions round per
transaction would break that; connect to the server itself.
"""

import psycopg

from rig.errors import DataDirInUse
from rig.store.postgres.connection import Session

KEY = 0x7269672E6C6F6731
"""The lock's number, "rig.log1": one a database."""
PATIENCE_MS = 1000
"""How long to wait for a holder that is about to end (a killed daemon's session takes some milliseconds)."""

_HOLDER = """
SELECT a.pid, a.application_name, coalesce(host(a.client_addr), 'the same machine')
FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND l.classid::bigint = %s AND l.objid::bigint = %s
"""


def take(session: Session) -> None:
    """Become the one that serves the store. Raises DataDirInUse that names who does, psycopg.Error."""
    session.run(f"SET lock_timeout = {PATIENCE_MS}")
    try:
        session.one("SELECT pg_advisory_lock(%s::bigint)", KEY)
    except psycopg.errors.LockNotAvailable:
        who = holder(session) or "another daemon"
        raise DataDirInUse(f"the store is in use by {who}; stop it, or give another --store", holder=who) from None
    finally:
        if not session.closed:
            session.run("RESET lock_timeout")


def holder(session: Session) -> str | None:
    """Who serves the store now, for people; None when nobody does."""
    found = session.one(_HOLDER, KEY >> 32, KEY & 0xFFFFFFFF)
    if found is None:
        return None
    pid, name, address = found
    return f"{name or 'a session without a name'} (from {address}, session {pid})"


def end_session(session: Session, pid: int, name: str) -> None:
    """End a session of our own that was lost on the way, so that its lock is free; no harm when it is over already."""
    session.all("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = %s AND application_name = %s", pid, name)
