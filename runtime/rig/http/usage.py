"""``GET /api/usage`` of everything: thousands of sums, kept as they were shown, an agent at a time, for as long as they hold."""

from collections import OrderedDict
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

import msgspec

from rig.clock import Micros
from rig.http.readings import giving_way
from rig.model.rows import UsageRow
from rig.model.tables import USAGE, Query, Where
from rig.store import ledger
from rig.store.port import Snapshot
from rig.wire import views

PAGE = 256
BESIDES = 200
"""Bytes of memory that a window takes, and an agent's part of it, besides the text."""


class _Window(NamedTuple):
    """What one window shows: of the lines after sequence ``left``, up to sequence ``entered``."""

    left: int
    entered: int
    agents: dict[str, bytes]

    @property
    def size(self) -> int:
        return sum(map(len, self.agents.values())) + BESIDES * (1 + len(self.agents))


class UsageAnswers:
    """Answers by tenant and window. A line changes its agent's part alone: when it enters the ledger, and when it leaves the window.

    The windows that were asked for longest ago are forgotten above ``limit`` bytes of memory; where more than ``most`` lines have come and
    gone, all is read anew, which takes about as long as to look through them. Call it in one reading at a time.
    """

    def __init__(self, limit: int = 64 << 20, most: int = 1024) -> None:
        self._limit = limit
        self._most = most
        self._windows: OrderedDict[tuple[str, int], _Window] = OrderedDict()
        self._size = 0

    def read(self, snapshot: Snapshot, tenant: str, days: int, start: Micros | None) -> bytes:
        """The answer in JSON. ``start`` is when the window of ``days`` begins; 0 and None: of all time."""
        window = self._windows.pop((tenant, days), None)
        if window is not None:
            self._size -= window.size
            window = self._moved(window, snapshot, tenant, start)
        if window is None:
            window = _Window(_before(snapshot, tenant, start), snapshot.as_of(tenant), _agents(snapshot, tenant, start))
        self._size += window.size
        self._windows[tenant, days] = window
        while self._size > self._limit:
            self._size -= self._windows.popitem(last=False)[1].size
        return b"[%b]" % b",".join(part for _, part in sorted(window.agents.items()))

    def _moved(self, kept: _Window, snapshot: Snapshot, tenant: str, start: Micros | None) -> _Window | None:
        """The window as it is now, None when too much happened since."""
        changed: list[str] = []
        left = kept.left
        if start is not None:
            for line in islice(_after(snapshot, tenant, left), self._most + 1):
                if line.at >= start:
                    break
                left = line.sequence
                changed.append(line.agent)
        changed += [line.agent for line in islice(_after(snapshot, tenant, kept.entered), self._most + 1)]
        if len(changed) > self._most:
            return None
        agents = kept.agents
        if changed:
            named = set(changed)
            agents = {agent: part for agent, part in agents.items() if agent not in named}
            agents |= _agents(snapshot, tenant, start, named)
        return _Window(left, snapshot.as_of(tenant), agents)


def _agents(snapshot: Snapshot, tenant: str, start: Micros | None, named: set[str] | None = None) -> dict[str, bytes]:
    """Each agent's part; None: of all agents."""
    where: Where = () if named is None else (("agent", "in", sorted(named)),)
    shown = views.usage(ledger.by_repo(snapshot, tenant, start, where))
    return {agent.agent_id: msgspec.json.encode(agent) for agent in giving_way(shown, 30)}


def _after(snapshot: Snapshot, tenant: str, sequence: int) -> Iterator[UsageRow]:
    """Lines of the ledger after a sequence, in order; mostly the first one is enough to see that nothing has changed."""
    limit = 1
    while page := snapshot.page(Query(USAGE, tenant, after_key=f"{sequence:016d}", limit=limit)):
        for _, line in page:
            yield line
        if len(page) < limit:
            return
        sequence, limit = page[-1][1].sequence, PAGE


def _before(snapshot: Snapshot, tenant: str, start: Micros | None) -> int:
    """A sequence: the lines up to it are older than ``start``, those after it are not (I10: times never fall)."""
    low, high = 0, 0 if start is None else snapshot.as_of(tenant)
    while low < high:
        middle = (low + high) // 2
        page = snapshot.page(Query(USAGE, tenant, after_key=f"{middle:016d}", limit=1))
        if page and page[0][1].at < start:  # type: ignore[operator]
            low = page[0][1].sequence
        else:
            high = middle
    return low
