"""What the event stream carries besides events."""

from typing import Literal

from rig.wire.shapes.answers.assignments import Assignment
from rig.wire.shapes.answers.attention import AttentionItem
from rig.wire.shapes.answers.base import Camel
from rig.wire.shapes.answers.issues import Issue
from rig.wire.shapes.answers.work import Agent, Job


class RowFrame(Camel):
    """A changed row in the event stream; ``row`` null says that it is gone."""

    view: Literal["issues", "queue", "agents", "jobs", "attention"]
    key: str
    row: Issue | Assignment | Agent | Job | AttentionItem | None
    sequence: int
