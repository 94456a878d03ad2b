"""The provider ``mock``: scripts, real files, plausible tokens."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from genai_prices import Usage as PriceUsage
from genai_prices import calc_price
from pydantic import ValidationError

from rig import ConfigError, Usage, WorkspaceError
from rig_mock.provider import MockProvider
from rig_mock.script import DEFAULT_MODEL, MockConfig, scripted
from tests.standins.session import LocalSession


def _session(workspace: Path, *turns: dict[str, Any], **rest: Any) -> LocalSession:
    config = MockConfig.model_validate({"script": turns, "delay_ms": 0, **rest.pop("config", {})})
    return LocalSession(workspace, config, **rest)


async def test_without_a_script_a_small_change_that_suits_the_issue_is_made(tmp_path: Path) -> None:
    session = _session(tmp_path, prompt="# Spell it right\n\nThe README is wrong, and costs $5.")
    result = await MockProvider().run(session)
    assert result.ok
    assert result.turns == 3
    note = tmp_path / "notes" / "acme-shop-7.md"
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [note]
    assert note.read_text() == "# acme/shop#7\n\nSpell it right\n\nDone from a prompt of 11 words.\n"
    assert "[tool] Write notes/acme-shop-7.md" in session.lines
    assert [m[1] for m in session.messages] == [1, 2, 3]


async def test_tokens_are_the_same_for_the_same_seed_and_issue_only(tmp_path: Path) -> None:
    drawn = []
    for seed, issue in ((1, "a/b#1"), (1, "a/b#1"), (2, "a/b#1"), (1, "a/b#2")):
        session = _session(tmp_path, config={"seed": seed}, issue=issue)
        await MockProvider().run(session)
        drawn.append(session.usages)
    assert drawn[0] == drawn[1]
    assert drawn[0] not in drawn[2:]
    assert drawn[2] != drawn[3]


async def test_the_tokens_have_a_price(tmp_path: Path) -> None:
    session = _session(tmp_path)
    await MockProvider().run(session)
    assert {u.model for u in session.usages} == {DEFAULT_MODEL}
    for usage in session.usages:
        cached = usage.cache_read_tokens + usage.cache_creation_tokens
        counts = PriceUsage(
            input_tokens=usage.input_tokens + cached,
            output_tokens=usage.output_tokens,
            cache_read_tokens=usage.cache_read_tokens,
            cache_write_tokens=usage.cache_creation_tokens,
        )
        assert calc_price(counts, usage.model, provider_id="anthropic").total_price > 0


async def test_a_script_writes_appends_and_deletes(tmp_path: Path) -> None:
    (tmp_path / "old.txt").write_text("old")
    session = _session(
        tmp_path,
        {"text": "On $issue\nin $execution", "write": {"a/b.txt": "1 $issue\n"}, "usage": {"input": 1, "output": 2, "model": "gpt-5"}},
        {"append": {"a/b.txt": "2\n"}, "delete": ["old.txt", "never.txt"]},
        model="other",
    )  # fmt: skip
    result = await MockProvider().run(session)
    assert result.ok
    assert (tmp_path / "a" / "b.txt").read_text() == "1 acme/shop#7\n2\n"
    assert not (tmp_path / "old.txt").exists()
    assert session.lines[:2] == ["On acme/shop#7", f"in {session.execution_id}"]
    assert session.usages[0] == Usage("gpt-5", 1, 2)
    assert session.usages[1].model == "other"
    assert session.messages[-1] == ("turn 2 of 2", 2, 4)


async def test_a_script_may_stand_in_the_issue_itself(tmp_path: Path) -> None:
    prompt = (
        'Please.\n\n```rig-mock\n[[turn]]\ntext = "hi"\nwrite = { "x.txt" = "x" }\n[[turn]]\nfail = "no luck"\n```\nThanks.'
    )
    session = _session(tmp_path, {"text": "from the configuration"}, prompt=prompt)
    result = await MockProvider().run(session)
    assert (result.ok, result.reason, result.turns) == (False, "no luck", 2)
    assert (tmp_path / "x.txt").read_text() == "x"
    deaf = _session(tmp_path, {"text": "from the configuration"}, prompt=prompt, config={"scripts_from_issues": False})
    assert (await MockProvider().run(deaf)).summary == "from the configuration"


def test_blocks_without_an_end_are_no_script_and_take_no_time() -> None:
    began = time.process_time()
    assert scripted("```rig-mock\n" * 20_000) is None
    assert time.process_time() - began < 1


@pytest.mark.parametrize("block", ["[[turn]", "", "turn = 7", "[[turn]]\nrun = 'rm -rf /'"])
async def test_a_script_that_cannot_be_read_is_refused(tmp_path: Path, block: str) -> None:
    with pytest.raises(ConfigError, match="rig-mock block"):
        await MockProvider().run(_session(tmp_path, prompt=f"```rig-mock\n{block}\n```"))


@pytest.mark.parametrize("name", ["../x", "/tmp/x", ".", ".git/hooks/pre-commit", "a/../../x", "link/x", "sub/.git/config"])
@pytest.mark.parametrize("effect", ["write", "append", "delete"])
async def test_nothing_outside_the_workspace_is_touched(tmp_path: Path, name: str, effect: str) -> None:
    workspace, outside = tmp_path / "w", tmp_path / "outside"
    workspace.mkdir()
    outside.mkdir()
    (outside / "x").write_text("keep")
    (workspace / "link").symlink_to(outside)
    with pytest.raises(WorkspaceError):
        await MockProvider().run(_session(workspace, {effect: [name] if effect == "delete" else {name: "evil"}}))
    assert (outside / "x").read_text() == "keep"
    assert [p.name for p in tmp_path.iterdir() if p.name not in ("w", "outside")] == []


async def test_a_turn_may_break_hang_or_be_one_too_many(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="broken"):
        await MockProvider().run(_session(tmp_path, {"raises": "broken"}))
    result = await MockProvider().run(_session(tmp_path, {"text": "a"}, {"text": "b"}, max_turns=1))
    assert (result.ok, result.reason, result.turns) == (False, "reached the maximum of 1 turns", 1)
    session = _session(tmp_path, {"hang": True})
    task = asyncio.create_task(MockProvider().run(session))
    while not session.messages:
        await asyncio.sleep(0.005)
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("bad", [{"script": [{"delay_ms": -1}]}, {"script": [{"usage": {"input": -1}}]}, {"nonsense": 1}])
def test_a_configuration_that_cannot_work_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        MockConfig.model_validate(bad)
