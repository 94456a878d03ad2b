"""An issue's history as the daemon tells it, with the events' data read."""

from typing import Any

from rig.wire.shapes.answers import Trace, TraceEvent


class Happened(TraceEvent, rename="camel", kw_only=True):
    """An event of the history."""

    data: dict[str, Any]  # type: ignore[assignment]  # as it comes out of the client, which decodes whole answers


class History(Trace, rename="camel", kw_only=True):
    """What happened, by sequence."""

    events: list[Happened]  # type: ignore[assignment]
