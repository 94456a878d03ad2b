"""Folds: pure functions from an event and the rows before it to the rows after it. Replaying them gives the same bytes (I5)."""

from collections.abc import Callable
from typing import Any

import msgspec

from rig.model.events import TYPES, Event
from rig.model.folds import agent, installation, issue, job, usage
from rig.model.tables import Tables
from rig.model.upcasters import upcast

Fold = Callable[[Event, dict[str, Any], Tables], None]

_decode = msgspec.json.Decoder(dict[str, Any]).decode

FOLDS: dict[str, tuple[Fold, ...]] = {
    **{name: (issue.fold,) for name, type_ in TYPES.items() if type_.family == "issue"},
    **{name: (issue.fold,) for name in issue.SYSTEM_EVENTS},
    "heartbeat": (agent.fold_heartbeat,),
    "token_usage": (usage.fold,),
    "log_sealed": (issue.fold_log_sealed,),
    "job_created": (job.fold_created,),
    "job_cancelled": (job.fold_cancelled,),
    "key_created": (installation.fold_key_created,),
    "key_revoked": (installation.fold_key_revoked,),
    "webhook_received": (installation.fold_webhook_received,),
    "webhook_retried": (installation.fold_webhook_read_again,),
    "webhook_replayed": (installation.fold_webhook_read_again,),
    "webhook_bodies_dropped": (installation.fold_webhook_bodies_dropped,),
    "tracker_polled": (installation.fold_tracker_polled,),
    "config_changed": (installation.fold_config_changed,),
}
"""Event type to its folds, in order; types without one leave no trace but the log."""


def fold(event: Event, tables: Tables) -> None:
    """Fold one event into its tenant's rows, as of the newest version of its type."""
    folds = FOLDS.get(event.type)
    if folds is None:
        return
    body = upcast(event.type, _decode(event.body), event.meta)
    for one in folds:
        one(event, body, tables)
