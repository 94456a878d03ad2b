"""Programs that are asked a short question: what they get, when they are asked again, and that they end."""

import asyncio
import os
import time
from pathlib import Path

import psutil
import pytest

from rig import probes
from rig.probes import Probe, Said


def script(folder: Path, text: str) -> list[str]:
    path = folder / "program"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return [str(path)]


async def test_a_program_gets_an_empty_home_and_what_is_given_and_nothing_of_rigs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIG_TOKEN", "secret")
    said = await Probe().ask(script(tmp_path, 'env; ls -A "$HOME" | wc -l; echo err >&2; cat; exit 3'), {"GIVEN": "yes"})
    assert said is not None
    assert said.status == 3
    assert "GIVEN=yes" in said.text
    assert "secret" not in said.text
    assert "err" not in said.text
    assert said.text.splitlines()[-1].strip() == "0"
    home = next(line.removeprefix("HOME=") for line in said.text.splitlines() if line.startswith("HOME="))
    assert home != os.environ["HOME"]
    assert not Path(home).exists()


async def test_an_answer_is_remembered_until_it_is_old_or_the_question_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = tmp_path / "count"
    argv = script(tmp_path, f"echo x >> {count}; wc -l < {count}")
    probe = Probe()
    first = await probe.ask(argv, {})
    assert first == await probe.ask(argv, {}) == Said(0, "1\n")
    assert await probe.ask(argv, {"A": "1"}) == Said(0, "2\n")
    monkeypatch.setattr(probes, "AGE", 0.0)
    assert await probe.ask(argv, {"A": "1"}) == Said(0, "3\n")


async def test_a_slow_program_is_not_waited_for_and_its_answer_is_there_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes, "PATIENCE", 0.05)
    probe, argv = Probe(), script(tmp_path, "sleep 0.3; echo well")
    assert await probe.ask(argv, {}) is None
    monkeypatch.setattr(probes, "PATIENCE", 5.0)
    assert await probe.ask(argv, {}) == Said(0, "well\n")


async def test_a_program_that_does_not_end_is_ended_with_what_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes, "LONGEST", 0.3)
    pid = tmp_path / "pid"
    with pytest.raises(TimeoutError):
        await Probe().ask(script(tmp_path, f"sleep 60 & echo $! > {pid}; wait"), {})
    child = int(pid.read_text())
    deadline = time.monotonic() + 5
    while psutil.pid_exists(child) and psutil.Process(child).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def test_a_program_that_is_not_there_raises(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await Probe().ask([str(tmp_path / "nothing")], {})
