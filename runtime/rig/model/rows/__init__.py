"""The rows of the read models: what folds write and lists show. One struct a table; money is picodollars, time microseconds."""

from rig.model.rows.agents import AgentRow, EntryRow, StreamRow
from rig.model.rows.attention import AttentionRow, QuestionRow, ReviewRow, SteerRow
from rig.model.rows.base import Row, State, Tokens
from rig.model.rows.installation import DeliveryRow, KeyRow, OverlayRow, TrackedRow
from rig.model.rows.issues import IssueRow, LinkRow, QueueRow, UnappliedRow
from rig.model.rows.ledger import SpendRow, Spent, UsageRow
from rig.model.rows.work import CountRow, ExecutionRow, JobRow, LeaseRow, SegmentRow

__all__ = [
    "AgentRow",
    "AttentionRow",
    "CountRow",
    "DeliveryRow",
    "EntryRow",
    "ExecutionRow",
    "IssueRow",
    "JobRow",
    "KeyRow",
    "LeaseRow",
    "LinkRow",
    "OverlayRow",
    "QuestionRow",
    "QueueRow",
    "ReviewRow",
    "Row",
    "SegmentRow",
    "SpendRow",
    "Spent",
    "State",
    "SteerRow",
    "StreamRow",
    "Tokens",
    "TrackedRow",
    "UnappliedRow",
    "UsageRow",
]
