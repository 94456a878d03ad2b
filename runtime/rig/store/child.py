"""The process that reads the embedded store beside the daemon: ``python -m rig.store.child DATABASE SOCKET``.

It answers readings in the order in which they come, until the daemon closes the socket or is gone.
"""

import gc
import os
import pickle
import signal
import socket
import sqlite3
import sys
from pathlib import Path
from typing import NoReturn

from rig.store.reading import HEAD, encode
from rig.store.sqlite import connect
from rig.store.sqlite_reader import SqliteSnapshot


def main(database: str, descriptor: str) -> NoReturn:
    """Serve one daemon, and be gone without closing the database.

    Whoever closes it last moves the WAL into it, and a daemon that was killed or ended for a fault has left it for the next one to check.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # a service manager tells all of a service; the daemon reads until it ends
    connection = connect(Path(database), read_only=True)
    channel = socket.socket(fileno=int(descriptor))
    status = 1
    try:
        _serve(connection, channel)
        status = 0
    except (BrokenPipeError, ConnectionResetError):
        status = 0
    except Exception as error:  # noqa: BLE001
        print(f"the process that reads lists fails: {error!r}", file=sys.stderr, flush=True)
    finally:
        os._exit(status)


def _serve(connection: sqlite3.Connection, channel: socket.socket) -> None:
    with channel.makefile("rb") as requests:
        gc.freeze()
        channel.sendall(encode(None))  # it is ready
        while len(head := requests.read(HEAD.size)) == HEAD.size:
            channel.sendall(encode(_answer(connection, requests.read(*HEAD.unpack(head)))))


def _answer(connection: sqlite3.Connection, question: bytes) -> tuple[object, ...]:
    """What was found; nothing when it failed, for then the daemon reads by itself and sees why."""
    try:
        reading = pickle.loads(question)
        connection.execute("BEGIN")
        try:
            return (reading(SqliteSnapshot(connection)),)
        finally:
            connection.execute("ROLLBACK")
    except Exception:  # noqa: BLE001
        return ()


if __name__ == "__main__":
    main(*sys.argv[1:])
