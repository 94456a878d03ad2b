"""The daemon's log: nobody floods it, and what is printed is in it."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from rig import journal
from rig.quota import RATE, WRITING, Quota


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What the journal writes, while it is set up."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    journal.set_up(stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)


def events(stream: io.StringIO) -> list[str]:
    return [json.loads(line)["event"] for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize("logger", ["stranger", "rig.http", "root"])
def test_a_plugin_has_so_many_records_a_second_whatever_logger_it_takes(written: io.StringIO, logger: str) -> None:
    quota = Quota()
    token = WRITING.set(quota)
    try:
        for n in range(RATE + 50):
            logging.getLogger(logger if n % 2 else f"{logger}.{n}").warning("%d", n)
    finally:
        WRITING.reset(token)
    logging.getLogger("rig.http").warning("Rig's own")
    found = events(written)
    assert RATE <= len(found) - 1 < RATE + 50  # a second may end meanwhile
    assert found[-1] == "Rig's own"
    assert quota.settle() == RATE + 50 - (len(found) - 1)
    assert quota.settle() == 0


def test_a_quota_begins_anew_each_second() -> None:
    quota = Quota(rate=2)
    assert [quota.admits(at) for at in (10.0, 10.1, 10.2, 11.0, 11.1, 11.2)] == [True, True, False, True, True, False]
    assert quota.settle() == 2


def test_what_is_printed_is_a_record_a_line(written: io.StringIO) -> None:
    print("one\n\ntwo\x1b[2J", file=journal.Printed())
    assert events(written) == ["one", "two"]
