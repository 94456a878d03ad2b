"""What ``rig rebuild`` does to a store that no daemon serves, or beside one: on any backend."""

import tempfile
from contextlib import closing
from pathlib import Path
from typing import Protocol

from rig.clock import Micros
from rig.errors import NotFound
from rig.ids import DEFAULT_TENANT
from rig.store.doctor import reading
from rig.store.head import Head
from rig.store.lock import DirectoryLock
from rig.store.rebuild import Digest, digests, folded_again, read_log, refold, store_until, stored_id
from rig.store.sqlite import connect
from rig.store.verify import DATABASE, check_before_open, corrupt, first_break


class Refolding(Protocol):
    """A store whose log can be folded again. All raise NotFound where there is no store."""

    def refolded(self) -> list[Digest]:
        """Make the read models anew. Raises DataDirInUse, LogCorrupt."""
        ...

    def compared(self) -> tuple[list[Digest], list[Digest]]:
        """The hashes as they stand and as they should be; changes nothing. Raises LogCorrupt."""
        ...

    def until(self, into: Path, *, sequence: int | None = None, at: Micros | None = None) -> Head:
        """The store as it stood after a sequence of the default tenant or at an instant, as a new data directory."""
        ...


class SqliteRefolding:
    """``Refolding`` of a data directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def refolded(self) -> list[Digest]:
        if not (self._directory / DATABASE).exists():
            raise NotFound(f"there is no store in {self._directory}; --data-dir names another")
        lock = DirectoryLock(self._directory)
        try:
            check_before_open(self._directory)
            with closing(connect(self._directory / DATABASE)) as connection:
                connection.execute("PRAGMA synchronous = FULL")
                refold(connection)
                return digests(connection)
        finally:
            lock.release()

    def compared(self) -> tuple[list[Digest], list[Digest]]:
        with reading(self._directory) as connection, tempfile.TemporaryDirectory() as scratch:
            broken = first_break(connection)
            if broken is not None:
                raise corrupt(broken)
            return digests(connection), folded_again(connection, Path(scratch) / "fold.db")

    def until(self, into: Path, *, sequence: int | None = None, at: Micros | None = None) -> Head:
        with reading(self._directory) as connection:
            position = None
            if sequence is not None:
                position = place_of(
                    sequence,
                    connection.execute(
                        "SELECT position FROM events WHERE tenant = ? AND sequence = ?", (DEFAULT_TENANT, sequence)
                    ).fetchone(),
                )
            return store_until(read_log(connection), stored_id(connection), into, position=position, at=at)


def place_of(sequence: int, found: tuple[int] | None) -> int:
    """The position of a sequence that was looked up. Raises NotFound."""
    if found is None:
        raise NotFound(f"the log has no sequence {sequence}")
    return found[0]
