"""The daemon with a null store: posted events are accepted and discarded, so what is left is the cost of everything else.

``python -m rig.bench.null serve --config FILE --data-dir DIR --port 0`` prints its API key after the line that it listens.
"""

import argparse
import sys
from pathlib import Path

from rig.bench.children import store_key
from rig.clock import SystemClock
from rig.daemon import ServeOptions, run
from rig.ids import SystemIds
from rig.model.events import Event
from rig.service import Service
from rig.store.log import Log
from rig.store.memory import MemoryBackend, open_memory
from rig.store.units import Committed, Outcome, Unit

DISCARDED = frozenset({"post_event", "post_events"})


class NullLog(Log):
    """A store in memory that answers posted events at once: nothing is checked, hashed, folded, kept or published."""

    async def commit(self, unit: Unit) -> Committed:
        if unit.operation not in DISCARDED:
            return await super().commit(unit)
        at, id_ = self.clock.now(), "01900000-0000-7000-8000-000000000000"
        who = (unit.principal, unit.operation, unit.request_id)
        events = tuple(
            Event(n, unit.tenant, n, new.stream, n, new.type, id_, at, *who, new.meta, new.body, b"", b"")
            for n, new in enumerate(unit.events, 1)
        )
        committed = Committed(events, at, {})
        outcome = Outcome(204, b"") if unit.outcome is None else unit.outcome(committed)
        return Committed(events, at, {}, outcome)


class NullService(Service):
    """``rig serve`` over that store."""

    async def _open_store(self) -> Log:
        self.settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        backend = MemoryBackend()
        log = open_memory(clock=SystemClock(), ids=SystemIds(), backend=backend)
        key = await store_key(log)
        (self.settings.data_dir / "bench-key").write_text(key.text)
        reader = log._reader
        await log._writer.close()
        store = NullLog(backend, reader, clock=self.clock, ids=self.ids)
        self._stack.push_async_callback(store.close)
        return store


def main(arguments: list[str]) -> int:
    """What ``rig serve`` does with the same options."""
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["serve"])
    parser.add_argument("--config", type=Path)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--port", type=int)
    given = parser.parse_args(arguments)
    return run(ServeOptions(given.config, {"server.port": given.port}, given.data_dir), NullService)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
