from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.client.sse import LARGEST_LINE, Frame, Parser

STREAM = (
    b"retry: 1500\n\n"
    b": heartbeat\n\n"
    b'id: 7\nevent: issue_approved\ndata: {"sequence":7}\n\n'
    b'event: row\r\ndata: {"view":"issues"}\r\n\r\n'
    b"data: one\ndata:two\ndata\n\n"
    b"id: 8\nevent: gap\n\n"
    b"data: cut off"
)
FRAMES = [
    Frame("issue_approved", b'{"sequence":7}', "7"),
    Frame("row", b'{"view":"issues"}'),
    Frame("message", b"one\ntwo\n"),
]


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_frames_are_the_same_however_the_bytes_are_cut(cuts: list[int]) -> None:
    parser, frames = Parser(), []
    places = [0, *sorted(cuts), len(STREAM)]
    for begin, end in pairwise(places):
        frames += parser.feed(STREAM[begin:end])
    assert frames == FRAMES
    assert parser.retry == 1.5


def test_a_frame_without_data_is_none_and_its_id_is_forgotten() -> None:
    assert Parser().feed(b"id: 1\n\ndata: x\n\n") == [Frame("message", b"x")]


def test_an_id_with_a_nul_is_no_id() -> None:
    assert Parser().feed(b"id: 1\0\ndata: x\n\n") == [Frame("message", b"x")]


def test_a_line_that_never_ends_is_refused() -> None:
    parser = Parser()
    parser.feed(b"data: " + b"x" * (LARGEST_LINE // 2))
    with pytest.raises(ValueError, match="does not end"):
        parser.feed(b"x" * (LARGEST_LINE // 2))
