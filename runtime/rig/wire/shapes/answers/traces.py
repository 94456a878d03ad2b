"""Answers about traces."""

from typing import Any, Literal

from rig.wire.shapes.answers.base import Camel
from rig.wire.shapes.answers.issues import TokenCounts


class Span(Camel):
    span_id: str
    parent_id: str | None
    name: str
    kind: str
    start: str
    end: str | None
    status: Literal["running", "completed", "failed", "stuck", "cancelled"]
    tokens: TokenCounts
    cost_usd: float


class SpanTrace(Camel):
    trace_id: str
    spans: list[Span]


class TraceSummary(Camel):
    """The root of a trace."""

    trace_id: str
    issue_id: str
    title: str | None
    status: Literal["running", "completed", "failed", "stuck", "cancelled"]
    start: str
    end: str | None
    tokens: TokenCounts
    cost_usd: float


class Traces(Camel):
    traces: list[TraceSummary]
    as_of: int


class TraceOrTraces(Camel, omit_defaults=True):
    """``traceId`` and ``spans`` of one trace, or ``traces`` and ``asOf`` of many."""

    trace_id: str | None = None
    spans: list[Span] | None = None
    traces: list[TraceSummary] | None = None
    as_of: int | None = None


SHAPES: dict[str, Any] = {
    "SpanTrace": SpanTrace,
    "Traces": Traces,
    "TraceOrTraces": TraceOrTraces,
}
