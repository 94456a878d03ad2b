"""The fixtures that every test has once Rig is installed."""

import urllib.request
from pathlib import Path

import pytest

from rig import BadSignature
from rig.clock import ManualClock
from rig.ids import SeededIds
from rig.plugin.provider import Asks, Session
from rig.testing import AskingSession, FakeSession, Reaction, Receiver, Subject, signed_delivery


def test_time_and_ids_are_the_tests_own(rig_clock: ManualClock, rig_ids: SeededIds) -> None:
    before = rig_clock.now()
    rig_clock.advance(1.5)
    assert rig_clock.now() - before == 1_500_000
    assert SeededIds().uuid() == rig_ids.uuid()


def test_a_receiver_keeps_what_comes_and_answers_as_told(rig_receiver: Receiver) -> None:
    rig_receiver.reaction = Reaction(201, {"X-Odd": "1"}, b"made")
    with urllib.request.urlopen(rig_receiver.url + "/a?b=c", b'{"d": 1}', timeout=5) as answer:
        assert (answer.status, answer.headers["x-odd"], answer.read()) == (201, "1", b"made")
    (received,) = rig_receiver.received
    assert (received.method, received.path, received.json) == ("POST", "/a?b=c", {"d": 1})


async def test_a_session_runs_real_programs_and_ends_them(rig_session: FakeSession, tmp_path: Path) -> None:
    session: Session = rig_session
    child = await session.spawn(["sh", "-c", "cat; pwd; sleep 60"], stdin=b"hello\n")
    lines: list[bytes] = []
    async for batch in child.lines():
        lines += batch
        if len(lines) == 2:
            break
    assert lines == [b"hello", str(tmp_path).encode()]
    await rig_session.end()
    assert await child.wait() < 0
    assert isinstance(AskingSession(tmp_path), Asks)
    assert not isinstance(rig_session, Asks)


def test_a_plugin_is_loaded_as_the_daemon_does_it_and_takes_what_its_sender_signs() -> None:
    subject = Subject("rig_github")
    assert (subject.name, subject.error) == ("github", None)
    (source,) = subject.registered("rig_register_webhook_sources")
    source.verify(signed_delivery("github", secret="s"), ["s"])
    with pytest.raises(BadSignature):
        source.verify(signed_delivery("standard"), ["s"])
    assert (
        Subject("rig_github", {"misspelt": 1}).error == "config_error: plugins.github.misspelt: Extra inputs are not permitted"
    )
