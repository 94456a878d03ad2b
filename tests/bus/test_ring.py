"""The ring: what readers share, what is dropped, what is never skipped."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.bus.bus import Bus
from rig.bus.ring import CHUNK, Ring, Want
from rig.model.events import Event

ALL = Want()


def event(sequence: int, type_: str = "heartbeat", stream: str = "a", body: bytes = b"{}", tenant: str = "default") -> Event:
    return Event(
        sequence, tenant, sequence, stream, sequence, type_, f"id-{sequence}", 0, "p", "o", "t" * 32, b"{}", body, b"", b""
    )


def ring(newest: int = 0, **limits: int) -> Ring:
    return Ring(newest, lambda view, key, row: {"key": key, "value": row}, **limits)


def ids(data: bytes) -> list[int]:
    return [int(line[4:]) for line in data.split(b"\n") if line.startswith(b"id: ")]


def test_frames_are_joined_once_for_all_who_stand_at_the_same_place() -> None:
    made = ring()
    made.publish([event(1), event(2)], [])
    first = made.take(0, ALL)
    assert first[0] is made.take(0, ALL)[0]
    assert (ids(first[0]), first[1:]) == ([1, 2], (2, 2))
    made.publish([event(3)], [])
    assert ids(made.take(0, ALL)[0]) == [1, 2, 3]
    assert made.take(3, ALL) == (b"", 3, 0)


def test_what_was_seen_already_is_not_taken_in_again() -> None:
    made = ring(newest=2)
    assert not made.publish([event(1), event(2)], [("issues", "k", 1)])
    assert made.take(made.end, ALL) == (b"", 0, 0)
    assert made.publish([event(2), event(3)], [])
    assert ids(made.take(0, ALL)[0]) == [3]


def test_a_reader_whose_place_is_gone_is_told() -> None:
    made = ring(max_frames=8)
    for sequence in range(1, 21):
        made.publish([event(sequence)], [])
    assert not made.holds(0)
    assert made.place_after(1) is None
    place = made.place_after(18)
    assert place is not None
    assert ids(made.take(place, ALL)[0]) == [19, 20]


def test_the_ring_is_bounded_by_bytes_too() -> None:
    made = ring(max_bytes=100_000)
    for sequence in range(1, 101):
        made.publish([event(sequence, body=b'"' + b"x" * 10_000 + b'"')], [])
    assert made._bytes <= 100_000
    assert len(made._entries) < 12


def test_one_take_is_bounded_and_the_next_goes_on() -> None:
    made = ring()
    made.publish([event(n, body=b'"' + b"x" * 100_000 + b'"') for n in range(1, 11)], [])
    data, place, sequence = made.take(0, ALL)
    assert len(data) < CHUNK + 200_000
    assert ids(data)[-1] == sequence < 10
    assert ids(made.take(place, ALL)[0])[0] == sequence + 1


def test_later_rows_of_a_key_replace_earlier_ones_and_only_wanted_views_are_sent() -> None:
    made = ring()
    made.publish([event(1)], [("issues", "k", 1), ("agents", "a", 1)])
    made.publish([event(2)], [("issues", "k", 2)])
    data, _, _ = made.take(0, Want(views=frozenset({"issues"})))
    assert data.count(b"event: row") == 1
    assert b'"value":2' in data
    assert b'"sequence":2' in data
    assert b"event: row" not in made.take(0, ALL)[0]


@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=30),
    st.lists(st.integers(0, 3), max_size=30),
    st.integers(4, 20),
)
def test_a_reader_misses_nothing_that_the_ring_still_holds(batches: list[int], pauses: list[int], size: int) -> None:
    """I15, for any interleaving of commits and takes."""
    made = ring(max_frames=size)
    sequence, place, got = 0, 0, list[int]()
    waits = iter(pauses)
    for count in batches:
        made.publish([event(sequence + n) for n in range(1, count + 1)], [("issues", "k", count)])
        sequence += count
        if next(waits, 0):
            continue
        if not made.holds(place):
            break
        data, place, _ = made.take(place, ALL)
        got += ids(data)
    assert got == list(range(1, len(got) + 1))
    again = made.place_after(len(got))
    if again is None:
        assert not made.holds(place)
    else:
        assert ids(made.take(again, ALL)[0]) == list(range(len(got) + 1, sequence + 1))


def bus(**limits: Any) -> Bus:
    return Bus(lambda tenant: 0, lambda tenant, view, key, row: row, **limits)


async def test_readers_are_woken_once_a_tick_and_only_their_tenants() -> None:
    made = bus()
    made.ring("default")
    waiting = asyncio.ensure_future(made.wait("default", 2.0))
    other = asyncio.ensure_future(made.wait("acme", 0.1))
    await asyncio.sleep(0)
    made.publish([event(1)], {})
    made.publish([event(2)], {})
    assert await waiting
    assert not await other
    assert made.ring("default").newest == 2


async def test_closing_wakes_readers_for_good() -> None:
    made = bus()
    waiting = asyncio.ensure_future(made.wait("default", 60.0))
    await asyncio.sleep(0)
    made.close()
    assert await waiting
    assert await made.wait("default", 60.0)


@pytest.mark.parametrize(
    ("want", "expected"),
    [
        (Want(types=frozenset({"heartbeat"})), [1, 3]),
        (Want(streams=frozenset({"b"})), [3]),
        (Want(types=frozenset({"merged"}), streams=frozenset({"b"})), []),
    ],
)
def test_readers_choose_types_and_streams(want: Want, expected: list[int]) -> None:
    made = ring()
    made.publish([event(1), event(2, "merged"), event(3, stream="b")], [])
    data, place, sequence = made.take(0, want)
    assert (ids(data), place, sequence) == (expected, 3, 3)
