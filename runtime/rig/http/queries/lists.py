"""A page of one table's rows."""

from collections.abc import Callable
from typing import Any

import msgspec

from rig.model.tables import Query, R
from rig.store.port import Snapshot

Answer = tuple[bytes, int]
"""JSON, and the sequence that it is as of."""


def array(snapshot: Snapshot, query: Query[R], show: Callable[..., Any], *more: Any) -> Answer:
    """A page as a bare array; ``show`` gets a row and what is said ``more``."""
    return msgspec.json.encode([show(row, *more) for _, row in snapshot.page(query)]), snapshot.as_of(query.tenant)
