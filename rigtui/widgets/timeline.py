"""The events of an issue as rows of a table: when, what, in words, and what its tokens cost. Pure but for the names of columns."""

from collections.abc import Sequence

from rig.wire.story import tell
from rigtui.history import Happened
from rigtui.text import plain
from rigtui.widgets.lines import Span
from rigtui.widgets.table import Column
from rigtui.words import clock, seconds, span, usd

COLUMNS = (
    Column("SEQ", 6, right=True, above=100),
    Column("TIME", 8, above=100),
    Column("AFTER", 5, right=True),
    Column("EVENT", 22, wide=24),
    Column("WHAT"),
    Column("COST", 7, right=True),
)

SIGNS = {
    "issue_approved": ("○", "muted"),
    "issue_assigned": ("◔", "accent"),
    "work_started": ("●", "accent"),
    "execution_progressed": ("·", "muted"),
    "token_usage": ("$", "muted"),
    "log_sealed": ("·", "faint"),
    "work_completed": ("✓", "good"),
    "issue_done": ("✓", "good"),
    "issue_forced_done": ("✓", "warn"),
    "work_failed": ("✗", "bad"),
    "agent_stuck": ("✗", "bad"),
    "issue_cancelled": ("⊘", "muted"),
    "issue_aborted": ("⊘", "muted"),
    "pr_created": ("◆", "notice"),
    "merged": ("◆", "good"),
    "ci_passed": ("✓", "good"),
    "ci_failed": ("✗", "bad"),
    "review_passed": ("✓", "good"),
    "changes_requested": ("✗", "warn"),
    "issue_needs_human": ("?", "warn"),
    "human_gate_triggered": ("?", "warn"),
    "question_asked": ("?", "warn"),
    "question_answered": ("✓", "good"),
    "steer_requested": ("»", "notice"),
    "steer_delivered": ("✓", "good"),
    "steer_rejected": ("✗", "warn"),
}
REFUSED = ("!", "warn")
"""Sign of an event that the state machine could not apply."""


def cells(event: Happened, begin: float | None) -> Sequence[Span]:
    """An event's cells, one a column; ``begin`` is the first event's instant."""
    data = event.data
    cost = None if event.cost is None else event.cost.counted_usd
    sign, tone = SIGNS.get(event.type, ("·", "text"))
    said = plain(tell(event.type, data))
    if said == event.type.replace("_", " "):
        said = ""  # the event's name says it
    if event.applied is False:
        sign, tone = REFUSED
        said = f"not applied: {plain(event.reason)}" + (f" · {said}" if said else "")
    if event.cost is not None:
        said += f" · {plain(data.get('model'), 60)}" + (
            f" ({plain(event.cost.rule, 30)})" if event.cost.rule != "recomputed" else ""
        )
    at = seconds(event.at)
    after = "" if begin is None or at is None else f"+{span(at - begin)}"
    return (
        (str(event.sequence), "faint"),
        (clock(event.at), "muted"),
        (after, "muted"),
        (f"{sign} {plain(event.type, 60)}", tone),
        (said, "warn" if event.applied is False else "text" if tone != "faint" else "muted"),
        ("" if cost is None else usd(cost), "text"),
    )
