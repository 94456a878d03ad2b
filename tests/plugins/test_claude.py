"""The provider ``claude`` against the real command line and a stand-in of its model API, and its reading of lines."""

import asyncio
import json
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from rig import Usage
from rig_claude.config import ClaudeConfig
from rig_claude.control import question
from rig_claude.provider import ClaudeProvider, arguments, environment
from rig_claude.stream import Reading
from tests.standins.anthropic import Anthropic
from tests.standins.session import AskingSession, LocalSession, SteeredSession


def _session(tmp_path: Path, claude: str, api: Anthropic, kind: type[LocalSession] = LocalSession, **rest: Any) -> LocalSession:
    workspace, home = tmp_path / "workspace", tmp_path / "home"
    workspace.mkdir(exist_ok=True)
    home.mkdir(exist_ok=True)
    config = ClaudeConfig(command=claude, base_url=api.url, approval=rest.pop("approval", "auto"))
    rest = {"model": "claude-sonnet-4-5", "max_turns": 8, **rest}
    return kind(workspace, config, environment={"HOME": str(home), "ANTHROPIC_API_KEY": "made-up"}, **rest)


def _spent(session: LocalSession) -> dict[str, int]:
    return {
        "inputTokens": sum(u.input_tokens for u in session.usages),
        "outputTokens": sum(u.output_tokens for u in session.usages),
        "cacheReadTokens": sum(u.cache_read_tokens for u in session.usages),
        "cacheCreationTokens": sum(u.cache_creation_tokens for u in session.usages),
    }


async def test_a_real_session_writes_exactly_the_file_and_reports_exactly_the_tokens(tmp_path: Path, claude: str) -> None:
    async with Anthropic() as api:
        session = _session(tmp_path, claude, api, prompt="--not-an-option\n" + "long " * 60_000)
        result = await ClaudeProvider().run(session)
        assert result.ok, (result.reason, session.lines)
        assert [f.name for f in session.workspace.iterdir()] == [api.file_name]
        assert (session.workspace / api.file_name).read_text() == api.file_text
        first, usage = session.usages
        assert first.output_tokens == api.turns[0].output, "told as soon as its answer is over"
        assert _spent(session) == api.spent
        assert {first.model, usage.model} == {"claude-sonnet-4-5"}
        assert (first.cost_usd, usage.cost_usd is None) == (None, False)
        assert api.words in session.lines
        assert any(line.startswith("[tool] Bash ") and api.file_name in line for line in session.lines)
        assert (result.summary, result.turns) == (api.words, 2)
        assert [m[1:] for m in session.messages] == [(1, 1), (2, 1)]
        assert {path for method, path in api.requests if method == "POST"} == {"/v1/messages"}
        assert len(api.bodies) == 2
        assert api.keys <= {"made-up", None}
        assert "--not-an-option" in json.dumps(api.bodies[0])
        assert not any("long" in word for word in session.argv[0])

        again = _session(tmp_path, claude, api, prompt="And now?", resume=result.session_id)
        resumed = await ClaudeProvider().run(again)
        assert resumed.ok, (resumed.reason, again.lines)
        assert resumed.session_id == result.session_id
        assert again.usages[0].output_tokens == api.turns[1].output
        assert "--not-an-option" in json.dumps(api.bodies[-1])


def test_no_token_counts_twice_whatever_its_model_is_called_at_the_end() -> None:
    def answer(identity: str, model: str, reason: str, *counts: int) -> list[dict[str, Any]]:
        names = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
        begin, end = (
            dict(zip(names, (counts[0], 1, *counts[2:]), strict=True)),
            {"output_tokens": counts[1], "input_tokens": None},
        )
        message = {"id": identity, "model": model, "usage": begin}
        delta = {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": end}
        return [{"type": "stream_event", "event": event} for event in ({"type": "message_start", "message": message}, delta)]

    reading = Reading()
    for part in answer("m1", "claude-x-4-20250929", "tool_use", 5, 70, 900, 20):
        reading.feed(json.dumps(part).encode())
    assert reading.due() == [Usage("claude-x-4-20250929", 5, 70, 900, 20)]
    for part in answer("m2", "claude-x-4-20250929", "end_turn", 3, 10, 920, 0):
        reading.feed(json.dumps(part).encode())
    assert reading.due() == []
    assert reading.usage() == [Usage("claude-x-4-20250929", 3, 10, 920, 0)], "so far, should it end without a word"
    counts = {"inputTokens": 8, "outputTokens": 80, "cacheReadInputTokens": 1820, "cacheCreationInputTokens": 20}
    models = {"claude-x-4": {**counts, "costUSD": 0.5}, "claude-h": {"inputTokens": 9, "costUSD": 0.25}}
    reading.feed(json.dumps({"type": "result", "modelUsage": models}).encode())
    assert reading.usage() == [Usage("claude-x-4", 3, 10, 920, 0, "0.500000"), Usage("claude-h", 9, cost_usd="0.250000")]


@pytest.mark.parametrize(("hang_at", "requests", "turns"), [(0, 2, 2), (1, 3, 3)])
async def test_it_is_told_in_its_turn_else_by_another(
    tmp_path: Path, claude: str, hang_at: int, requests: int, turns: int
) -> None:
    words = ["--dangerously look\nleft", f"and right {os.getpid()}"]
    async with Anthropic(hang_at=hang_at) as api:
        session = _session(tmp_path, claude, api, kind=SteeredSession)
        assert isinstance(session, SteeredSession)
        running = asyncio.create_task(ClaudeProvider().run(session))
        await api.hanging.wait()
        for word in words:
            session.say(word)
        await asyncio.sleep(0.3)
        assert session.delivered == [], "the model has not been asked again"
        api.release()
        result = await asyncio.wait_for(running, 30)
        assert (result.ok, result.reason, session.delivered) == (True, "", words)
        assert (len(api.bodies), result.turns) == (requests, turns)
        last = json.dumps(api.bodies[-1])
        assert all(json.dumps(word)[1:-1] in last for word in words)
        assert not any("right" in part for part in session.argv[0])
        assert _spent(session) == api.spent


@pytest.mark.parametrize("hang_at", [0, 1])
@pytest.mark.parametrize("word", ["/clear", "@canary.txt what is it"])
async def test_what_people_say_is_no_command_of_the_program_and_reads_no_file(
    tmp_path: Path, claude: str, hang_at: int, word: str
) -> None:
    async with Anthropic(hang_at=hang_at) as api:
        session = _session(tmp_path, claude, api, kind=SteeredSession)
        (session.workspace / "canary.txt").write_text("canary-42")
        assert isinstance(session, SteeredSession)
        running = asyncio.create_task(ClaudeProvider().run(session))
        await api.hanging.wait()
        session.say(word)
        await asyncio.sleep(0.3)
        api.release()
        assert (await asyncio.wait_for(running, 30)).ok
        assert session.delivered == [word]
        assert word in json.dumps(api.bodies[-1])
        assert "canary-42" not in json.dumps(api.bodies)


@pytest.mark.parametrize("approval", ["auto", "deny"])
async def test_no_file_that_an_issue_names_is_read_without_the_agent(tmp_path: Path, claude: str, approval: str) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("canary-43")
    async with Anthropic() as api:
        prompt = f"/clear\nSee @canary.txt and\n@{outside} please"
        session = _session(tmp_path, claude, api, prompt=prompt, approval=approval)
        (session.workspace / "canary.txt").write_text("canary-42")
        assert (await ClaudeProvider().run(session)).ok
        said = json.dumps(api.bodies)
        assert json.dumps(prompt)[1:-1] in said
        assert "canary-4" not in said.replace(json.dumps(prompt)[1:-1], "")


async def test_what_is_said_after_the_last_turn_is_left_for_the_next_attempt(tmp_path: Path, claude: str) -> None:
    async with Anthropic() as api:
        session = _session(tmp_path, claude, api, kind=SteeredSession)
        assert isinstance(session, SteeredSession)
        assert (await ClaudeProvider().run(session)).ok
        session.say("too late")
        assert (session.delivered, session.rejected, session.steer_waits) == ([], [], True)


async def test_a_session_that_is_gone_is_started_afresh(tmp_path: Path, claude: str) -> None:
    async with Anthropic() as api:
        session = _session(tmp_path, claude, api, resume="3b241101-e2bb-4255-8caf-4136c566a962")
        result = await ClaudeProvider().run(session)
        assert result.ok, result.reason
        assert (session.workspace / api.file_name).exists()
        assert len(session.argv) == 2


async def test_a_denied_tool_changes_nothing(tmp_path: Path, claude: str) -> None:
    async with Anthropic() as api:
        session = _session(tmp_path, claude, api, approval="deny")
        await ClaudeProvider().run(session)
        assert list(session.workspace.iterdir()) == []
        assert any(line.startswith("[error]") for line in session.lines)


async def test_an_api_error_fails_the_session_with_its_reason(tmp_path: Path, claude: str) -> None:
    async with Anthropic(first_status=400) as api:
        session = _session(tmp_path, claude, api)
        result = await ClaudeProvider().run(session)
        assert not result.ok
        assert "400" in result.reason
        assert session.usages == []


async def test_running_out_of_turns_fails_the_session_and_still_counts_its_tokens(tmp_path: Path, claude: str) -> None:
    async with Anthropic() as api:
        session = _session(tmp_path, claude, api, max_turns=1)
        result = await ClaudeProvider().run(session)
        assert not result.ok
        assert "max_turns" in result.reason
        assert session.usages[0].output_tokens == api.turns[0].output


async def test_a_program_that_is_killed_fails_the_session(tmp_path: Path, claude: str) -> None:
    async with Anthropic(hang_at=0) as api:
        session = _session(tmp_path, claude, api)
        running = asyncio.create_task(ClaudeProvider().run(session))
        await asyncio.wait_for(api.hanging.wait(), 20)
        os.killpg(session.processes[0].pid, signal.SIGKILL)
        result = await running
        assert not result.ok
        assert result.reason == "claude was ended by signal 9"


async def test_a_cancelled_session_still_counts_what_it_has_spent(tmp_path: Path, claude: str) -> None:
    async with Anthropic(hang_at=1) as api:
        session = _session(tmp_path, claude, api)
        running = asyncio.create_task(ClaudeProvider().run(session))
        await asyncio.wait_for(api.hanging.wait(), 20)
        running.cancel()
        result = await running
        assert (result.ok, result.reason) == (False, "interrupted")
        with suppress(ProcessLookupError):
            os.killpg(session.processes[0].pid, signal.SIGKILL)
        await session.processes[0].wait()
        (usage,) = session.usages
        assert (usage.input_tokens, usage.cache_read_tokens) == (api.turns[0].input, api.turns[0].cache_read)

        api.release()
        again = _session(tmp_path, claude, api, prompt="Go on.", resume=result.session_id)
        resumed = await ClaudeProvider().run(again)
        assert (resumed.ok, resumed.session_id, resumed.summary) == (True, result.session_id, api.words)


@pytest.mark.parametrize("asks", [False, True])
async def test_a_permission_is_asked_for_and_without_an_answer_denied(tmp_path: Path, claude: str, asks: bool) -> None:
    async with Anthropic() as api:
        session = _session(tmp_path, claude, api, AskingSession if asks else LocalSession, approval="ask")
        assert (await ClaudeProvider().run(session)).ok
        assert [f.name for f in session.workspace.iterdir()] == ([api.file_name] if asks else [])
        if isinstance(session, AskingSession):
            ((asked, options),) = session.asked
            assert asked.startswith("claude wants to use Bash:\n")
            assert api.file_name in asked
            assert options == ("approve", "deny")


@pytest.mark.parametrize("command", ["true " + "x" * 3000 + "; rm -rf ~", "\x1b" * 1500 + "; rm -rf ~"])
def test_nobody_is_asked_for_a_command_that_cannot_be_shown_whole(command: str) -> None:
    assert question({"tool_name": "Bash", "input": {"command": command}}) is None
    assert question({"tool_name": "Write", "input": {"file_path": "a", "content": command}}) is not None


def test_a_question_shows_all_that_a_tool_is_given() -> None:
    plain = {"command": "ls -l", "description": "List", "timeout": 5}
    assert question({"tool_name": "Bash", "input": plain}) == "claude wants to use Bash:\nls -l"
    odd = question({"tool_name": "mcp__files__do", "input": {"command": "create", "path": "/etc/passwd", "text": "evil"}})
    assert odd is not None
    assert "/etc/passwd" in odd
    assert "evil" in odd


def _lines(*objects: object) -> Reading:
    reading = Reading()
    for thing in objects:
        reading.feed(json.dumps(thing).encode())
    return reading


def _answer(identity: str, **usage: int) -> dict[str, Any]:
    content = [{"type": "text", "text": "hello\nworld"}]
    return {"type": "assistant", "message": {"id": identity, "model": "claude-opus-4-8", "content": content, "usage": usage}}


def test_tokens_of_several_models_are_told_apart() -> None:
    counts = {"inputTokens": 1, "outputTokens": 2, "cacheReadInputTokens": 3, "cacheCreationInputTokens": 4, "costUSD": 1e-05}
    models = {"claude-opus-4-8[1m]": counts, "claude-haiku-4-5": {"inputTokens": 9}, "unused": {}}
    reading = _lines({"type": "result", "is_error": False, "usage": {"input_tokens": 1}, "modelUsage": models})
    assert reading.usage() == [Usage("claude-opus-4-8", 1, 2, 3, 4, "0.000010"), Usage("claude-haiku-4-5", 9)]


def test_without_a_table_of_models_the_sum_counts() -> None:
    reading = _lines(
        {"type": "system", "subtype": "init", "session_id": "s", "model": "claude-sonnet-4-5"},
        {"type": "result", "usage": {"input_tokens": 5, "output_tokens": 6}, "total_cost_usd": 0.25},
    )
    assert reading.usage() == [Usage("claude-sonnet-4-5", 5, 6, 0, 0, "0.250000")]


def test_a_session_without_an_end_counts_what_its_answers_began_with() -> None:
    reading = _lines(
        _answer("a", input_tokens=10, output_tokens=1, cache_read_input_tokens=5),
        _answer("a", input_tokens=10, output_tokens=1, cache_read_input_tokens=5),
        _answer("b", input_tokens=20, output_tokens=1),
    )
    assert reading.turns == 2
    assert reading.usage() == [Usage("claude-opus-4-8", 30, 2, 5, 0)]


@pytest.mark.parametrize(
    ("result", "failure"),
    [
        ({"is_error": False, "result": "fine"}, None),
        ({"is_error": True, "subtype": "success", "result": "API Error: 529"}, "API Error: 529"),
        ({"is_error": True, "subtype": "error_max_turns", "errors": ["Reached 5"]}, "error_max_turns: Reached 5"),
        ({"is_error": True}, "error"),
    ],
)
def test_the_reason_of_a_failure_is_what_the_program_says(result: dict[str, Any], failure: str | None) -> None:
    assert _lines({"type": "result", **result}).failure == failure


@pytest.mark.parametrize(
    "line",
    [b"", b"null", b"[1]", b'"x"', b"{", b"\xff\xfe", b"[" * 100_000, b'{"type":"assistant","message":{"content":7,"usage":[]}}',
     b'{"type":"user","message":{"content":[1,{"type":"tool_result","content":[{"type":"image"}]}]}}',
     b'{"type":"result","usage":"x","modelUsage":{"m":{"inputTokens":-4,"outputTokens":true}},"num_turns":"7"}'],
)  # fmt: skip
def test_a_line_of_any_shape_is_borne(line: bytes) -> None:
    reading = Reading()
    reading.feed(line)
    assert reading.usage() == []


def test_the_command_line_takes_the_smaller_limit_and_never_the_prompt() -> None:
    config = ClaudeConfig(max_turns=5, allowed_tools=("Edit", "Bash(git *)"))
    argv = arguments(config, "m", 20, None)
    assert argv[argv.index("--max-turns") + 1] == "5"
    assert argv[argv.index("--allowedTools") + 1] == "Edit,Bash(git *)"
    assert "--dangerously-skip-permissions" not in argv


def test_only_root_that_allows_everything_says_it_is_a_sandbox() -> None:
    auto = ClaudeConfig(approval="auto")
    assert environment(auto, root=True)["IS_SANDBOX"] == "1"
    assert "IS_SANDBOX" not in environment(auto, root=False)
    assert "IS_SANDBOX" not in environment(ClaudeConfig(), root=True)


@pytest.mark.parametrize(
    "bad", [{"approval": "sometimes"}, {"allowed_tools": ["--help"]}, {"base_url": "file:///x"}, {"nonsense": 1}]
)
def test_a_configuration_that_cannot_work_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ClaudeConfig.model_validate(bad)
