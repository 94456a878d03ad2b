"""Cycles of dependencies: issues that wait for each other and so for ever. Pure; what an issue waits for is asked of the caller."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence

from rig.model.rows import IssueRow
from rig.model.states import WAITING

Waits = Callable[[str], Sequence[str]]
"""An issue to the issues that it waits for."""


def waits_for(row: IssueRow | None) -> Sequence[str]:
    """What an issue waits for: one that is not waiting for an agent can be finished, so that nothing is stuck with it."""
    return row.depends_on if row is not None and row.state in WAITING else ()


class Cycles:
    """Finds the cycle that an issue is in; what was found out for one issue is used for the next.

    ``limit`` is how many issues are looked at in all; what lies beyond counts as waiting for nothing.
    """

    def __init__(self, waits: Waits, limit: int = 1000) -> None:
        self._waits = waits
        self._left = limit
        self._known: dict[str, Sequence[str]] = {}
        self._component: dict[str, frozenset[str]] = {}

    def of(self, stream: str) -> tuple[str, ...]:
        """``(a, b, a)``: the shortest way from an issue back to itself; empty when it is in no cycle."""
        if stream not in self._component:
            self._explore(stream)
        component = self._component.get(stream, frozenset())
        if len(component) < 2:
            return ()
        came: dict[str, str] = {}
        ahead = deque([stream])
        while ahead:
            here = ahead.popleft()
            for blocker in self._next(here):
                if blocker == stream:
                    back = [stream, here]
                    while back[-1] != stream:
                        back.append(came[back[-1]])
                    return tuple(reversed(back))
                if blocker in component and blocker not in came:
                    came[blocker] = here
                    ahead.append(blocker)
        return ()

    def _next(self, stream: str) -> Sequence[str]:
        found = self._known.get(stream)
        if found is None:
            self._left -= 1
            found = self._known[stream] = self._waits(stream) if self._left >= 0 else ()
        return found

    def _explore(self, start: str) -> None:
        """Tarjan's strongly connected components of all that can be reached and was not yet, without recursion."""
        index: dict[str, int] = {}
        low: dict[str, int] = {}
        stack: list[str] = []
        work: list[tuple[str, Iterable[str]]] = []

        def enter(stream: str) -> None:
            index[stream] = low[stream] = len(index)
            stack.append(stream)
            work.append((stream, iter(self._next(stream))))

        enter(start)
        while work:
            here, rest = work[-1]
            for blocker in rest:
                if blocker in self._component:
                    continue
                if blocker not in index:
                    enter(blocker)
                    break
                low[here] = min(low[here], index[blocker])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[here])
                if low[here] == index[here]:
                    cut = stack.index(here)
                    component = frozenset(stack[cut:])
                    del stack[cut:]
                    self._component.update(dict.fromkeys(component, component))
