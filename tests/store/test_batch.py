"""What a batch asks the database for: a few things for all of its units and claims, and not for each."""

from collections.abc import Sequence

from rig.clock import ManualClock
from rig.ids import SeededIds
from rig.store.engine import Engine
from rig.store.memory import MemoryBackend
from rig.store.units import Committed
from tests.contracts.store import claim, fact, unit


class Asked(MemoryBackend):
    """Counts the questions for versions of streams."""

    questions = 0

    def versions(self, tenant: str, streams: Sequence[str]) -> dict[str, int]:
        self.questions += 1
        return dict(super().versions(tenant, streams))


def test_the_versions_of_all_streams_of_a_batch_are_one_question() -> None:
    backend = Asked()
    engine = Engine(backend, ManualClock(), SeededIds(7))
    engine.run([unit(fact("ISSUE_APPROVED", number)) for number in range(1, 31)])
    assert backend.questions == 1
    results, _ = engine.run([claim(f"a-{n}", f"l-{n}", f"ir-{n:08x}") for n in range(40)])
    assert sum(isinstance(result, Committed) for result in results) == 30
    assert backend.questions == 2


def test_a_job_id_that_is_taken_is_drawn_again_also_within_a_batch() -> None:
    engine = Engine(MemoryBackend(), ManualClock(), SeededIds(7))
    engine.run([unit(fact("ISSUE_APPROVED", number)) for number in (1, 2, 3)])
    engine.run([claim("a", "l-1", "ir-00000001")])
    results, _ = engine.run([claim("a", "l-2", "ir-00000001"), claim("a", "l-3", "ir-00000001")])
    jobs = [
        event.stream for done in results if isinstance(done, Committed) for event in done.events if event.type == "job_created"
    ]
    assert len({"ir-00000001", *jobs}) == 3
