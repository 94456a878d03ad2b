"""Traces as answers."""

from collections.abc import Iterable

from rig.clock import iso_exact
from rig.model import spans as model
from rig.model.costs import dollars
from rig.model.events import Event
from rig.model.rows import IssueRow
from rig.wire.shapes import answers
from rig.wire.views.issues import tokens


def _span(span: model.Span) -> answers.Span:
    return answers.Span(
        span_id=span.id,
        parent_id=span.parent,
        name=span.name,
        kind=span.kind,
        start=iso_exact(span.start),
        end=None if span.end is None else iso_exact(span.end),
        status=span.status,
        tokens=tokens(span.tokens),
        cost_usd=dollars(span.cost),
    )


def span_trace(trace: str, spans: Iterable[model.Span]) -> answers.SpanTrace:
    """A trace, parents before their children."""
    return answers.SpanTrace(trace_id=trace, spans=[_span(span) for span in spans])


def trace_summary(tenant: str, first: Event, row: IssueRow) -> answers.TraceSummary:
    """The root of an issue's trace, from its first event and its row."""
    ended = model.TERMINAL_STATUS.get(row.state)
    return answers.TraceSummary(
        trace_id=model.trace_id(tenant, row.stream, first.sequence),
        issue_id=row.stream,
        title=row.title,
        status=ended or "running",
        start=iso_exact(first.at),
        end=None if ended is None else iso_exact(row.updated_at),
        tokens=tokens(row.tokens),
        cost_usd=dollars(row.cost),
    )
