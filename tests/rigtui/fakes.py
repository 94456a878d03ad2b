"""What the dashboard's tests share: rows, and a dashboard without a daemon."""

from typing import TypeVar

import msgspec

from rig.client import Target
from rig.wire.shapes.answers import Agent, Issue, TokenCounts
from rigtui.app import Dashboard
from rigtui.state import Changed

S = TypeVar("S", bound=msgspec.Struct)
NOW = 1_750_000_000.0
"""2025-06-15T15:06:40Z."""


def made(shape: type[S], given: dict[str, object]) -> S:
    """A row with what is given; what it must have besides is None."""
    needed = {field.name: None for field in msgspec.structs.fields(shape) if field.required}
    return shape(**(needed | given))


def issue(number: int, state: str = "queued", **fields: object) -> Issue:
    """An issue of ``acme/shop``."""
    key = f"acme/shop#{number}"
    given: dict[str, object] = {
        "stream_id": key,
        "identifier": key,
        "repo": "acme/shop",
        "issue_number": number,
        "title": f"Title {number}",
        "state": state,
        "cancelled": False,
        "priority": "normal",
        "milestone": None,
        "labels": (),
        "depends_on": (),
        "parent": None,
        "assigned_agent": None,
        "attempt": 1,
        "branch": None,
        "pr_number": None,
        "pr_url": None,
        "url": None,
        "orphan_status": None,
        "reason": None,
        "tokens": TokenCounts(input_tokens=0, output_tokens=0, cache_read_tokens=0, cache_creation_tokens=0),
        "total_cost_usd": 0.0,
        "queued_at": "2025-06-15T15:05:00.000Z",
        "created_at": "2025-06-15T15:05:00.000Z",
        "updated_at": "2025-06-15T15:06:00.000Z",
        "last_event_sequence": number,
    }
    return made(Issue, given | fields)


def agent(name: str, online: bool = True) -> Agent:
    """An agent."""
    return made(Agent, {"id": name, "status": "idle", "is_online": online, "issues_completed": 0, "issues_failed": 0})


def changed(row: Issue, sequence: int) -> Changed:
    """The frame that brings an issue's row."""
    return Changed("issues", row.stream_id, row, sequence)


class Alone(Dashboard):
    """A dashboard that follows no daemon, at a fixed instant."""

    def __init__(self) -> None:
        super().__init__(lambda: Target("http://127.0.0.1:8080"))

    def follow(self) -> None:
        pass

    def now(self) -> float:
        return NOW
