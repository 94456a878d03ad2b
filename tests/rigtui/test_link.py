"""What the stream's frames change, and how a connection ends and begins again."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, ClassVar, Self

import msgspec
import pytest

from rig.client import Frame, Target
from rig.errors import BadGateway, Unreachable
from rig.wire.shapes.answers import Issue
from rigtui import link as module
from rigtui.link import Link, change_of
from rigtui.state import VIEWS, Change, Changed, Connection, Listed, Missed, State, reduce
from tests.rigtui.fakes import agent, issue

AT = "2025-06-15T15:06:40.000Z"


def row(view: str, key: str, shown: object, sequence: int = 7) -> bytes:
    return msgspec.json.encode({"view": view, "key": key, "row": shown, "sequence": sequence})


@pytest.mark.parametrize(
    ("event", "data", "change"),
    [
        ("row", row("issues", "acme/shop#1", issue(1)), Changed("issues", "acme/shop#1", issue(1), 7)),
        ("row", row("issues", "acme/shop#1", None), Changed("issues", "acme/shop#1", None, 7)),
        ("row", row("agents", "dev-1", agent("dev-1")), Changed("agents", "dev-1", agent("dev-1"), 7)),
        ("row", row("of-a-later-version", "x", {"any": "thing"}), None),
        ("gap", b'{"sequence":9,"views":["agents"]}', Missed(("agents",), 9)),
        ("gap", b'{"sequence":9}', Missed(VIEWS, 9)),
        ("issue_approved", b"{}", None),
    ],
)
def test_a_frame_is_a_change_of_rows_or_none(event: str, data: bytes, change: Change | None) -> None:
    found = change_of(event, data)
    assert msgspec.to_builtins(found) == msgspec.to_builtins(change)


def test_a_field_that_another_version_does_not_send_is_empty() -> None:
    found = change_of("row", row("issues", "acme/shop#1", {"streamId": "acme/shop#1", "state": "queued", "of-later": 1}))
    assert isinstance(found, Changed)
    assert isinstance(found.row, Issue)
    assert (found.row.stream_id, found.row.title, found.row.labels) == ("acme/shop#1", None, ())


class Daemon:
    """Stands for a client: answers lists, and streams until it is told to break."""

    breaks: ClassVar[list[Exception]] = []
    """How each connection ends; the one after the last never does."""
    asked: ClassVar[list[str]] = []

    def __init__(self, target: Target, *, timeout: float) -> None:
        pass

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def call(self, name: str, **params: Any) -> Any:
        self.asked.append(name)
        match name:
            case "get_health":
                return {"status": "ok", "timestamp": AT}
            case "get_daily_costs":
                days = [(AT[:10], 1.25), ("2025-06-14", 9.0), (AT[:10], 0.5)]
                return {"period": "1d", "entries": [{"date": d, "agentId": "a", "costUsd": usd} for d, usd in days]}
        raise AssertionError(name)

    async def ask(self, name: str, **params: Any) -> tuple[Any, int]:
        self.asked.append(name)
        return ([msgspec.to_builtins(issue(1))] if name == "list_issues" else []), 5

    async def events(self, since: int, **options: Any) -> AsyncGenerator[Frame, None]:
        assert since == 5
        yield Frame("row", row("issues", "acme/shop#1", issue(1, "done")))
        yield Frame("row", row("issues", "acme/shop#2", issue(2)))
        end = self.breaks.pop(0) if self.breaks else None
        if end is not None:
            raise end
        await asyncio.Event().wait()


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> type[Daemon]:
    monkeypatch.setattr(module, "Client", Daemon)
    monkeypatch.setattr(module, "RETRY", 0.01)
    monkeypatch.setattr(Daemon, "breaks", [])
    monkeypatch.setattr(Daemon, "asked", [])
    return Daemon


async def follow(until: Any) -> list[Change]:
    """What a link tells until it has told enough."""
    told: list[Change] = []
    link = Link(lambda: Target("http://127.0.0.1:8080"), told.append)
    running = asyncio.ensure_future(link.run())
    async with asyncio.timeout(10):
        while not until(told):
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return told


async def test_lists_come_first_and_then_what_changed_since(daemon: type[Daemon]) -> None:
    told = await follow(lambda told: any(getattr(change, "usd", None) for change in told))
    views = [change.view for change in told if isinstance(change, Listed)]
    assert sorted(views[: len(VIEWS)]) == sorted(VIEWS)
    state = reduce(State(), told)
    assert {key: entry.row.state for key, entry in state.issues.items()} == {"acme/shop#1": "done", "acme/shop#2": "queued"}
    assert state.phase == "live"
    assert state.spent == 1.75, "of today alone"


@pytest.mark.parametrize("error", [Unreachable("gone"), BadGateway("another program")])
async def test_a_broken_connection_is_told_with_its_reason_and_begins_again_with_lists(
    daemon: type[Daemon], error: Exception
) -> None:
    daemon.breaks.append(error)
    told = await follow(lambda told: sum(c == Connection("live") for c in told) == 2)
    phases = [change for change in told if isinstance(change, Connection) and change.lag is None]
    assert [change.phase for change in phases] == ["connecting", "live", "disconnected", "connecting", "live"]
    assert phases[2].reason == str(error)
    assert sum(isinstance(change, Listed) and change.view == "issues" for change in told) == 2
