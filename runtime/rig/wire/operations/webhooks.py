"""Webhooks: deliveries from outside."""

from rig.wire.operations.operation import LIMIT, MIB, OFFSET, READ, SIGNATURE, Operation

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "receive_webhook",
        "POST",
        ("/api/webhooks/{source}",),
        "Take in a signed delivery",
        "webhooks",
        SIGNATURE,
        request="Delivery",
        response="DeliveryAccepted",
        body_limit=25 * MIB,
    ),
    Operation(
        "receive_github_webhook",
        "POST",
        ("/api/webhook/github",),
        "Take in a signed delivery from GitHub",
        "webhooks",
        SIGNATURE,
        request="Delivery",
        response="DeliveryAccepted",
        body_limit=25 * MIB,
    ),
    Operation(
        "receive_linear_webhook",
        "POST",
        ("/webhooks/linear",),
        "Take in a signed delivery from Linear",
        "webhooks",
        SIGNATURE,
        request="Delivery",
        response="DeliveryAccepted",
        body_limit=25 * MIB,
    ),
    Operation(
        "list_webhook_deliveries",
        "GET",
        ("/api/webhook-deliveries",),
        "Deliveries that were taken in, newest first",
        "webhooks",
        READ,
        response="Deliveries",
        query=(LIMIT, OFFSET),
    ),
)
