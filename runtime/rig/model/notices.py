"""Which events people are told of, and in which words. Pure: an event and the issue that it is about, to a notice or nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

NoticeKind = Literal["attention", "failed", "done", "stuck", "alarm"]
"""``attention``: a person is asked; ``failed``: work ended badly; ``done``; ``stuck``: an agent or an issue gets no further;
``alarm``: Rig itself, a plugin or a dependency is not well."""
Severity = Literal["info", "warning", "critical"]

KINDS: tuple[NoticeKind, ...] = ("attention", "failed", "done", "stuck", "alarm")
MAX_TEXT = 1000
"""Characters of a notice's text."""


@dataclass(frozen=True)
class Notice:
    """What is to be said of an event."""

    kind: NoticeKind
    severity: Severity
    title: str
    text: str = ""


@dataclass(frozen=True)
class Subject:
    """What a notice needs to know of the issue that an event is about; taken when the notice is made, not when it happened."""

    name: str
    title: str = ""
    done: bool = False
    """Whether the issue is done: work that is completed may leave it in review, or waiting for sub-issues."""


def notice(type_: str, body: Mapping[str, Any], subject: Subject) -> Notice | None:
    """The notice of an event, None where people need not know. Texts of agents and trackers are in it: clean it before use."""
    if type_ not in TOLD:
        return None
    kind, severity, head, text = _TABLE[type_]
    if type_ == "work_failed" and not body.get("terminal"):
        return None  # it is tried again
    if type_ == "work_completed" and not subject.done:
        return None
    if type_ == "plugin_faulted" and not body.get("quarantined"):
        return None
    said = text(body)
    named = _name(body) or _field("plugin")(body) if kind == "alarm" else subject.name
    title = head.format(name=named)
    about = " – ".join(part for part in (subject.title, said) if part)
    return Notice(kind, severity, title, about[:MAX_TEXT])


def _field(name: str) -> Callable[[Mapping[str, Any]], str]:
    def read(body: Mapping[str, Any]) -> str:
        value = body.get(name)
        return value if isinstance(value, str) else ""

    return read


def _nothing(body: Mapping[str, Any]) -> str:
    return ""


_reason, _question, _name = _field("reason"), _field("question"), _field("name")

_TABLE: dict[str, tuple[NoticeKind, Severity, str, Callable[[Mapping[str, Any]], str]]] = {
    "question_asked": ("attention", "warning", "{name}: an agent asks", _question),
    "question_expired": ("attention", "warning", "{name}: a question was not answered in time", _reason),
    "issue_needs_human": ("attention", "warning", "{name} needs a person", _reason),
    "human_gate_triggered": ("attention", "warning", "{name} waits for approval", _reason),
    "human_gate_reminder": ("attention", "warning", "{name} still waits for approval", _nothing),
    "work_failed": ("failed", "critical", "{name} failed", _reason),
    "escalated": ("failed", "critical", "{name}: agents could not do it", _reason),
    "work_completed": ("done", "info", "{name} is done", _nothing),
    "issue_done": ("done", "info", "{name} is done", _reason),
    "issue_forced_done": ("done", "info", "{name} was declared done", _reason),
    "agent_stuck": ("stuck", "warning", "{name}: its agent is stuck", _reason),
    "issue_orphaned": ("stuck", "warning", "{name} is claimed by nobody", _nothing),
    "dependency_alarmed": ("alarm", "critical", "{name} stays broken", _reason),
    "dependency_recovered": ("alarm", "info", "{name} is well again", _nothing),
    "plugin_faulted": ("alarm", "warning", "The plugin {name} is quarantined", _field("error")),
}

TOLD = frozenset(_TABLE)
"""Types of events of which people may be told."""
