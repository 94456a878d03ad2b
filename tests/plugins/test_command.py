"""The provider ``command``: a real shell, and the lines that are events (conventions §9)."""

import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from rig import Usage
from rig_command.lines import Bad, Progress, Question, Result, read
from rig_command.provider import CommandConfig, CommandProvider
from tests.standins.session import AskingSession, LocalSession

SCRIPT = """
read first
echo "prompt: $first in $(pwd)"
echo '{"type": "usage", "model": "gpt-5", "inputTokens": 1, "outputTokens": 2, "cacheReadTokens": 3, "cacheCreationTokens": 4}'
echo '{"type": "progress", "message": "half way", "turns": 1, "steps": 2}'
echo '{"type": "question", "question": "Red or blue?", "options": ["red", "blue"]}'
echo '{"type": "result", "result": "Made it.", "turns": 3, "sessionId": "s-1"}'
echo made > made.txt
echo $RIG_ISSUE $CANARY
"""


def _config(command: str, **rest: Any) -> CommandConfig:
    return CommandConfig(command=command, **rest)


async def test_a_program_gets_the_prompt_and_its_lines_are_log_and_events(tmp_path: Path) -> None:
    session = AskingSession(
        tmp_path, _config(SCRIPT), prompt="Make it.\nNow.", environment={"RIG_ISSUE": "acme/shop#7", "HOME": str(tmp_path)}
    )
    result = await CommandProvider().run(session)
    assert (result.ok, result.reason, result.summary, result.turns, result.session_id) == (True, "", "Made it.", 3, "s-1")
    assert session.lines[0] == f"prompt: Make it. in {os.path.realpath(tmp_path)}"
    assert len([line for line, stream in zip(session.lines, session.streams, strict=True) if stream == "stdout"]) == 6
    assert "acme/shop#7" in session.lines
    assert "answered: red" in session.lines
    assert session.usages == [Usage("gpt-5", 1, 2, 3, 4)]
    assert session.messages == [("half way", 1, 2)]
    assert session.asked == [("Red or blue?", ("red", "blue"))]
    assert (tmp_path / "made.txt").read_text() == "made\n"


async def test_a_session_that_cannot_ask_shows_the_question_as_progress(tmp_path: Path) -> None:
    session = LocalSession(tmp_path, _config("""echo '{"type": "question", "question": "Why?"}'"""))
    await CommandProvider().run(session)
    assert session.messages == [("asks: Why?", None, None)]


@pytest.mark.parametrize(("command", "reason"), [("exit 3", "exit 3"), ("kill -9 $$", "signal 9")])
async def test_any_other_exit_is_a_failure(tmp_path: Path, command: str, reason: str) -> None:
    result = await CommandProvider().run(LocalSession(tmp_path, _config(command)))
    assert (result.ok, result.reason) == (False, reason)


async def test_a_line_that_only_looks_like_an_event_is_said_to_be_none(tmp_path: Path) -> None:
    session = LocalSession(tmp_path, _config("""echo '{"type": "usage", "inputTokens": -1}'"""))
    result = await CommandProvider().run(session)
    assert result.ok
    assert session.usages == []
    assert session.lines[1].startswith("not an event: usage: inputTokens must be")
    assert session.streams == ["stdout", "system"]


@pytest.mark.parametrize(
    ("model", "configured", "named"),
    [("m1", "m2", "m1"), (None, "m2", "m2"), (None, None, "unknown")],
)
async def test_usage_that_names_no_model_is_of_the_sessions(
    tmp_path: Path, model: str | None, configured: str | None, named: str
) -> None:
    config = _config("""echo '{"type": "usage", "outputTokens": 1}'""", model=configured)
    session = LocalSession(tmp_path, config, model=model)
    await CommandProvider().run(session)
    assert session.usages == [Usage(named, output_tokens=1)]


@pytest.mark.parametrize(
    ("line", "event"),
    [
        (b"hello", None),
        (b"", None),
        (b"{", None),
        (b"{}", None),
        (b'["type"]', None),
        (b'{"type": "other"}', None),
        (b'{"type": ["usage"]}', None),
        (b'{"a":' * 100_000, None),
        (b'  {"type": "progress"} ', Progress("progress")),
        (b'{"type": "usage", "costUsd": 0.5}', Usage("m", cost_usd="0.5")),
        (b'{"type": "usage", "costUsd": NaN}', Bad("usage: costUsd must be a number of dollars")),
        (b'{"type": "usage", "inputTokens": true}', Bad("usage: inputTokens must be a whole number from 0 to 1000000000000")),
        (b'{"type": "question"}', Bad("question: question is missing")),
        (b'{"type": "question", "question": "?", "options": [1]}', Bad("question: options must be a list of texts")),
        (b'{"type": "question", "message": "?"}', Question("?")),
        (b'{"type": "question", "question": "?", "deadlineSeconds": 5}', Question("?", (), 5)),
        (b'{"type": "result", "summary": "s"}', Result("s")),
        (b'{"type": "result", "result": 7}', Bad("result: result must be a text")),
    ],
)
def test_lines_are_read_by_the_table(line: bytes, event: object) -> None:
    assert read(line, "m") == event


@pytest.mark.parametrize("bad", [{}, {"command": ""}, {"command": "x", "nonsense": 1}])
def test_a_configuration_that_cannot_work_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        CommandConfig.model_validate(bad)
