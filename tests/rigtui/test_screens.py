"""The screens over a state without a daemon: what the keys do, and how it looks at two sizes."""

import re
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode
from textual.pilot import Pilot
from textual.widgets import Input

from rig.wire.shapes.answers import CostLine, TokenCounts
from rigtui.screens.answer import AnswerScreen, SteerScreen
from rigtui.screens.issue import IssueScreen
from rigtui.screens.queue import QueueScreen
from rigtui.screens.session import SessionScreen
from rigtui.state import Connection, Listed, Spent
from rigtui.widgets.hints import Hints
from rigtui.widgets.loglines import LogLines
from rigtui.widgets.table import Table
from tests.rigtui.fakes import Alone, agent, execution, history, issue, question

SIZES = [(80, 24), (160, 50)]


class Picture(SingleFileSnapshotExtension):
    """An SVG file a snapshot."""

    _write_mode = WriteMode.TEXT
    file_extension = "svg"


@pytest.fixture
def picture(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    return snapshot.use_extension(Picture)


def drawn(app: Alone) -> str:
    """The screen as SVG, without the ids that differ from run to run."""
    return re.sub(r"terminal-\d+-", "terminal-", app.export_screenshot(title="rigtui"))


TOKENS = TokenCounts(input_tokens=1_200, output_tokens=4_994, cache_read_tokens=160_855, cache_creation_tokens=28_927)


def fleet(app: Alone) -> None:
    """A fleet in which everything happens that a row can show."""
    rows = [
        issue(
            1,
            "in_progress",
            title="Checkout fails when the cart holds a gift card",
            priority="critical",
            assigned_agent="dev-1",
            tokens=TOKENS,
            total_cost_usd=0.231673,
        ),
        issue(
            2,
            "in_progress",
            title="日本語のタイトル: 在庫の表示が崩れる",
            priority="high",
            assigned_agent="dev-2",
            tokens=TOKENS,
            total_cost_usd=12.5,
        ),
        issue(3, "assigned", title="Retry the nightly export", assigned_agent="dev-3", attempt=2),
        issue(
            4,
            "in_review",
            title="Flaky test: test_refund_is_idempotent",
            pr_number=412,
            pr_url="https://github.com/acme/shop/pull/412",
            assigned_agent="dev-4",
            tokens=TOKENS,
            total_cost_usd=0.7,
        ),
        issue(5, "queued", title="[bold red]markup[/] \x1b[31mANSI\x1b[0m 👩\u200d🚀"),
        issue(6, "queued", title="Waits for another", priority="low", depends_on=("acme/shop#5",)),
        issue(
            7,
            "failed",
            title="Split billing out of the monolith",
            reason="no output for 15 minutes",
            assigned_agent="dev-1",
            tokens=TOKENS,
            total_cost_usd=1.4,
        ),
        issue(8, "failed", cancelled=True, title="Old landing page"),
        issue(9, "done", title="Docs: how to rotate secrets", tokens=TOKENS, total_cost_usd=0.1, assigned_agent="dev-2"),
    ]
    app.tell_now(
        Connection("live", lag=0.004),
        Listed("issues", {row.stream_id: row for row in rows}, 100),
        Listed("queue", {"acme/shop#5": rows[4]}, 100),
        Listed("agents", {f"dev-{n}": agent(f"dev-{n}", online=n != 4) for n in range(1, 6)}, 100),
        question(2, "Which of the two warehouses is the truth?", "Berlin", "Osaka"),
        Spent(16.43),
    )


@pytest.fixture
def told(alone: Alone) -> Alone:
    usage = {"agentId": "dev-2", "model": "claude-sonnet-4-5", "inputTokens": 10, "outputTokens": 4994}
    cost = made_cost()
    alone.line.history = history(
        "acme/shop#2",
        ("issue_approved", {"priority": "high"}),
        ("issue_assigned", {"agentId": "dev-2", "attempt": 1}),
        ("work_started", {"agentId": "dev-2", "executionId": "execution-1"}),
        ("token_usage", usage),
        ("execution_progressed", {"executionId": "execution-1", "message": "turn 1 of 3"}),
        ("merged", {"reason": "[@click=app.quit]\x1b]52;c;x\x07"}),
        e4={"cost": cost},
        e6={"applied": False, "reason": "an issue that is worked on can't be merged"},
    )
    alone.line.attempts = [execution(2, 2), execution(2, 1, "failed")]
    alone.line.output = {
        "execution-2": [
            ("agent", "Reading stock.py"),
            ("agent", "[tool] Edit stock.py"),
            ("stderr", "\x1b[31mwarning\x1b[0m: slow"),
            ("system", "session completed"),
        ],
        "execution-1": [("agent", "the first attempt")],
    }
    return alone


def made_cost() -> CostLine:
    return CostLine(counted_usd=0.231673, rule="recomputed", computed_usd=0.231673, reported_usd=0.242194)


async def keys(pilot: Pilot[Any], *names: str) -> None:
    await pilot.press(*names)
    await pilot.pause()


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_the_queue(alone: Alone, picture: SnapshotAssertion, size: tuple[int, int]) -> None:
    async with alone.run_test(size=size) as pilot:
        fleet(alone)
        await pilot.pause()
        assert drawn(alone) == picture


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_an_issue(told: Alone, picture: SnapshotAssertion, size: tuple[int, int]) -> None:
    async with told.run_test(size=size) as pilot:
        fleet(told)
        told.open_issue("acme/shop#2")
        await pilot.pause(0.2)
        assert drawn(told) == picture


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_a_session(told: Alone, picture: SnapshotAssertion, size: tuple[int, int]) -> None:
    async with told.run_test(size=size) as pilot:
        fleet(told)
        told.open_session("acme/shop#2")
        await pilot.pause(0.3)
        assert drawn(told) == picture


async def test_a_dashboard_without_work_says_how_to_begin(alone: Alone, picture: SnapshotAssertion) -> None:
    async with alone.run_test(size=(80, 24)) as pilot:
        alone.tell_now(Connection("live", lag=0.002), Listed("issues", {}, 0))
        await pilot.pause()
        assert drawn(alone) == picture


async def test_a_lost_daemon_is_told_with_its_reason_and_what_was_known_stays(alone: Alone, picture: SnapshotAssertion) -> None:
    async with alone.run_test(size=(80, 24)) as pilot:
        fleet(alone)
        alone.tell_now(Connection("disconnected", "http://127.0.0.1:8080 does not answer", again=2.0))
        await pilot.pause()
        assert drawn(alone) == picture


async def test_without_colour_signs_and_marks_tell_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = Alone(no_color=True)
    async with app.run_test(size=(80, 24)) as pilot:
        fleet(app)
        await pilot.pause()
        colours = {
            colour
            for line in app.screen._compositor.render_strips()
            for segment in line.apply_filter(app._filters[-1], app.screen.background_colors[1])
            if segment.style is not None
            for colour in (segment.style.color, segment.style.bgcolor)
            if colour is not None and not colour.is_default
        }
        assert colours == set()
        text = "\n".join(line.text for line in app.screen._compositor.render_strips())
        assert "▌? asks you" in text
        assert "✗ failed" in text


async def test_keys_lead_in_and_back_and_never_out(told: Alone) -> None:
    async with told.run_test(size=(80, 24)) as pilot:
        fleet(told)
        await keys(pilot, "enter")
        assert isinstance(told.screen, IssueScreen)
        await pilot.pause(0.1)
        await keys(pilot, "g", "j", "j", "enter")
        assert isinstance(told.screen, SessionScreen)
        await pilot.pause(0.2)
        log = told.screen.query_one(LogLines)
        assert log.texts == ["the first attempt"]
        await keys(pilot, "p")
        await pilot.pause(0.2)
        assert log.texts == ["Reading stock.py", "[tool] Edit stock.py", "warning: slow", "session completed"]
        await keys(pilot, "q", "q", "q", "q")
        assert isinstance(told.screen, QueueScreen)
        assert told.is_running
        assert "ctrl+q" in told.screen.query_one(Hints).render_line(0).text


async def test_a_filter_narrows_while_one_types_and_escape_takes_it_away(alone: Alone) -> None:
    async with alone.run_test(size=(80, 24)) as pilot:
        fleet(alone)
        table = alone.screen.query_one(Table)
        await keys(pilot, "slash", *"state:failed")
        assert list(table.keys) == ["acme/shop#7"]
        await keys(pilot, "enter")
        assert list(table.keys) == ["acme/shop#7"]
        assert alone.focused is table
        await keys(pilot, "escape")
        assert len(table.keys) == 9


async def test_commands_open_what_they_name(told: Alone) -> None:
    async with told.run_test(size=(80, 24)) as pilot:
        fleet(told)
        await keys(pilot, "colon", *"i acme/shop#2", "enter")
        assert isinstance(told.screen, IssueScreen)
        told.command("q")
        await pilot.pause()
        assert isinstance(told.screen, QueueScreen)
        told.command("reboot")
        await pilot.pause()
        assert "there is no command reboot" in told.screen.query_one(Hints).render_line(0).text


async def test_help_finds_a_key_and_runs_it(alone: Alone) -> None:
    async with alone.run_test(size=(80, 24)) as pilot:
        fleet(alone)
        await keys(pilot, "question_mark", *"again", "enter")
        await pilot.pause()
        assert alone.line.wanted[-1] == "everything"


async def test_an_answer_is_sent_only_after_it_was_looked_at(alone: Alone) -> None:
    async with alone.run_test(size=(80, 24)) as pilot:
        fleet(alone)
        await keys(pilot, "a")
        assert isinstance(alone.screen, AnswerScreen)
        await keys(pilot, "2", "enter")
        assert alone.line.answered == []
        await keys(pilot, "escape")
        assert isinstance(alone.screen, AnswerScreen)
        assert alone.screen.query_one(Input).value == "2"
        await keys(pilot, "enter", "enter")
        await pilot.pause()
        assert alone.line.answered == [("q1", "Osaka")]
        assert isinstance(alone.screen, QueueScreen)


async def test_leaving_the_question_sends_nothing(alone: Alone) -> None:
    async with alone.run_test(size=(80, 24)) as pilot:
        fleet(alone)
        await keys(pilot, "a", "y", "e", "s", "enter", "escape", "escape")
        assert isinstance(alone.screen, QueueScreen)
        assert alone.line.answered == []


async def test_an_agent_at_work_is_told_only_after_it_was_looked_at(alone: Alone) -> None:
    async with alone.run_test(size=(80, 24)) as pilot:
        fleet(alone)
        stream = next(key for key, entry in alone.state.issues.items() if entry.row and entry.row.state == "in_progress")
        alone.open_issue(stream)
        await pilot.pause()
        await keys(pilot, "s", *"go", "enter")
        assert isinstance(alone.screen, SteerScreen)
        assert alone.line.told == []
        await keys(pilot, "enter")
        await pilot.pause()
        assert alone.line.told == [(stream, "go")]
        assert isinstance(alone.screen, IssueScreen)


async def test_where_no_agent_is_at_work_there_is_nobody_to_tell(alone: Alone) -> None:
    async with alone.run_test(size=(80, 24)) as pilot:
        fleet(alone)
        stream = next(key for key, entry in alone.state.issues.items() if entry.row and entry.row.state == "queued")
        alone.open_issue(stream)
        await pilot.pause()
        await keys(pilot, "s")
        assert isinstance(alone.screen, IssueScreen)
