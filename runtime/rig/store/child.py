"""The process that reads the embedded store beside the daemon: ``python -m rig.store.child DATABASE SOCKET``.

It answers readings in the order in which they come, until the daemon closes the socket or is gone.
"""

import gc
import pickle
import socket
import sqlite3
import sys
from pathlib import Path

from rig.store.reading import HEAD, Reading, encode
from rig.store.sqlite import connect
from rig.store.sqlite_reader import SqliteSnapshot


def main(database: str, descriptor: str) -> None:
    """Serve one daemon."""
    connection = connect(Path(database), read_only=True)
    with socket.socket(fileno=int(descriptor)) as channel, channel.makefile("rb") as requests:
        gc.freeze()
        channel.sendall(encode(None))  # it is ready
        while len(head := requests.read(HEAD.size)) == HEAD.size:
            reading: Reading = pickle.loads(requests.read(*HEAD.unpack(head)))
            channel.sendall(encode(_answer(connection, reading)))


def _answer(connection: sqlite3.Connection, reading: Reading) -> tuple[object, ...]:
    """What was found; nothing when it failed, for then the daemon reads by itself and sees why."""
    try:
        connection.execute("BEGIN")
        try:
            return (reading(SqliteSnapshot(connection)),)
        finally:
            connection.execute("ROLLBACK")
    except Exception:  # noqa: BLE001
        return ()


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (BrokenPipeError, ConnectionResetError):
        pass
