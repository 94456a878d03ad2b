"""The provider ``codex`` against the real command line and a stand-in of its model API, and its reading of messages."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from rig import Usage
from rig_codex.approvals import APPROVALS, decision, question, refusal
from rig_codex.config import CodexConfig, settings
from rig_codex.provider import CodexProvider, Conversation
from rig_codex.stream import Reading
from tests.standins.openai import OpenAI
from tests.standins.session import AskingSession, LocalSession, SteeredSession

MODEL = "gpt-5.2-codex"


@asynccontextmanager
async def _session(
    tmp_path: Path, codex: str, api: OpenAI, kind: type[LocalSession] = LocalSession, **rest: Any
) -> AsyncIterator[LocalSession]:
    """A session in a home that an earlier one may have used; its programs are ended."""
    workspace, home = tmp_path / "workspace", tmp_path / "home"
    workspace.mkdir(exist_ok=True)
    home.mkdir(exist_ok=True)
    settings: dict[str, Any] = {name: rest.pop(name) for name in ("approval", "sandbox", "ask_seconds") if name in rest}
    settings["max_turns"] = rest.pop("own_turns", None)
    config = CodexConfig(command=codex, base_url=api.url, **{"approval": "auto", **settings})
    environment = {"HOME": str(home), "OPENAI_API_KEY": "made-up"}
    session = kind(workspace, config, environment=environment, model=MODEL, **rest)
    try:
        yield session
    finally:
        for process in session.processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


def _spent(session: LocalSession) -> dict[str, int]:
    return {
        "inputTokens": sum(u.input_tokens for u in session.usages),
        "outputTokens": sum(u.output_tokens for u in session.usages),
        "cacheReadTokens": sum(u.cache_read_tokens for u in session.usages),
        "cacheCreationTokens": sum(u.cache_creation_tokens for u in session.usages),
    }


async def test_a_real_session_writes_exactly_the_file_and_reports_exactly_the_tokens(tmp_path: Path, codex: str) -> None:
    async with OpenAI() as api, _session(tmp_path, codex, api, prompt="Write it, " + "long " * 60_000) as session:
        result = await CodexProvider().run(session)
        assert result.ok, (result.reason, session.lines)
        assert [f.name for f in session.workspace.iterdir()] == [api.file_name]
        assert (session.workspace / api.file_name).read_text() == api.file_text
        assert _spent(session) == api.spent
        assert {u.model for u in session.usages} == {MODEL}
        assert api.words in session.lines
        assert any(line.startswith("[tool] exec ") and api.file_name in line for line in session.lines)
        assert (result.summary, result.turns) == (api.words, 2)
        assert [m[1:] for m in session.messages][-1] == (2, 1)
        assert len(api.bodies) == 2
        assert api.keys == {"Bearer made-up"}
        assert session.argv == [[codex, "sandbox", "--", "true"], [codex, "app-server"]]
        assert "made-up" not in (tmp_path / "home" / ".codex" / "config.toml").read_text()

    async with OpenAI() as other, _session(tmp_path, codex, other, prompt="And now?", resume=result.session_id) as again:
        resumed = await CodexProvider().run(again)
        assert resumed.ok, (resumed.reason, again.lines)
        assert resumed.session_id == result.session_id
        assert _spent(again) == other.spent
        assert "long long" in json.dumps(other.bodies[-1])


@pytest.mark.parametrize("hang_at", [0, 1])
async def test_it_is_told_in_its_turn(tmp_path: Path, codex: str, hang_at: int) -> None:
    words = ["--dangerously look\nleft", f"and right {tmp_path.name}"]
    async with OpenAI(hang_at=hang_at) as api, _session(tmp_path, codex, api, kind=SteeredSession) as session:
        assert isinstance(session, SteeredSession)
        running = asyncio.create_task(CodexProvider().run(session))
        await asyncio.wait_for(api.hanging.wait(), 20)
        for word in words:
            session.say(word)
        while session.delivered != words:
            await asyncio.sleep(0.01)
        api.release()
        result = await asyncio.wait_for(running, 30)
        assert (result.ok, session.delivered, session.rejected) == (True, words, []), (result.reason, session.lines)
        assert len(api.bodies) > 2, "the answer that was under way was cut short, and given anew with what was said"
        assert all(json.dumps(word)[1:-1] in json.dumps(api.bodies[-1]) for word in words)
        assert not any(json.dumps(word)[1:-1] in json.dumps(api.bodies[0]) for word in words)
        assert _spent(session) == api.spent


async def test_what_comes_too_late_for_its_turn_is_told_by_another(tmp_path: Path, codex: str) -> None:
    async with OpenAI() as api, _session(tmp_path, codex, api, kind=SteeredSession) as session:
        assert isinstance(session, SteeredSession)
        conversation = Conversation(session)
        conversation._give = lambda _: asyncio.sleep(0)  # type: ignore[method-assign,assignment]  # no turn is long enough
        session.say("look left")
        result = await conversation.run()
        assert (result.ok, session.delivered, result.turns) == (True, ["look left"], 3)
        assert "look left" in json.dumps(api.bodies[-1])
        assert _spent(session) == api.spent


@pytest.mark.parametrize(("own", "dispatch", "limit"), [(1, 20, 1), (None, 1, 1), (5, 1, 1), (2, 20, 2)])
async def test_a_session_has_no_more_turns_than_it_may(
    tmp_path: Path, codex: str, own: int | None, dispatch: int, limit: int
) -> None:
    hang_at = 1 if limit == 1 else None  # no model answers before an interrupt comes
    async with (
        OpenAI(hang_at=hang_at) as api,
        _session(tmp_path, codex, api, own_turns=own, max_turns=dispatch) as session,
    ):
        result = await CodexProvider().run(session)
        assert (session.workspace / api.file_name).read_text() == api.file_text
        assert result.turns == limit
        assert result.session_id
        if limit == 1:  # the first answer calls a tool, the second ends the turn
            assert (result.ok, result.reason) == (False, "reached the maximum of 1 turns")
            assert len(api.reported) == 1
        else:
            assert result.ok
        assert _spent(session) == api.spent


@pytest.mark.parametrize(("sandbox", "written"), [(None, False), ("danger-full-access", True)])
async def test_auto_stays_in_its_workspace_unless_it_is_told_otherwise(
    tmp_path: Path, codex: str, sandbox: str | None, written: bool
) -> None:
    outside = Path(f"/var/tmp/rig-test-{tmp_path.name}-{os.getpid()}")
    try:
        async with OpenAI() as api, _session(tmp_path, codex, api, sandbox=sandbox) as session:
            api.file_name = str(outside)
            assert (await CodexProvider().run(session)).ok
            assert outside.exists() is written
    finally:
        outside.unlink(missing_ok=True)


async def test_where_commands_cannot_be_confined_a_session_fails_before_it_begins(tmp_path: Path, codex: str) -> None:
    program = tmp_path / "codex"
    program.write_text(f'#!/bin/sh\n[ "$1" = sandbox ] && {{ echo "no namespaces"; exit 1; }}\nexec {codex} "$@"\n')
    program.chmod(0o755)
    async with OpenAI() as api:
        async with _session(tmp_path, str(program), api) as session:
            result = await CodexProvider().run(session)
            assert (result.ok, result.session_id, session.lines) == (False, None, ["no namespaces"])
            assert "providers.codex.sandbox" in result.reason
            assert api.bodies == []
        async with _session(tmp_path, str(program), api, sandbox="danger-full-access") as session:
            assert (await CodexProvider().run(session)).ok


async def test_a_thread_that_is_gone_is_started_afresh(tmp_path: Path, codex: str) -> None:
    gone = "01a20e39-2c3a-7ce1-bed1-f0dc3dcc15f8"
    async with OpenAI() as api, _session(tmp_path, codex, api, resume=gone) as session:
        result = await CodexProvider().run(session)
        assert result.ok, result.reason
        assert result.session_id != gone
        assert (session.workspace / api.file_name).exists()


async def test_an_approval_that_is_denied_changes_nothing_and_one_that_is_given_does(tmp_path: Path, codex: str) -> None:
    async with OpenAI() as api, _session(tmp_path, codex, api, approval="ask") as session:  # it cannot ask: denied
        assert (await CodexProvider().run(session)).ok
        assert list(session.workspace.iterdir()) == []
        assert any("not allowed" in line for line in session.lines)
    async with OpenAI() as api, _session(tmp_path, codex, api, AskingSession, approval="ask") as session:
        assert isinstance(session, AskingSession)
        assert (await CodexProvider().run(session)).ok
        ((asked, options),) = session.asked
        assert api.file_name in asked
        assert options == ("approve", "deny")
        assert (session.workspace / api.file_name).read_text() == api.file_text


async def test_an_api_error_fails_the_session_with_its_reason(tmp_path: Path, codex: str) -> None:
    async with OpenAI(status=400) as api, _session(tmp_path, codex, api) as session:
        result = await CodexProvider().run(session)
        assert not result.ok
        assert "400" in result.reason
        assert session.usages == []


async def test_a_program_that_is_killed_fails_the_session(tmp_path: Path, codex: str) -> None:
    async with OpenAI(hang_at=0) as api, _session(tmp_path, codex, api) as session:
        running = asyncio.create_task(CodexProvider().run(session))
        await asyncio.wait_for(api.hanging.wait(), 20)
        os.killpg(session.processes[-1].pid, signal.SIGKILL)
        result = await asyncio.wait_for(running, 20)
        assert (result.ok, result.reason) == (False, "codex ended before its turn did")


async def test_a_cancelled_session_interrupts_its_turn_and_can_be_gone_on_with(tmp_path: Path, codex: str) -> None:
    async with OpenAI(hang_at=1) as api:
        async with _session(tmp_path, codex, api, prompt="The first prompt.") as session:
            running = asyncio.create_task(CodexProvider().run(session))
            await asyncio.wait_for(api.hanging.wait(), 20)
            running.cancel()
            result = await running
            assert (result.ok, result.reason) == (False, "interrupted")
            assert result.session_id
            assert _spent(session) == api.spent
        api.release()
        async with _session(tmp_path, codex, api, prompt="Go on.", resume=result.session_id) as again:
            resumed = await CodexProvider().run(again)
            assert (resumed.ok, resumed.session_id, resumed.summary) == (True, result.session_id, api.words)
            assert "The first prompt." in json.dumps(api.bodies[-1])


def test_totals_become_disjoint_counts_of_what_was_spent_since() -> None:
    def told(thread: str, total: tuple[int, ...], last: tuple[int, ...]) -> dict[str, Any]:
        names = ("inputTokens", "cachedInputTokens", "cacheWriteInputTokens", "outputTokens", "reasoningOutputTokens")
        counts = [dict(zip(names, values, strict=True)) for values in (total, last)]
        return {"threadId": thread, "tokenUsage": {"total": counts[0], "last": counts[1]}}

    reading = Reading()
    reading.began("t", "m")
    assert reading.usage(told("t", (100, 60, 10, 7, 3), (100, 60, 10, 7, 3))) is None  # told again on resuming
    reading.feed("turn/started", {"threadId": "t", "turn": {"id": "1"}})
    assert reading.usage(told("t", (150, 90, 15, 9, 4), (50, 30, 5, 2, 1))) == Usage("m", 15, 2, 30, 5)
    assert reading.usage(told("t", (150, 90, 15, 9, 4), (50, 30, 5, 2, 1))) is None
    assert reading.usage(told("other", (40, 0, 0, 5, 0), (40, 0, 0, 5, 0))) == Usage("m", 40, 5)
    assert reading.usage({"threadId": "t", "tokenUsage": "strange"}) is None


@pytest.mark.parametrize("method", APPROVALS)
def test_every_kind_of_approval_is_refused_unless_it_is_given(method: str) -> None:
    params = {"permissions": {"network": {"enabled": True}}, "command": "rm -rf x", "reason": "it must"}
    assert "because: it must" in (question(method, params) or "")
    given, refused = decision(method, params, True), decision(method, params, False)
    assert given != refused
    assert not {"accept", "approved"} & set(json.dumps(refused).replace('"', " ").split())


@pytest.mark.parametrize("command", ["true " + "x" * 3000 + "; rm -rf ~", "\x1b" * 1500 + "; rm -rf ~"])
def test_nobody_is_asked_for_what_cannot_be_shown_whole(command: str) -> None:
    asked = {"command": command, "permissions": {"files": command}, "fileChanges": {"a": command}}
    for method in APPROVALS:
        params = {**asked, "command": [command]} if method == "execCommandApproval" else asked
        assert (question(method, params, change=command) is None) is ("ileChange" not in method and "Patch" not in method), (
            method
        )


def test_the_words_of_a_command_are_told_apart() -> None:
    assert "\nrm 'a b; c'" in (question("execCommandApproval", {"command": ["rm", "a b; c"]}) or "")


@pytest.mark.parametrize(
    "method", ["account/chatgptAuthTokens/refresh", "attestation/generate", "item/requestApproval/unheard", "commandExecution"]
)
def test_a_request_that_is_not_known_is_neither_approval_nor_refusal(method: str) -> None:
    assert method not in APPROVALS
    assert refusal(method) is None


def test_limits_are_told_when_they_change() -> None:
    reading = Reading()
    limits = {"rateLimits": {"primary": {"usedPercent": 41, "windowDurationMins": 300}, "secondary": None}}
    assert reading.feed("account/rateLimits/updated", limits) == ["[limits] used: 41 % of 300 minutes"]
    assert reading.feed("account/rateLimits/updated", limits) == []


def test_the_key_is_named_but_neither_written_nor_shown_to_commands() -> None:
    made = settings(CodexConfig(env={"OPENAI_API_KEY": "canary"}), None)
    assert "canary" not in json.dumps(made)
    assert made["model_providers"]["rig"]["env_key"] == "OPENAI_API_KEY"
    assert made["shell_environment_policy"]["exclude"] == ["OPENAI_API_KEY"]
