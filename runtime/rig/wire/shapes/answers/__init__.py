"""Shapes of answers: msgspec structs, so that one declaration gives the JSON, its letter case and its schema (§6)."""

from typing import Any

from rig.wire.shapes.answers import (
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
from rig.wire.shapes.answers.assignments import AssignedIssue as AssignedIssue
from rig.wire.shapes.answers.assignments import Assignment as Assignment
from rig.wire.shapes.answers.assignments import ClaimedAssignment as ClaimedAssignment
from rig.wire.shapes.answers.assignments import Lease as Lease
from rig.wire.shapes.answers.assignments import LeaseEnded as LeaseEnded
from rig.wire.shapes.answers.assignments import LeaseRenewed as LeaseRenewed
from rig.wire.shapes.answers.assignments import ReviewAssignment as ReviewAssignment
from rig.wire.shapes.answers.attention import Answered as Answered
from rig.wire.shapes.answers.attention import AttentionItem as AttentionItem
from rig.wire.shapes.answers.attention import Message as Message
from rig.wire.shapes.answers.attention import Question as Question
from rig.wire.shapes.answers.attention import QuestionAsked as QuestionAsked
from rig.wire.shapes.answers.costs import AgentCosts as AgentCosts
from rig.wire.shapes.answers.costs import AgentUsage as AgentUsage
from rig.wire.shapes.answers.costs import CostLines as CostLines
from rig.wire.shapes.answers.costs import CostSummary as CostSummary
from rig.wire.shapes.answers.costs import DailyCosts as DailyCosts
from rig.wire.shapes.answers.costs import DayCost as DayCost
from rig.wire.shapes.answers.costs import IssueAgentCosts as IssueAgentCosts
from rig.wire.shapes.answers.costs import IssueCosts as IssueCosts
from rig.wire.shapes.answers.costs import LedgerLine as LedgerLine
from rig.wire.shapes.answers.costs import RepoUsage as RepoUsage
from rig.wire.shapes.answers.costs import UnitPrices as UnitPrices
from rig.wire.shapes.answers.costs import Unpriced as Unpriced
from rig.wire.shapes.answers.events import EventAccepted as EventAccepted
from rig.wire.shapes.answers.events import EventResult as EventResult
from rig.wire.shapes.answers.events import StreamEvent as StreamEvent
from rig.wire.shapes.answers.frames import RowFrame as RowFrame
from rig.wire.shapes.answers.health import DeepHealth as DeepHealth
from rig.wire.shapes.answers.health import DependencyHealth as DependencyHealth
from rig.wire.shapes.answers.health import Health as Health
from rig.wire.shapes.answers.health import Ready as Ready
from rig.wire.shapes.answers.installation import AvailableModel as AvailableModel
from rig.wire.shapes.answers.installation import Config as Config
from rig.wire.shapes.answers.installation import Models as Models
from rig.wire.shapes.answers.installation import Overlay as Overlay
from rig.wire.shapes.answers.installation import OverlayChanged as OverlayChanged
from rig.wire.shapes.answers.issues import Aborted as Aborted
from rig.wire.shapes.answers.issues import CostLine as CostLine
from rig.wire.shapes.answers.issues import ForcedDone as ForcedDone
from rig.wire.shapes.answers.issues import Issue as Issue
from rig.wire.shapes.answers.issues import IssueCreated as IssueCreated
from rig.wire.shapes.answers.issues import IssueTransitions as IssueTransitions
from rig.wire.shapes.answers.issues import Steered as Steered
from rig.wire.shapes.answers.issues import TokenCounts as TokenCounts
from rig.wire.shapes.answers.issues import Trace as Trace
from rig.wire.shapes.answers.issues import TraceEvent as TraceEvent
from rig.wire.shapes.answers.issues import Transitions as Transitions
from rig.wire.shapes.answers.issues import Why as Why
from rig.wire.shapes.answers.issues import WhyReason as WhyReason
from rig.wire.shapes.answers.keys import Key as Key
from rig.wire.shapes.answers.keys import KeyCreated as KeyCreated
from rig.wire.shapes.answers.keys import Removed as Removed
from rig.wire.shapes.answers.plugins import Plugin as Plugin
from rig.wire.shapes.answers.plugins import PluginCall as PluginCall
from rig.wire.shapes.answers.plugins import PluginCalls as PluginCalls
from rig.wire.shapes.answers.traces import Span as Span
from rig.wire.shapes.answers.traces import SpanTrace as SpanTrace
from rig.wire.shapes.answers.traces import Traces as Traces
from rig.wire.shapes.answers.traces import TraceSummary as TraceSummary
from rig.wire.shapes.answers.trackers import Refreshed as Refreshed
from rig.wire.shapes.answers.trackers import Tracker as Tracker
from rig.wire.shapes.answers.webhooks import Delivery as Delivery
from rig.wire.shapes.answers.webhooks import DeliveryAccepted as DeliveryAccepted
from rig.wire.shapes.answers.webhooks import DeliveryDetail as DeliveryDetail
from rig.wire.shapes.answers.webhooks import StartedJob as StartedJob
from rig.wire.shapes.answers.work import Agent as Agent
from rig.wire.shapes.answers.work import AgentReleased as AgentReleased
from rig.wire.shapes.answers.work import AgentStream as AgentStream
from rig.wire.shapes.answers.work import Execution as Execution
from rig.wire.shapes.answers.work import ExecutionDetail as ExecutionDetail
from rig.wire.shapes.answers.work import Job as Job
from rig.wire.shapes.answers.work import JobCancelled as JobCancelled
from rig.wire.shapes.answers.work import JobDetail as JobDetail
from rig.wire.shapes.answers.work import Jobs as Jobs
from rig.wire.shapes.answers.work import LogLine as LogLine
from rig.wire.shapes.answers.work import Step as Step
from rig.wire.shapes.answers.work import StreamGroup as StreamGroup

SHAPES: dict[str, Any] = {
    **health.SHAPES,
    **events.SHAPES,
    **issues.SHAPES,
    **assignments.SHAPES,
    **attention.SHAPES,
    **work.SHAPES,
    **traces.SHAPES,
    **costs.SHAPES,
    **keys.SHAPES,
    **trackers.SHAPES,
    **webhooks.SHAPES,
    **installation.SHAPES,
    **plugins.SHAPES,
}
"""Answers by the name that an operation gives."""
