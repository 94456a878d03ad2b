"""Event streams lose nothing, repeat nothing and keep the order, wherever they are cut (I15, I16, F22)."""

import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.daemon import Daemon, running
from tests.acceptance.wire import Connection, EventStream, Lost

SECONDS = 60.0
"""How long any of these may take."""


class CutReader(threading.Thread):
    """Follows the log from the beginning through connections that are cut after a random number of bytes."""

    def __init__(self, daemon: Daemon, seed: int, most: int) -> None:
        super().__init__()
        self._daemon = daemon
        self._random = random.Random(seed)
        self._most = most
        """Bytes that a connection lives at most."""
        self.seen: list[tuple[int, Any]] = []
        """(sequence, number of the event's marker or None)."""
        self.connections = 0
        self.refused: list[int] = []
        self.upto: int | None = None
        """Sequence at which to stop, once it is known."""

    def run(self) -> None:
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline and (self.upto is None or self._cursor() < self.upto):
            try:
                stream = EventStream(self._daemon.url, self._cursor(), timeout=1)
            except Lost:
                time.sleep(0.02)  # the daemon is being killed
                continue
            with stream:
                self.connections += 1
                if stream.status != 200:
                    self.refused.append(stream.status)
                    return
                for frame in stream.frames(self._random.randrange(1, self._most)):
                    assert frame.id == frame.data["sequence"]
                    self.seen.append((frame.data["sequence"], frame.data["data"].get("n")))

    def _cursor(self) -> int:
        return self.seen[-1][0] if self.seen else 0


def post_all(daemon: Daemon, numbers: Iterator[int], count: int, batch: int) -> None:
    """Post ``count`` events of the next numbers, ``batch`` at a time (1: singly), each until it is acknowledged."""
    left = count
    while left:
        events = [
            {"type": "HUMAN_GATE_REMINDER", "repo": "acme/app", "issueNumber": 1 + (n := next(numbers)) % 7, "n": n}
            for _ in range(min(batch, left))
        ]
        path, body = ("/api/events", events[0]) if batch == 1 else ("/api/events/batch", events)
        headers = {"Idempotency-Key": f"n-{events[0]['n']}"}
        for _ in range(1000):
            try:
                with Connection(daemon.url) as connection:
                    if connection.ask("POST", path, body, headers).status == 200:
                        break
            except Lost:
                time.sleep(0.02)
        left -= len(events)


def followed(daemon: Daemon, seeds: range, post: Any) -> list[CutReader]:
    """Readers that were cut all the while ``post`` ran, and went on to the log's end."""
    readers = [CutReader(daemon, seed, most) for seed, most in zip(seeds, (3_000, 60_000, 400_000), strict=False)]
    for reader in readers:
        reader.start()
    newest = 0
    try:
        post()
        newest = int(daemon.ask("GET", "/api/issues").headers["X-Rig-As-Of"])
    finally:
        for reader in readers:
            reader.upto = newest
    for reader in readers:
        reader.join(SECONDS)
        assert reader.refused == []
        assert [sequence for sequence, _ in reader.seen] == list(range(1, newest + 1))
    return readers


def test_a_reader_that_is_cut_anywhere_sees_each_of_five_thousand_events_once_and_in_order(tmp_path: Path) -> None:
    """I15"""
    with running(tmp_path / "rig") as daemon:
        numbers = iter(range(10**9))

        def post() -> None:
            for count, batch in ((1000, 250), (400, 1), (3200, 64), (400, 1)):
                post_all(daemon, numbers, count, batch)

        readers = followed(daemon, range(3), post)
        for reader in readers:
            assert [n for _, n in reader.seen if n is not None] == list(range(5000))
        assert readers[0].connections > 20


def test_streams_go_on_through_a_killed_daemon(tmp_path: Path) -> None:
    """I15"""
    with running(tmp_path / "rig") as daemon:
        numbers = iter(range(10**9))

        def post() -> None:
            for _ in range(2):
                writers = [threading.Thread(target=post_all, args=(daemon, numbers, 250, size)) for size in (1, 25)]
                for writer in writers:
                    writer.start()
                time.sleep(0.15)
                daemon.kill()
                daemon.start()
                for writer in writers:
                    writer.join(SECONDS)

        for reader in followed(daemon, range(10, 12), post):
            assert sorted(n for _, n in reader.seen if n is not None) == list(range(1000))


def test_a_list_and_the_stream_from_its_as_of_meet_without_gap_or_repeat(tmp_path: Path) -> None:
    """I4, I15"""
    with running(tmp_path / "rig") as daemon:
        issues = 400

        def approve() -> None:
            with Connection(daemon.url) as connection:
                for n in range(1, issues + 1):
                    body = {"type": "ISSUE_APPROVED", "repo": "acme/app", "issueNumber": n}
                    assert connection.ask("POST", "/api/events", body).status == 200

        writer = threading.Thread(target=approve)
        writer.start()
        readings: list[tuple[set[str], int]] = []
        while writer.is_alive() and len(readings) < 200:
            answer = daemon.ask("GET", "/api/issues?limit=500")
            readings.append(({row["streamId"] for row in answer.json}, int(answer.headers["X-Rig-As-Of"])))
            time.sleep(0.02)
        writer.join(SECONDS)
        everything = {f"acme/app#{n}" for n in range(1, issues + 1)}
        newest = int(daemon.ask("GET", "/api/issues").headers["X-Rig-As-Of"])
        assert 0 < len(readings[len(readings) // 2][0]) < issues
        for listed, as_of in readings:
            with EventStream(daemon.url, query=f"?since={as_of}&topics=issue_approved") as stream:
                news: list[str] = []
                for frame in stream.frames() if as_of < newest else ():
                    news.append(frame.data["streamId"])
                    if frame.id == newest:
                        break
            assert listed.isdisjoint(news)
            assert listed | set(news) == everything


def test_a_reader_that_fell_behind_is_told_so_and_loses_nothing(tmp_path: Path) -> None:
    """I16, I17"""
    with running(tmp_path / "rig") as daemon:
        daemon.post(type="ISSUE_APPROVED", repo="acme/app", issueNumber=1)
        with EventStream(daemon.url, 0) as stream:
            frames = stream.frames()
            first = next(frames)
            filler = "x" * 30_000
            for start in range(0, 2000, 200):
                batch = [
                    {"type": "HUMAN_GATE_REMINDER", "repo": "acme/app", "issueNumber": 1, "n": n, "filler": filler}
                    for n in range(start, start + 200)
                ]
                assert daemon.ask("POST", "/api/events/batch", batch).status == 200
            newest = int(daemon.ask("GET", "/api/issues").headers["X-Rig-As-Of"])
            rest = [first, *frames]
        assert rest[-1].event == "gap"
        seen = [f.id for f in rest if f.event != "gap"]
        assert seen == list(range(1, len(seen) + 1))
        assert len(seen) < newest
        with EventStream(daemon.url, rest[-1].id if rest[-1].id is not None else rest[-1].data["sequence"]) as stream:
            for frame in stream.frames():
                seen.append(frame.id)
                if frame.id == newest:
                    break
        assert seen == list(range(1, newest + 1))


def test_a_cursor_that_names_no_place_is_400(tmp_path: Path) -> None:
    """I16"""
    with running(tmp_path / "rig") as daemon:
        for cursor in ("abc", "-1", "1e3", "99999999", "9" * 40, "1 2"):
            answer = daemon.ask("GET", "/api/v1/events", headers={"Last-Event-ID": cursor})
            assert (answer.status, answer.json["error"]["code"]) == (400, "bad_cursor"), cursor
            quoted = cursor.replace(" ", "%20")
            assert daemon.ask("GET", f"/api/v1/events?since={quoted}").status == 400
        assert daemon.ask("GET", "/api/v1/events?topics=nonsense").status == 400


@pytest.mark.slow
def test_thirty_readers_that_are_cut_see_the_same_log_through_five_kills(tmp_path: Path) -> None:
    """I15"""
    with running(tmp_path / "rig") as daemon:
        numbers = iter(range(10**9))
        readers = [CutReader(daemon, seed, 200_000) for seed in range(30)]
        for reader in readers:
            reader.start()
        for _ in range(5):
            writer = threading.Thread(target=post_all, args=(daemon, numbers, 1000, 20))
            writer.start()
            time.sleep(0.3)
            daemon.kill()
            daemon.start()
            writer.join(SECONDS)
        newest = int(daemon.ask("GET", "/api/issues").headers["X-Rig-As-Of"])
        for reader in readers:
            reader.upto = newest
        for reader in readers:
            reader.join(SECONDS)
            assert [sequence for sequence, _ in reader.seen] == list(range(1, newest + 1))
