"""The steps of an execution: which events of its issue are its own, by the rule that the fold counts them by."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from rig.model.events import Event
from rig.model.folds import FOLDS, issue
from rig.model.folds.work import STEPS, execution_of
from rig.model.rows import IssueRow


def steps(execution: str, events: Iterable[Event], unapplied: Mapping[int, Any]) -> list[Event]:
    """The steps of an execution among all the events of its issue, in order; what named it before it began is none."""
    row: IssueRow | None = None
    begun = False
    found = []
    for event in sorted(events, key=lambda event: event.sequence):
        if event.sequence in unapplied:
            continue
        body = msgspec.json.decode(event.body) if event.body else {}
        if issue.fold in FOLDS.get(event.type, ()):
            row = issue.step(row, event, body)[0]
        if event.type == "work_started" and row is not None:
            begun = begun or (row.execution or event.id) == execution
        if begun and event.type in STEPS and execution_of(row, event.type, body) == execution:
            found.append(event)
    return found
