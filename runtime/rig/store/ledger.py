"""Reading the ledger: sums over any window and filter, in one snapshot. Blocking; for a reader's thread."""

from typing import Any, Literal, NamedTuple

from rig.clock import Micros, iso
from rig.model.rows import SpendRow, Spent
from rig.model.spend import DAY, account, spent
from rig.model.tables import SPEND_BY_CATEGORY, SPEND_BY_DAY, SPEND_BY_REPO, USAGE, Query, Since, Table, Where
from rig.store.port import Snapshot

By = Literal["repo", "category"]
_TOTALS: dict[By, Table[SpendRow]] = {"repo": SPEND_BY_REPO, "category": SPEND_BY_CATEGORY}


class Filter(NamedTuple):
    """Which lines count; None is any. ``display`` is in lower case, ``repo`` for sums by repository only."""

    agent: str | None = None
    repo: str | None = None
    display: str | None = None

    @property
    def where(self) -> Where:
        named = (("agent", self.agent), ("repo", self.repo), ("display", self.display))
        return tuple((column, "=", value) for column, value in named if value is not None)


def by_repo(snapshot: Snapshot, tenant: str, start: Micros | None, where: Where) -> list[tuple[Any, ...]]:
    """What was spent from ``start`` on, None of all time (R0-51): agent, repository and ``REPO_SUMS`` a record, in no order."""
    return _records(snapshot, tenant, "repo", ("agent", "repo"), start, where)


def by_category(snapshot: Snapshot, tenant: str, start: Micros, filter_: Filter) -> dict[tuple[Any, ...], Spent]:
    """What was spent from ``start`` on, by (agent, category)."""
    return _grown(snapshot, tenant, ("agent", "category"), start, filter_)


def by_day(snapshot: Snapshot, tenant: str, start: Micros, filter_: Filter) -> dict[tuple[str, str], Spent]:
    """What was spent from ``start`` on, by (UTC date, agent)."""
    date = iso(start)[:10]
    rest = (start // DAY + 1) * DAY
    since_start = _grown(snapshot, tenant, ("agent",), start, filter_)
    since_rest = _grown(snapshot, tenant, ("agent",), rest, filter_)
    found = {(date, agent): _less(total, since_rest.get((agent,), Spent())) for (agent,), total in since_start.items()}
    days = Query(SPEND_BY_DAY, tenant, filter_.where, after_key=account(date).removesuffix("]") + "~")
    found |= {record[:2]: spent(record[2:]) for record in snapshot.totals(days, ("date", "agent"))}
    return found


def _grown(
    snapshot: Snapshot, tenant: str, groups: tuple[str, ...], start: Micros, filter_: Filter
) -> dict[tuple[Any, ...], Spent]:
    found = _records(snapshot, tenant, "category", groups, start, filter_.where)
    return {record[: len(groups)]: spent(record[len(groups) :]) for record in found}


def _records(
    snapshot: Snapshot, tenant: str, by: By, groups: tuple[str, ...], start: Micros | None, where: Where
) -> list[tuple[Any, ...]]:
    since = None if start is None else Since(USAGE, f"{by}_", start)
    newer: Where = () if start is None else (("last_at", ">=", start),)
    return snapshot.totals(Query(_TOTALS[by], tenant, (*newer, *where)), groups, since)


def _less(total: Spent, part: Spent) -> Spent:
    return Spent(*(getattr(total, name) - getattr(part, name) for name in Spent.__struct_fields__))
