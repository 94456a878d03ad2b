"""Reading the ledger: sums over any window and filter, in one snapshot. Blocking; for a reader's thread."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from rig.model.spend import Spent, Window, spent
from rig.model.tables import SPEND, USAGE, Query, Table
from rig.store.port import Snapshot

Where = tuple[tuple[str, Any, Any], ...]


class Filter(NamedTuple):
    """Which lines count; None is any. ``display`` is in lower case."""

    agent: str | None = None
    repo: str | None = None
    display: str | None = None

    @property
    def where(self) -> Where:
        named = (("agent", self.agent), ("repo", self.repo), ("display", self.display))
        return tuple((column, "=", value) for column, value in named if value is not None)


def sums(
    snapshot: Snapshot, tenant: str, window: Window | None, filter_: Filter, by: tuple[str, ...]
) -> dict[tuple[Any, ...], Spent]:
    """What was spent, by columns of ``spend`` such as ``agent``; ``window`` None is all time (R0-51)."""
    found: dict[tuple[Any, ...], Spent] = {}
    for table, where in _parts(window):
        for record in snapshot.totals(Query(table, tenant, (*where, *filter_.where)), by):
            group = record[: len(by)]
            found[group] = found.get(group, Spent()) + spent(record[len(by) :])
    return found


def by_day(snapshot: Snapshot, tenant: str, window: Window, filter_: Filter) -> dict[tuple[int, str], Spent]:
    """What was spent, by (day since 1970, agent)."""
    found: dict[tuple[int, str], Spent] = {}
    for table, where in _parts(window):
        days = table is SPEND and ("level", "=", "day") in where
        by = ("bucket", "agent") if days else ("agent",)
        for record in snapshot.totals(Query(table, tenant, (*where, *filter_.where)), by):
            day = record[0] if days else window.first_day
            key = (day, record[len(by) - 1])
            found[key] = found.get(key, Spent()) + spent(record[len(by) :])
    return found


def _parts(window: Window | None) -> Iterator[tuple[Table[Any], Where]]:
    """The rows that a window is made of, each once."""
    if window is None:
        yield SPEND, (("level", "=", "total"),)
        return
    yield SPEND, (("level", "=", "day"), ("bucket", ">=", window.since_day))
    if window.hours[0] < window.hours[1]:
        yield SPEND, (("level", "=", "hour"), ("bucket", ">=", window.hours[0]), ("bucket", "<", window.hours[1]))
    if window.lines[0] < window.lines[1]:
        yield USAGE, (("at", ">=", window.lines[0]), ("at", "<", window.lines[1]))
