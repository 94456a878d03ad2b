"""What ``rig rebuild`` does to a store on PostgreSQL."""

from pathlib import Path

from rig.clock import Micros
from rig.ids import DEFAULT_TENANT
from rig.store.head import Head
from rig.store.postgres.doctor import compare
from rig.store.postgres.opening import alone, reading
from rig.store.postgres.rebuild import digests, read_log, refold
from rig.store.postgres.schema import store_id
from rig.store.postgres.verify import damaged, first_break
from rig.store.rebuild import Digest, store_until
from rig.store.refolding import place_of


class PostgresRefolding:
    """``rig.store.refolding.Refolding`` of a database."""

    def __init__(self, url: str) -> None:
        self._url = url

    def refolded(self) -> list[Digest]:
        with alone(self._url) as session:
            refold(session)
            return digests(session)

    def compared(self) -> tuple[list[Digest], list[Digest]]:
        with reading(self._url) as session:
            broken = first_break(session)
            if broken is not None:
                raise damaged(broken)
            return compare(session)

    def until(self, into: Path, *, sequence: int | None = None, at: Micros | None = None) -> Head:
        """The copy is an embedded store: the time machine needs no second database."""
        with reading(self._url) as session:
            position = None
            if sequence is not None:
                found = session.one("SELECT position FROM events WHERE tenant = %s AND sequence = %s", DEFAULT_TENANT, sequence)
                position = place_of(sequence, (found[0],) if found else None)
            return store_until(read_log(session), store_id(session), into, position=position, at=at)
