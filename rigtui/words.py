"""Facts of a row as an operator reads them: states with their signs, ages, money, tokens. Pure; every text from outside passes ``rigtui.text``."""

from collections.abc import Mapping
from datetime import datetime

from rig.wire.shapes.answers import Issue, TokenCounts

SIGNS = {
    "queued": "○",
    "assigned": "◔",
    "in_progress": "●",
    "in_review": "◆",
    "deploying": "▲",
    "done": "✓",
    "failed": "✗",
    "cancelled": "⊘",
    "asks": "?",
}
"""A state's sign: no state is told by its colour alone."""
NAMES = {"in_progress": "working", "in_review": "review", "asks": "asks you"}
TONES = {
    "queued": "muted",
    "assigned": "accent",
    "in_progress": "accent",
    "in_review": "notice",
    "deploying": "notice",
    "done": "good",
    "failed": "bad",
    "cancelled": "muted",
    "asks": "warn",
}
PRIORITIES = {"critical": ("crit", "bad"), "high": ("high", "warn"), "normal": ("norm", "muted"), "low": ("low", "faint")}
ORDER = ("asks", "in_progress", "assigned", "deploying", "in_review", "queued", "failed", "cancelled", "done")


def state_of(issue: Issue, asking: bool = False) -> str:
    """The word under which an issue is shown: its state, but for one that was cancelled or waits for an answer."""
    if issue.cancelled:
        return "cancelled"
    return "asks" if asking and issue.state not in ("done", "failed") else issue.state


def seconds(instant: str | None) -> float | None:
    """An instant of the API as seconds since 1970; None for none, and for what is no instant."""
    try:
        return None if instant is None else datetime.fromisoformat(instant).timestamp()
    except ValueError:
        return None


def span(duration: float) -> str:
    """A duration in at most four cells: ``7s``, ``12m``, ``3h``, ``9d``."""
    duration = max(duration, 0)
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if duration >= size:
            return f"{min(int(duration // size), 999)}{unit}"
    return f"{int(duration)}s"


def age(instant: str | None, now: float) -> str:
    """How long ago an instant was; empty for none."""
    since = seconds(instant)
    return "" if since is None else span(now - since)


def count(number: int) -> str:
    """A count in at most five cells: ``812``, ``35.0k``, ``1.2M``."""
    if number < 1_000:
        return str(number)
    for unit, size in (("k", 1_000), ("M", 1_000_000), ("G", 1_000_000_000)):
        scaled = number / size
        if scaled < 999.95:
            return f"{scaled:.1f}{unit}" if scaled < 99.95 else f"{scaled:.0f}{unit}"
    return "many"


def total(tokens: TokenCounts) -> int:
    """All tokens together."""
    return tokens.input_tokens + tokens.output_tokens + tokens.cache_read_tokens + tokens.cache_creation_tokens


def usd(amount: float | None) -> str:
    """Dollars in at most seven cells, to a tenth of a cent below a hundred dollars."""
    if amount is None:
        return "–"
    if amount >= 1_000:
        return f"${count(int(amount))}"
    return f"${amount:.2f}" if amount >= 100 else f"${amount:.3f}"


def clock(instant: str | None) -> str:
    """An instant's time of day in UTC."""
    return "" if not instant or len(instant) < 19 else instant[11:19]


def fields(issue: Issue, shown: str) -> Mapping[str, str]:
    """What a filter may ask of an issue."""
    return {
        "state": f"{shown} {NAMES.get(shown, '')}",
        "repo": issue.repo or "",
        "issue": issue.identifier,
        "title": issue.title or "",
        "agent": issue.assigned_agent or "",
        "pri": issue.priority,
        "label": " ".join(issue.labels),
    }


FIELDS = ("state", "repo", "issue", "title", "agent", "pri", "label")
