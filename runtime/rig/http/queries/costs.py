"""Sums of the ledger."""

import msgspec

from rig.clock import Micros
from rig.store import ledger
from rig.store.port import Snapshot
from rig.wire import views


def summary(snapshot: Snapshot, tenant: str, days: int, start: Micros, chosen: ledger.Filter) -> bytes:
    """What was spent from ``start`` on, by agent and category."""
    sums = ledger.by_category(snapshot, tenant, start, chosen)
    return msgspec.json.encode(views.cost_summary(days, sums, snapshot.as_of(tenant)))
