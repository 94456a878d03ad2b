"""Trackers: how they are, and polling them now."""

from aiohttp import web

from rig.clock import iso, iso_or_none
from rig.errors import Unavailable
from rig.http.ask import Ask
from rig.wire.shapes import answers


async def list_trackers(ask: Ask) -> web.StreamResponse:
    """``GET /api/v1/trackers``."""
    rows = []
    for name, watch in ask.deps.trackers.states():
        wrong = watch.error is not None or bool(watch.faults)
        rows.append(
            answers.Tracker(
                name=name,
                state="degraded" if wrong else "waiting" if watch.polled_at is None else "ok",
                error=watch.error,
                faults=dict(watch.faults),
                polled_at=iso_or_none(watch.polled_at),
                next_poll_at=iso_or_none(watch.due),
                resting=watch.resting,
            )
        )
    return ask.answer(rows)


async def refresh(ask: Ask) -> web.StreamResponse:
    """``POST /api/v1/refresh``: several wishes before the poll begins are one."""
    trackers = ask.deps.trackers
    if not trackers.wanted():
        raise Unavailable("no tracker is configured: docs/trackers.md says how")
    queued = trackers.refresh()
    return ask.answer(
        answers.Refreshed(
            queued=queued,
            coalesced=not queued,
            requested_at=iso(ask.deps.clock.now()),
            operations=["poll", "reconcile"],
        ),
        202,
    )
