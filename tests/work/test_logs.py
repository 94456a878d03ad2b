import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from rig.blobs import FolderBlobs
from rig.clock import ManualClock
from rig.errors import Conflict, NotFound, StorageUnavailable
from rig.text import Redactor
from rig.work.logs import LogStore
from rig.work.segments import SEGMENT_BYTES, LogLine, Segment, Segments

SECRET = "Zq7!kP/2vB+9xWmN4tLs"


@pytest.fixture
async def logs(tmp_path: Path) -> AsyncIterator[LogStore]:
    store = LogStore(tmp_path / "logs", FolderBlobs(tmp_path / "blobs"), ManualClock())
    yield store
    store.close()


def drop(segment: Segment) -> None:
    """Nobody wants to know of this segment."""


async def test_lines_come_back_cleaned_redacted_and_numbered(logs: LogStore) -> None:
    writer = logs.open("e1", Redactor([SECRET]), drop)
    await writer.write([b"plain", f"key={SECRET}", "\x1b[2Jclear", b"bad \xff byte", "two\nlines"], "stdout")
    await writer.write(["oops"], "stderr")
    await writer.close()
    lines = await logs.read("e1")
    assert [line.text for line in lines] == ["plain", "key=[REDACTED]", "clear", "bad � byte", "two", "lines", "oops"]
    assert [line.n for line in lines] == list(range(1, 8))
    assert {line.at for line in lines} == {ManualClock().now()}
    assert lines[-1].stream == "stderr"
    assert [line.n for line in await logs.read("e1", after=2, limit=3)] == [3, 4, 5]
    assert await logs.read("e1", after=7) == []
    assert await logs.read("nobody") == []


async def test_lines_are_counted_while_they_are_written(logs: LogStore) -> None:
    assert logs.written().get("e1", 0) == 0
    writer = logs.open("e1", Redactor(), drop)
    following = logs.follow("e1")
    await writer.write(["one", "two"])
    assert len(await anext(following)) == 2
    assert logs.written().get("e1", 0) == 2
    await writer.close()
    assert logs.written().get("e1", 0) == 0, "what is sealed stands in the row"


async def test_no_secret_reaches_the_disk(logs: LogStore, tmp_path: Path) -> None:
    writer = logs.open("e1", Redactor([SECRET]), drop)
    await writer.write(
        [SECRET, SECRET[::-1], SECRET.encode().hex(), "x" * 65_530 + SECRET, f"\x1b[1m{SECRET[:6]}\x1b[0m{SECRET[6:]}"]
    )
    await writer.write(["-----BEGIN RSA PRIVATE KEY-----", "MIIEowIBAAKCAQEA", "-----END RSA PRIVATE KEY-----", "after"])
    await writer.close()
    stored = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    for form in (SECRET, SECRET[::-1], SECRET.encode().hex(), "MIIEowIBAAKCAQEA"):
        assert form.encode() not in stored
    assert (await logs.read("e1"))[-1].text == "after"


async def test_full_segments_are_sealed_into_blobs_and_still_read_as_one(logs: LogStore, tmp_path: Path) -> None:
    sealed: list[Segment] = []
    writer = logs.open("e1", Redactor(), sealed.append)
    for start in range(0, 4000, 200):
        await writer.write([f"{n} " + "x" * 1000 for n in range(start + 1, start + 201)])
    await writer.close()
    assert [segment.first for segment in sealed] == [1, *(s.first + s.lines for s in sealed[:-1])]
    assert sum(segment.lines for segment in sealed) == 4000
    assert all(segment.bytes < SEGMENT_BYTES + 70_000 for segment in sealed)
    blobs = FolderBlobs(tmp_path / "blobs")
    assert all(len(blobs.get(segment.digest)) == segment.bytes for segment in sealed)
    lines: list[LogLine] = []
    while batch := await logs.read("e1", after=len(lines), limit=777):
        lines += batch
    assert [line.n for line in lines] == list(range(1, 4001))
    assert lines[2999].text.startswith("3000 ")
    assert not list((tmp_path / "logs" / "e1").glob("*.log"))


async def test_output_is_capped_with_one_marker(logs: LogStore) -> None:
    writer = logs.open("e1", Redactor(), drop, cap=1000)
    for _ in range(50):
        await writer.write(["x" * 99])
    await writer.write(["the end"], "system")
    await writer.close()
    texts = [line.text for line in await logs.read("e1")]
    assert texts == ["x" * 99] * 10 + ["[output limit of 1000 bytes reached: the rest is dropped]", "the end"]


async def test_a_follower_sees_old_lines_new_ones_and_the_end(logs: LogStore) -> None:
    writer = logs.open("e1", Redactor(), drop)
    await writer.write(["1", "2"])
    seen: list[int] = []
    third = asyncio.Event()

    async def follow(after: int) -> list[int]:
        async for lines in logs.follow("e1", after):
            seen.extend(line.n for line in lines)
            if 3 in seen:
                third.set()
        return seen

    following = asyncio.create_task(follow(1))
    await asyncio.sleep(0.05)
    await writer.write(["3"])
    await asyncio.wait_for(third.wait(), 5)
    await writer.write(["4"])
    await writer.close()
    assert await asyncio.wait_for(following, 5) == [2, 3, 4]
    assert [line.n async for lines in logs.follow("e1") for line in lines] == [1, 2, 3, 4]


async def test_a_torn_last_line_is_dropped_and_numbering_goes_on(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path / "blobs")
    killed = LogStore(tmp_path / "logs", blobs, ManualClock())
    writer = killed.open("e1", Redactor(), drop)
    await writer.write(["1", "2"])
    while len(await killed.read("e1")) < 2:
        await asyncio.sleep(0.01)
    file = next((tmp_path / "logs" / "e1").glob("*.log"))
    file.write_bytes(file.read_bytes() + b'{"n":3,"at":1,"str')
    logs = LogStore(tmp_path / "logs", blobs, ManualClock())
    assert [line.text for line in await logs.read("e1")] == ["1", "2"]
    again = logs.open("e1", Redactor(), drop)
    await again.write(["3"])
    await again.close()
    assert [(line.n, line.text) for line in await logs.read("e1")] == [(1, "1"), (2, "2"), (3, "3")]
    logs.close()
    killed.close()


async def test_recovery_seals_what_was_open_and_tells_of_every_segment(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path / "blobs")
    killed = LogStore(tmp_path / "logs", blobs, ManualClock())
    writer = killed.open("e1", Redactor(), drop)
    await writer.write(["x" * 60_000] * 20)
    await writer.write(["last"])
    while len(await killed.read("e1")) < 21:
        await asyncio.sleep(0.01)
    logs = LogStore(tmp_path / "logs", blobs, ManualClock())
    segments = await logs.recover("e1")
    assert [segment.first for segment in segments] == [1, 1 + segments[0].lines]
    assert sum(segment.lines for segment in segments) == 21
    assert await logs.recover("e1") == segments
    assert await logs.recover("never-wrote") == []
    killed.close()


async def test_a_disk_that_refuses_costs_lines_that_are_counted(tmp_path: Path, logs: LogStore) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "e1").write_text("in the way")
    writer = logs.open("e1", Redactor(), drop)
    await writer.write(["1", "2"])
    while writer._pending:
        await asyncio.sleep(0.01)
    (tmp_path / "logs" / "e1").unlink()
    await writer.write(["3"])
    await writer.close()
    assert [line.text for line in await logs.read("e1")] == ["[2 lines lost: they could not be written]", "3"]


async def test_a_blob_store_that_refuses_leaves_the_segment_readable(tmp_path: Path) -> None:
    class Full(FolderBlobs):
        def put(self, data: bytes) -> str:
            raise StorageUnavailable

    logs = LogStore(tmp_path / "logs", Full(tmp_path / "blobs"), ManualClock())
    writer = logs.open("e1", Redactor(), drop)
    await writer.write(["kept"])
    await writer.close()
    assert [line.text for line in await logs.read("e1")] == ["kept"]
    logs.close()


@pytest.mark.parametrize("execution", ["", "..", "../x", "a/b", ".hidden", "a\0", "x" * 65, "a\n"])
async def test_what_can_be_no_execution_never_touches_a_path(logs: LogStore, execution: str) -> None:
    with pytest.raises(NotFound):
        await logs.read(execution)
    with pytest.raises(NotFound):
        logs.open(execution, Redactor(), drop)


async def test_one_execution_has_one_writer(logs: LogStore) -> None:
    writer = logs.open("e1", Redactor(), drop)
    with pytest.raises(Conflict):
        logs.open("e1", Redactor(), drop)
    await writer.close()
    await writer.write(["late"])
    assert await logs.read("e1") == []


async def test_a_flood_is_held_back_and_leaves_the_loop_responsive(logs: LogStore) -> None:
    writer = logs.open("e1", Redactor([SECRET]), drop)
    lags: list[float] = []

    async def watch() -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.005)
            lags.append(time.perf_counter() - before - 0.005)

    watching = asyncio.create_task(watch())
    for _ in range(300):
        await writer.write(["flood flood flood flood"] * 256)
        assert writer._pending <= 8
    await writer.close()
    watching.cancel()
    assert len(await logs.read("e1", after=76_799)) == 1
    assert sorted(lags)[int(len(lags) * 0.9)] < 0.1


def test_segments_are_numbered_on_after_the_sealed_ones(tmp_path: Path) -> None:
    segments = Segments(tmp_path / "e", "e", FolderBlobs(tmp_path / "blobs"))
    segments.recover()
    segments.append([LogLine(1, 0, "stdout", "a")])
    assert segments.seal() is not None
    assert segments.seal() is None
    again = Segments(tmp_path / "e", "e", FolderBlobs(tmp_path / "blobs"))
    assert [segment.first for segment in again.recover()] == [1]
    assert again.next == 2
