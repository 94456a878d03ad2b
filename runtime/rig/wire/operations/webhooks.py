"""Webhooks: deliveries from outside."""

from rig.wire.operations.operation import LIMIT, MIB, OFFSET, READ, SIGNATURE, WRITE, Operation, Parameter

STATES = ("accepted", "ignored", "retry", "dead", "replayed")
SOURCE = Parameter("source", "only deliveries of this source")

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
        query=(SOURCE, Parameter("state", "only those of this state", enum=STATES), LIMIT, OFFSET),
    ),
    Operation(
        "get_webhook_delivery",
        "GET",
        ("/api/webhook-deliveries/{id}",),
        "A delivery: what it caused, and the headers that were kept",
        "webhooks",
        READ,
        response="DeliveryDetail",
        query=(SOURCE,),
    ),
    Operation(
        "replay_webhook_delivery",
        "POST",
        ("/api/webhook-deliveries/{id}/replay",),
        "Read a kept delivery again; what it caused before is not caused again",
        "webhooks",
        WRITE,
        response="DeliveryAccepted",
        query=(SOURCE, Parameter("force", "cause everything again", "boolean")),
    ),
)
