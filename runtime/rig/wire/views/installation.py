"""Keys, deliveries and plugins as answers."""

from typing import Any

import msgspec

from rig.clock import Micros, iso
from rig.model.rows import (
    DeliveryRow,
    KeyRow,
)
from rig.wire.shapes import answers

_CALL = ("n", "plugin", "what", "ms", "outcome", "error")


def key(row: KeyRow) -> answers.Key:
    """A key as lists show it: by prefix."""
    return answers.Key(id=row.id, name=row.name, prefix=row.prefix, scopes=row.scopes, created_at=iso(row.created_at))


def delivery(row: DeliveryRow) -> answers.Delivery:
    return answers.Delivery(**_delivery(row))


def delivery_detail(row: DeliveryRow) -> answers.DeliveryDetail:
    return answers.DeliveryDetail(
        **_delivery(row), digest=row.digest, size=row.size, headers=row.headers, caused=row.caused, replays=row.replays
    )


def plugin_call(call: object, at: Micros) -> answers.PluginCall:
    """A remembered call into a plugin (``rig.plugin.calls.PluginCall``), field by field."""
    return msgspec.convert({**{n: getattr(call, n) for n in _CALL}, "at": iso(at)}, answers.PluginCall)


def _delivery(row: DeliveryRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "source": row.source,
        "event": row.event,
        "received_at": iso(row.at),
        "matched": row.matched,
        "ignored": row.ignored,
        "streams": row.streams,
        "state": row.state,
        "tries": row.tries,
        "error": row.error,
        "next_try_at": iso(row.next_try) if row.next_try else None,
        "body_kept": row.body is not None,
    }


def plugin(record: object) -> answers.Plugin:
    """A plugin's record (``rig.plugin.record.PluginRecord``), field by field."""
    return msgspec.convert(record, answers.Plugin, from_attributes=True)
