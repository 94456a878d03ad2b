"""Every operation of the API, once, as frozen data: routes, OpenAPI, ``rig api`` and docs/api.md are readings of this table."""

from rig.wire.operations import (
    assignments,
    attention,
    costs,
    events,
    health,
    installation,
    issues,
    keys,
    plugins,
    traces,
    trackers,
    webhooks,
    work,
)
from rig.wire.operations.operation import ADMIN, READ, SIGNATURE, WRITE, Operation, Parameter

__all__ = ["ADMIN", "BY_NAME", "OPERATIONS", "READ", "SIGNATURE", "WRITE", "Operation", "Parameter"]

OPERATIONS: tuple[Operation, ...] = (
    *health.OPERATIONS,
    *events.OPERATIONS,
    *issues.OPERATIONS,
    *assignments.OPERATIONS,
    *attention.OPERATIONS,
    *work.OPERATIONS,
    *traces.OPERATIONS,
    *costs.OPERATIONS,
    *keys.OPERATIONS,
    *webhooks.OPERATIONS,
    *trackers.OPERATIONS,
    *installation.OPERATIONS,
    *plugins.OPERATIONS,
)
"""In the order of docs/api.md."""

BY_NAME: dict[str, Operation] = {o.name: o for o in OPERATIONS}
