"""The loop of a model behind an OpenAI-compatible server, against a stand-in that draws everything anew and cuts its streams anywhere."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from rig import Model, PluginError
from rig_openai import server as server_module
from rig_openai.config import OpenAIConfig
from rig_openai.provider import OpenAIProvider
from rig_openai.repeats import GIVE_UP, SAME
from tests.standins.chat import Chat, Failure, Reply
from tests.standins.session import AskingSession, LocalSession, SteeredSession

MODEL = "stand-in-1"


@asynccontextmanager
async def session_of(
    tmp_path: Path, api: Chat, kind: type[LocalSession] = LocalSession, *, config: dict[str, Any] | None = None, **rest: Any
) -> AsyncIterator[LocalSession]:
    """A session in a home that an earlier one may have used; its programs are ended."""
    workspace, home = tmp_path / "workspace", tmp_path / "home"
    workspace.mkdir(exist_ok=True)
    home.mkdir(exist_ok=True)
    made = OpenAIConfig(base_url=api.url, **{"approval": "auto", "model": MODEL, **(config or {})})
    session = kind(workspace, made, environment={"HOME": str(home)}, **rest)
    try:
        yield session
    finally:
        for process in session.processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


def spent(session: LocalSession) -> dict[str, int]:
    return {
        "inputTokens": sum(u.input_tokens for u in session.usages),
        "outputTokens": sum(u.output_tokens for u in session.usages),
        "cacheReadTokens": sum(u.cache_read_tokens for u in session.usages),
        "cacheCreationTokens": sum(u.cache_creation_tokens for u in session.usages),
    }


async def played(
    tmp_path: Path, replies: Sequence[Reply | Failure] | None = None, **config: Any
) -> tuple[Any, LocalSession, Chat]:
    """A whole session; its result, what it told and what the server heard."""
    api_given = {
        name: config.pop(name) for name in ("native", "models", "usage", "streaming", "key", "context") if name in config
    }
    async with (
        Chat(replies=replies, **api_given) as api,
        session_of(tmp_path, api, config=config) as session,
    ):
        async with asyncio.timeout(30):
            result = await OpenAIProvider("qwen").run(session)
        return result, session, api


FORMS = [
    pytest.param({}, id="native, streamed"),
    pytest.param({"streaming": False}, id="native, whole"),
    pytest.param({"native": False}, id="text, as the server has no calls"),
    pytest.param({"tool_calls": "text"}, id="text, as it is configured"),
]


@pytest.mark.parametrize("form", FORMS)
async def test_it_writes_exactly_the_file_and_reports_exactly_the_tokens(tmp_path: Path, form: dict[str, Any]) -> None:
    result, session, api = await played(tmp_path, **form)
    assert result.ok, (result.reason, session.lines)
    assert (session.workspace / api.file_name).read_bytes().decode() == api.file_text
    assert [str(f.relative_to(session.workspace)) for f in session.workspace.rglob("*") if f.is_file()] == [api.file_name]
    assert spent(session) == api.spent
    assert len(session.usages) == 2
    assert {u.model for u in session.usages} == {MODEL}
    assert (result.summary, result.turns) == (api.words, 2)
    assert api.words in session.lines
    assert f"[tool] write {api.file_name}" in session.lines
    assert "I write it." in session.lines
    assert [m[1:] for m in session.messages] == [(1, 0), (1, 1), (2, 1)]
    assert api.faults == []
    native = form.get("native", True) and form.get("tool_calls") != "text"
    assert ("tools" in api.bodies[-1]) is native


async def test_thoughts_and_words_are_logged_line_by_line(tmp_path: Path) -> None:
    _, session, _ = await played(tmp_path)
    told = [line for line, stream in zip(session.lines, session.streams, strict=True) if stream == "agent"]
    assert told[1:5] == ["[thought] They want a file.", "[thought] So be it.", "I write it.", "Now."]


async def test_a_single_answer_has_no_tools(tmp_path: Path) -> None:
    result, _session, api = await played(tmp_path, [Reply("It is 42.")], react_enabled=False)
    assert (result.ok, result.summary, result.turns) == (True, "It is 42.", 1)
    (body,) = api.bodies
    assert "tools" not in body
    assert [m["role"] for m in body["messages"]] == ["user"]
    cut, _, _ = await played(tmp_path, [Reply("It is", finish="length")], react_enabled=False)
    assert (cut.ok, cut.reason) == (False, "the answer was cut off: it is longer than the model may write")


async def test_parameters_and_instructions_go_along(tmp_path: Path) -> None:
    _, _, api = await played(tmp_path, parameters={"temperature": 0.25}, instructions="Speak like a pirate.")
    assert {body["temperature"] for body in api.bodies} == {0.25}
    assert all("Speak like a pirate." in body["messages"][0]["content"] for body in api.bodies)


SEVERAL = ("llama-3", "Qwen/Qwen3-Coder", "gemma-3")


@pytest.mark.parametrize(
    ("models", "model", "asked"),
    [
        (("only-one",), None, "only-one"),
        (SEVERAL, None, "Qwen/Qwen3-Coder"),
        (("a", "b"), None, "name a model; the server has: a, b"),
        ((), None, "name a model; the server has: none"),
        (SEVERAL, "phi", "The model `phi` does not exist.; it has: llama-3, Qwen/Qwen3-Coder, gemma-3"),
    ],
)
async def test_a_model_is_chosen_where_there_is_one_to_choose(
    tmp_path: Path, models: tuple[str, ...], model: str | None, asked: str
) -> None:
    result, session, api = await played(tmp_path, models=models, model=model)
    if result.ok:
        assert {body["model"] for body in api.bodies} == {asked} == {u.model for u in session.usages}
    else:
        assert result.reason.endswith(asked)


async def test_a_key_is_sent_and_told_to_nobody(tmp_path: Path) -> None:
    result, _, api = await played(tmp_path, key="made-up-key", api_key="made-up-key")
    assert result.ok
    assert api.keys == {"Bearer made-up-key"}
    refused, session, _ = await played(tmp_path, key="another", api_key="made-up-key")
    assert not refused.ok
    assert "401" in refused.reason
    assert "look at its api_key" in refused.reason
    assert "made-up-key" not in refused.reason + "".join(session.lines)
    assert "made-up-key" not in "".join(p.read_text() for p in (tmp_path / "home").rglob("*") if p.is_file())


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """No pause lasts; how long they should have been."""
    pauses: list[float] = []

    def pause(attempt: int, seconds: float | None, share: float) -> float:
        pauses.append(-attempt if seconds is None else seconds)
        return 0.0

    monkeypatch.setattr(server_module, "pause", pause)
    return pauses


async def test_a_server_that_is_busy_or_breaks_off_is_asked_again(tmp_path: Path, quick: list[float]) -> None:
    replies: list[Reply | Failure] = [
        Failure(429, headers={"Retry-After": "7"}),
        Failure(503, body=b"<html>bad gateway</html>"),
        Reply("Half a sen", cut=True),
        Reply("Half a sen", error={"message": "engine overloaded", "code": 503}),
        Reply("A whole sentence."),
    ]
    result, session, api = await played(tmp_path, replies)
    assert (result.ok, result.summary, result.turns) == (True, "A whole sentence.", 1)
    assert quick == [7, -2, -3, -4]
    assert spent(session)["outputTokens"] == api.reported[-1].completion
    assert [line.partition(";")[0] for line in session.lines if line.startswith("[error]")][:2] == [
        "[error] the server answers 429: the stand-in is not well",
        "[error] the server answers 503: <html>bad gateway</html>",
    ]
    assert "A whole sentence." in session.lines


async def test_a_server_that_stays_away_fails_the_session_with_its_reason(tmp_path: Path, quick: list[float]) -> None:
    result, _, api = await played(tmp_path, [Failure(500, "out of memory")] * 3, attempts=3)
    assert (result.ok, result.reason) == (False, "the server answers 500: out of memory (3 times)")
    assert len(api.bodies) == 3
    async with Chat() as gone:
        pass
    async with session_of(tmp_path, gone, config={"attempts": 2}) as session:
        nobody = await OpenAIProvider("qwen").run(session)
    assert nobody.reason.startswith(f"the server at {gone.url} is not reached: ")


async def test_a_server_that_falls_silent_is_given_up(tmp_path: Path, quick: list[float]) -> None:
    async with Chat(hang_at=0) as api, session_of(tmp_path, api, config={"answer_seconds": 1, "attempts": 1}) as session:
        result = await OpenAIProvider("qwen").run(session)
    assert result.reason == f"the server at {api.url} was silent for 1 s"


TOO_LONG = "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens."


async def test_a_conversation_that_is_too_long_is_said_and_not_gone_on_with(tmp_path: Path) -> None:
    result, _, _ = await played(tmp_path, [Failure(400, TOO_LONG)])
    assert result.reason == f"the conversation is longer than the model's context: {TOO_LONG}"
    assert result.session_id is None


@pytest.mark.parametrize("form", [{}, {"tool_calls": "text"}])
async def test_results_are_cut_until_the_conversation_fits_again(tmp_path: Path, form: dict[str, Any]) -> None:
    (tmp_path / "workspace").mkdir()
    for n in range(4):
        (tmp_path / "workspace" / f"{n}.txt").write_text(f"{n}" * 1900 + "\n")
    reads = [Reply("", [("read", {"path": f"{n}.txt"})]) for n in range(4)]
    if form:
        reads = [Reply(f"```tool\n{json.dumps({'name': 'read', 'arguments': {'path': f'{n}.txt'}})}\n```") for n in range(4)]
    result, session, api = await played(tmp_path, [*reads, Reply("Done.")], context=8000 if form else 6500, **form)
    assert (result.ok, result.turns, result.session_id is not None) == (True, 5, True), result.reason
    heard = json.dumps(api.bodies[-1]["messages"])
    assert "3" * 1900 in heard
    assert "0" * 1900 not in heard
    assert "the rest is left out" in heard
    assert sum("older results are cut" in line for line in session.lines) == len(api.bodies) - 5 > 0
    assert "0" * 1900 in next((tmp_path / "home" / ".rig-openai").iterdir()).read_text()


async def test_a_prompt_that_is_too_long_by_itself_fails_the_session(tmp_path: Path) -> None:
    result, _, api = await played(tmp_path, context=10)
    assert result.reason.startswith(
        "the conversation is longer than the model's context: This model's maximum context length is 10"
    )
    assert (result.session_id, len(api.bodies)) == (None, 1)


async def test_a_model_that_repeats_itself_is_told_and_then_ended(tmp_path: Path) -> None:
    again = Reply("", [("read", {"path": "nothing.txt"})])
    result, session, api = await played(tmp_path, [again] * 20)
    assert result.reason == "it repeats the same call: read nothing.txt"
    assert result.session_id is None
    assert len(api.bodies) == SAME + GIVE_UP
    assert sum("not done: this very call" in line for line in session.lines) == GIVE_UP
    assert sum("no such file" in line for line in session.lines) == SAME


@pytest.mark.parametrize(("own", "dispatch"), [(4, 9), (9, 4), (None, 4), (4, 0)])
async def test_the_number_of_turns_is_limited_by_the_smaller_limit(tmp_path: Path, own: int | None, dispatch: int) -> None:
    replies = [Reply("", [("read", {"path": f"{n}.txt"})]) for n in range(9)]
    async with (
        Chat(replies=replies) as api,
        session_of(tmp_path, api, config={"max_turns": own}, max_turns=dispatch) as session,
    ):
        result = await OpenAIProvider("qwen").run(session)
        assert (result.reason, result.turns, len(api.bodies)) == ("reached the maximum of 4 turns", 4, 4)
        assert result.session_id is not None


async def test_answers_with_nothing_in_them_are_borne_a_few_times(tmp_path: Path) -> None:
    nothing = Reply("<think>hm</think>")
    result, _, api = await played(tmp_path, [nothing, Reply("Half", finish="length"), Reply("Done.")])
    assert (result.ok, result.summary) == (True, "Done.")
    said = [m["content"] for m in api.bodies[-1]["messages"] if m["role"] == "user"]
    assert said[1:] == [
        "Your answer was empty. Go on, or say what you did if you are done.",
        "Your answer was cut off: it was too long. Go on, in smaller steps.",
    ]
    hopeless, _, _ = await played(tmp_path, [nothing] * 9)
    assert hopeless.reason == f"{GIVE_UP} answers in a row were empty or cut off"


async def test_a_call_that_was_cut_off_is_said_to_be(tmp_path: Path) -> None:
    cut = Reply("", [("write", '{"path": "a.txt", "content": "half')], finish="length")
    result, _, api = await played(tmp_path, [cut, Reply("Done.")])
    assert result.ok
    told = api.bodies[-1]["messages"][-1]["content"]
    assert told.startswith("the arguments are not JSON")
    assert told.endswith("it was too long. Do it in smaller steps.")
    assert api.faults == []


async def test_several_calls_of_one_answer_are_made_in_their_order(tmp_path: Path) -> None:
    calls = [
        ("write", {"path": "a.txt", "content": "one"}),
        ("edit", {"path": "a.txt", "old": "one", "new": "two"}),
        ("run", {"command": "cat a.txt; echo; echo $HOME"}),
        ("fly", {}),
    ]
    result, _session, api = await played(tmp_path, [Reply("", calls), Reply("Done.")])
    assert result.ok
    told = [m["content"] for m in api.bodies[-1]["messages"] if m["role"] == "tool"]
    assert told[:2] == ["made a.txt, 3 bytes", "edited a.txt"]
    assert told[2] == f"[exit 0]\ntwo\n{tmp_path / 'home'}\n"
    assert told[3].startswith("there is no tool 'fly'")
    assert api.faults == []


async def test_calls_that_a_server_left_in_the_text_are_made(tmp_path: Path) -> None:
    left = 'So.\n<tool_call>\n{"name": "write", "arguments": {"path": "a.txt", "content": "x"}}\n</tool_call>'
    result, session, api = await played(tmp_path, [Reply(left), Reply("Done.")])
    assert result.ok
    assert (session.workspace / "a.txt").read_text() == "x"
    assert api.bodies[-1]["messages"][-2]["content"] == "So."
    assert api.faults == []


async def test_what_a_model_made_up_after_its_call_is_not_kept(tmp_path: Path) -> None:
    block = json.dumps({"name": "read", "arguments": {"path": "a.txt"}})
    made_up = f"I read.\n```tool\n{block}\n```\nResult of read:\nall is well\n\nDone."
    result, _, api = await played(tmp_path, [Reply(made_up), Reply("It is not there.")], tool_calls="text")
    assert result.summary == "It is not there."
    assert "all is well" not in json.dumps(api.bodies[-1]["messages"][1:])
    assert "no such file" in api.bodies[-1]["messages"][-1]["content"]


async def test_a_server_without_counts_has_no_usage(tmp_path: Path) -> None:
    result, session, _ = await played(tmp_path, usage=False)
    assert result.ok
    assert session.usages == []
    assert session.lines.count("the server does not say how many tokens it used") == 1


async def test_a_permission_is_asked_for_and_without_one_nothing_is_done(tmp_path: Path) -> None:
    denied, session, api = await played(tmp_path, approval="deny")
    assert denied.ok
    assert list(session.workspace.iterdir()) == []
    assert api.bodies[-1]["messages"][-1]["content"] == "write was not allowed"
    async with (
        Chat() as api,
        session_of(tmp_path, api, AskingSession, config={"approval": "ask", "ask_seconds": 60}) as session,
    ):
        assert isinstance(session, AskingSession)
        assert (await OpenAIProvider("qwen").run(session)).ok
        ((asked, options),) = session.asked
        assert asked == f"qwen wants to write {api.file_name}:\n{api.file_text}"
        assert options == ("approve", "deny")
        assert (session.workspace / api.file_name).read_bytes().decode() == api.file_text


async def test_a_cancelled_session_lets_go_of_its_stream_and_can_be_gone_on_with(tmp_path: Path) -> None:
    async with Chat(hang_at=1) as api:
        async with session_of(tmp_path, api, prompt="The first prompt.") as session:
            running = asyncio.create_task(OpenAIProvider("qwen").run(session))
            await asyncio.wait_for(api.hanging.wait(), 20)
            running.cancel()
            result = await asyncio.wait_for(running, 2)
            assert (result.ok, result.reason) == (False, "interrupted")
            assert result.session_id
            assert spent(session) == api.spent
            assert session.lines[-1] == "the turn was interrupted"
        api.release()
        async with session_of(tmp_path, api, prompt="Go on.", resume=result.session_id) as again:
            resumed = await OpenAIProvider("qwen").run(again)
            assert (resumed.ok, resumed.session_id, resumed.summary) == (True, result.session_id, api.words)
        heard = [m["content"] for m in api.bodies[-1]["messages"]]
        assert "The first prompt." in heard
        assert heard[-1] == "Go on."
        assert api.faults == []


async def test_a_call_under_way_when_the_session_was_cancelled_is_said_to_be_unknown(tmp_path: Path) -> None:
    replies = [Reply("", [("run", {"command": "touch begun; sleep 1000"})]), Reply("Done.")]
    async with Chat(replies=replies) as api:
        async with session_of(tmp_path, api) as session:
            running = asyncio.create_task(OpenAIProvider("qwen").run(session))
            async with asyncio.timeout(20):
                while not (session.workspace / "begun").exists():
                    await asyncio.sleep(0.02)
            running.cancel()
            result = await asyncio.wait_for(running, 2)
        async with session_of(tmp_path, api, resume=result.session_id) as again:
            assert (await OpenAIProvider("qwen").run(again)).summary == "Done."
        assert api.bodies[-1]["messages"][-2]["content"].startswith("interrupted")
        assert api.faults == []


async def test_a_conversation_that_is_gone_is_begun_anew(tmp_path: Path) -> None:
    async with Chat() as api, session_of(tmp_path, api, resume="0" * 32) as session:
        result = await OpenAIProvider("qwen").run(session)
        assert result.ok
        assert result.session_id not in (None, "0" * 32)
        assert f"session {'0' * 32} is gone, starting afresh" in session.lines


async def test_what_a_person_says_is_in_the_next_request_and_gets_an_answer(tmp_path: Path) -> None:
    replies = [Reply("", [("read", {"path": "."})]), Reply("Done."), Reply("Done that, too.")]
    async with Chat(replies=replies, hang_at=0) as api, session_of(tmp_path, api, SteeredSession) as session:
        assert isinstance(session, SteeredSession)
        running = asyncio.create_task(OpenAIProvider("qwen").run(session))
        await asyncio.wait_for(api.hanging.wait(), 20)
        session.say("Look at\nthe README first.")
        api.release(then=1)
        await asyncio.wait_for(api.hanging.wait(), 20)
        assert api.bodies[1]["messages"][-1] == {"role": "user", "content": "Look at\nthe README first."}
        assert session.delivered == ["Look at\nthe README first."]
        session.say("And another thing.")
        api.release()
        result = await asyncio.wait_for(running, 20)
        assert (result.ok, result.summary, result.turns) == (True, "Done that, too.", 3)
        assert api.bodies[2]["messages"][-1]["content"] == "And another thing."
        assert [line for line in session.lines if line.startswith("told: ")][:2] == ["told: Look at", "told: the README first."]
        assert api.faults == []


async def test_what_is_said_to_a_session_without_a_turn_left_is_for_the_next(tmp_path: Path) -> None:
    config = {"max_turns": 1}
    async with (
        Chat(hang_at=0, replies=[Reply("Done.")]) as api,
        session_of(tmp_path, api, SteeredSession, config=config) as session,
    ):
        assert isinstance(session, SteeredSession)
        running = asyncio.create_task(OpenAIProvider("qwen").run(session))
        await asyncio.wait_for(api.hanging.wait(), 20)
        session.say("Too late.")
        api.release()
        result = await asyncio.wait_for(running, 20)
        assert (result.ok, session.delivered, session.steer_waits) == (True, [], True)


async def test_its_models_are_those_that_the_server_says(tmp_path: Path) -> None:
    async with Chat(models=("one", "two"), key="k-1") as api:
        config = OpenAIConfig(base_url=api.url, api_key=SecretStr("k-1"))
        assert await OpenAIProvider("vllm").list_models(config) == [Model("one"), Model("two")]
    with pytest.raises(PluginError, match="does not say which models it serves"):
        await OpenAIProvider("vllm").list_models(config)
