"""The folds of Rig's own streams: keys, webhook deliveries, trackers, the configuration overlay."""

from typing import Any

from msgspec.structs import replace

from rig.model.events import Event
from rig.model.rows import DeliveryRow, KeyRow, OverlayRow, TrackedRow
from rig.model.tables import DELIVERIES, ISSUES, KEYS, OVERLAY, TRACKED, Tables


def fold_key_created(event: Event, body: dict[str, Any], tables: Tables) -> None:
    """A key begins; the event carries its digest, never the key."""
    tables.put(
        KEYS,
        body["id"],
        KeyRow(
            id=body["id"],
            name=body["name"],
            prefix=body["prefix"],
            digest=body["digest"],
            tenant=event.tenant,
            scopes=tuple(body["scopes"]),
            created_at=event.at,
            creator=event.principal,
            execution=body.get("executionId"),
            issue=body.get("issue"),
            lease=body.get("leaseId"),
            fence=body.get("fence") or 0,
            agent=body.get("agentId"),
            version=event.version,
            sequence=event.sequence,
        ),
    )


def fold_key_revoked(event: Event, body: dict[str, Any], tables: Tables) -> None:
    """A key ends; a second revocation changes nothing."""
    row = tables.get(KEYS, body["id"])
    if row is not None and row.revoked_at is None:
        tables.put(KEYS, row.id, replace(row, revoked_at=event.at, version=event.version, sequence=event.sequence))


def fold_webhook_received(event: Event, body: dict[str, Any], tables: Tables) -> None:
    """A delivery in the inbox, with what it caused."""
    tables.put(
        DELIVERIES,
        f"{body['source']}\n{body['id']}",
        DeliveryRow(
            id=body["id"],
            source=body["source"],
            event=body["event"],
            digest=body["digest"],
            at=event.at,
            matched=body.get("matched", 0),
            ignored=body.get("ignored"),
            streams=tuple(body.get("streams", ())),
            state=body.get("state") or ("ignored" if body.get("ignored") else "accepted"),
            caused=tuple(body.get("caused", ())),
            error=body.get("error"),
            next_try=body.get("nextTry") or 0,
            body=body.get("body"),
            size=body.get("size", 0),
            headers=body.get("headers", {}),
            by_body=body.get("byBody", False),
            version=event.version,
            sequence=event.sequence,
        ),
    )


def fold_webhook_read_again(event: Event, body: dict[str, Any], tables: Tables) -> None:
    """A delivery that was tried again, or replayed by hand; what it causes is added to what it caused."""
    row = tables.get(DELIVERIES, f"{body['source']}\n{body['id']}")
    if row is None:
        return
    tables.put(
        DELIVERIES,
        f"{row.source}\n{row.id}",
        replace(
            row,
            state=body["state"],
            matched=row.matched + body["matched"],
            ignored=body["ignored"],
            streams=tuple(dict.fromkeys((*row.streams, *body["streams"]))),
            caused=(*row.caused, *body["caused"]),
            tries=body["tries"],
            error=body["error"],
            next_try=body["nextTry"] or 0,
            replays=row.replays + (event.type == "webhook_replayed"),
            version=event.version,
            sequence=event.sequence,
        ),
    )


def fold_webhook_bodies_dropped(event: Event, body: dict[str, Any], tables: Tables) -> None:
    """Bodies that are not kept any more."""
    for dropped in body["deliveries"]:
        row = tables.get(DELIVERIES, f"{dropped['source']}\n{dropped['id']}")
        if row is not None:
            gone = replace(row, body=None, version=event.version, sequence=event.sequence)
            tables.put(DELIVERIES, f"{row.source}\n{row.id}", gone)


def fold_tracker_polled(event: Event, body: dict[str, Any], tables: Tables) -> None:
    """What a tracker says of issues; the event comes after what it causes, in the same unit."""
    for entry in body["issues"]:
        issue = tables.get(ISSUES, entry["stream"])
        tables.put(
            TRACKED,
            f"{body['tracker']}\n{entry['id']}",
            TrackedRow(
                tracker=body["tracker"],
                id=entry["id"],
                stream=entry["stream"],
                state=entry["state"],
                phase=entry["phase"],
                why=entry["why"],
                hold=entry["hold"],
                fields=entry["fields"],
                updated=entry["version"],
                approved=issue.approved_sequence if issue is not None else 0,
                at=event.at,
                version=event.version,
                sequence=event.sequence,
            ),
        )


def fold_config_changed(event: Event, body: dict[str, Any], tables: Tables) -> None:
    """The overlay as a whole after a change; the event holds all of it, so that a fold needs no rules of merging."""
    tables.put(OVERLAY, "overlay", OverlayRow(values=body["overlay"], version=event.version, sequence=event.sequence))
