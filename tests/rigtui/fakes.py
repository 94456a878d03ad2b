"""What the dashboard's tests share: rows, and a dashboard without a daemon."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from typing import TypeVar, get_origin

import msgspec

from rig.client import Target
from rig.wire.shapes.answers import Agent, AttentionItem, Execution, Issue, Steered, TokenCounts
from rigtui.app import Dashboard
from rigtui.history import Happened, History
from rigtui.state import Change, Changed, Listed

S = TypeVar("S", bound=msgspec.Struct)
NOW = 1_750_000_000.0
"""2025-06-15T15:06:40Z."""


def made(shape: type[S], given: dict[str, object]) -> S:
    """A row with what is given; what it must have besides is None, or empty where it is a list."""
    lists = (list, tuple)
    needed = {f.name: () if get_origin(f.type) in lists else None for f in msgspec.structs.fields(shape) if f.required}
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


class Line:
    """Stands for the connection: gives what it was told to."""

    url = "http://127.0.0.1:8080"

    def __init__(self) -> None:
        self.history: History | None = None
        self.attempts: list[Execution] = []
        self.output: dict[str, list[tuple[str, str]]] = {}
        """Execution to (stream, text) of its lines."""
        self.wanted: list[str] = []
        self.answered: list[tuple[str, str]] = []
        self.told: list[tuple[str, str]] = []

    @property
    def client(self) -> "Line":
        return self

    async def traces(self, stream: str, broken: object) -> AsyncGenerator[History, None]:
        if self.history is not None:
            yield self.history
        await asyncio.Event().wait()

    async def executions(self, stream: str) -> list[Execution]:
        return self.attempts

    async def log_lines(self, execution: str, after: int, **options: object) -> AsyncGenerator[dict[str, object], None]:
        for number, (stream, text) in enumerate(self.output.get(execution, ()), 1):
            if number > after:
                yield {"line": number, "at": "2025-06-15T15:06:10.000Z", "stream": stream, "text": text}
        await asyncio.Event().wait()

    async def answer(self, question: str, text: str) -> None:
        self.answered.append((question, text))

    async def steer(self, issue: str, text: str) -> Steered:
        self.told.append((issue, text))
        return Steered(ok=True, status="delivered", steer_id="s1", reason=None)

    def want(self, views: Iterable[str]) -> None:
        self.wanted += views

    def resync(self) -> None:
        self.wanted.append("everything")


class Alone(Dashboard):
    """A dashboard that follows no daemon, at a fixed instant."""

    def __init__(self, *, no_color: bool = False) -> None:
        super().__init__(lambda: Target("http://127.0.0.1:8080"), no_color=no_color)
        self.line = Line()
        self.link = self.line  # type: ignore[assignment]  # what screens ask of it

    def follow(self) -> None:
        pass

    def now(self) -> float:
        return NOW

    def tell_now(self, *changes: Change) -> None:
        """Take changes and show them at once."""
        self._changes += changes
        self._show()


def history(stream: str, *events: tuple[str, dict[str, object]], **more: dict[str, object]) -> History:
    """An issue's history, an event a second; ``more`` by ``e<number>`` is what else an event has."""
    happened = [
        made(
            Happened,
            {
                "at": f"2025-06-15T15:05:{number:02}.000Z",
                "type": kind,
                "data": data,
                "sequence": number,
                **more.get(f"e{number}", {}),
            },
        )
        for number, (kind, data) in enumerate(events, 1)
    ]
    return made(History, {"issue_id": stream, "current_state": "queued", "as_of": len(events), "events": happened})


def question(number: int, text: str, *options: str) -> Listed:
    """The list of open questions with one about an issue."""
    row = AttentionItem(
        id="q1",
        kind="question",
        subject=f"acme/shop#{number}",
        question=text,
        options=options,
        since="2025-06-15T15:06:00.000Z",
        deadline=None,
    )
    return Listed("attention", {"q1": row}, 1)


def execution(number: int, attempt: int, status: str = "running") -> Execution:
    """An attempt of an issue of ``acme/shop``."""
    given = {
        "id": f"execution-{attempt}",
        "issue_id": f"acme/shop#{number}",
        "agent_id": "rig-1",
        "attempt": attempt,
        "status": status,
        "provider": "claude",
        "model": "claude-sonnet-4-5",
        "started_at": "2025-06-15T15:05:40.000Z",
        "total_cost_usd": 0.25,
        "total_turns": 3,
        "tokens": TokenCounts(input_tokens=100, output_tokens=2_000, cache_read_tokens=30_000, cache_creation_tokens=4_000),
    }
    return made(Execution, given)
