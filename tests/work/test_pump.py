import asyncio
import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.plugin.provider import MAX_LINE
from rig.work.environment import environment
from rig.work.process import spawn
from rig.work.pump import BATCH, LineSplitter, Pump

ENV = environment({})


@given(st.lists(st.binary(max_size=20)))
def test_lines_are_the_same_however_the_bytes_arrive(chunks: list[bytes]) -> None:
    whole = b"".join(chunks)
    splitter = LineSplitter()
    lines = [line for chunk in chunks for line in splitter.feed(chunk)]
    if splitter.unfinished:
        lines.append(splitter.rest())
    expected = whole.split(b"\n")
    if not expected[-1]:
        expected.pop()
    assert lines == [line.removesuffix(b"\r") for line in expected]


@pytest.mark.parametrize("size", [MAX_LINE - 1, MAX_LINE, MAX_LINE + 1, 3 * MAX_LINE])
@pytest.mark.parametrize("step", [1000, 1 << 20])
def test_an_over_long_line_is_cut_with_a_marker(size: int, step: int) -> None:
    data = b"x" * size + b"\nnext\n"
    splitter = LineSplitter()
    lines = [line for i in range(0, len(data), step) for line in splitter.feed(data[i : i + step])]
    assert lines[1] == b"next"
    if size <= MAX_LINE:
        assert lines[0] == b"x" * size
    else:
        assert lines[0] == b"x" * MAX_LINE + f" [line cut: {size - MAX_LINE} bytes more]".encode()


async def test_twenty_megabytes_without_a_newline_are_one_cut_line(tmp_path: Path) -> None:
    child = await spawn(["bash", "-c", "head -c 20000000 /dev/zero; echo; echo end"], cwd=tmp_path, env=ENV)
    lines = [line async for batch in child.lines() for line in batch]
    assert len(lines) == 2
    assert len(lines[0]) < MAX_LINE + 100
    assert lines[1] == b"end"
    await child.end()


async def test_a_reader_that_is_slow_holds_the_program_back(tmp_path: Path) -> None:
    child = await spawn(["bash", "-c", "yes 0123456789 | head -n 2000000; touch done"], cwd=tmp_path, env=ENV)
    batches = child.lines()
    assert len(await anext(batches)) == BATCH
    await asyncio.sleep(0.3)
    assert not child.ended
    assert not (tmp_path / "done").exists()
    await child.end(grace=1)


async def test_a_flood_of_lines_leaves_the_loop_responsive(tmp_path: Path) -> None:
    child = await spawn(["bash", "-c", "yes flood flood flood | head -n 300000"], cwd=tmp_path, env=ENV)
    lags: list[float] = []

    async def watch() -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.005)
            lags.append(time.perf_counter() - before - 0.005)

    watching = asyncio.create_task(watch())
    count = 0
    async for batch in child.lines():
        count += len(batch)
    watching.cancel()
    await child.end()
    assert count == 300_000
    assert sorted(lags)[int(len(lags) * 0.9)] < 0.1


async def test_a_stopped_pump_lets_go_of_a_pipe_that_somebody_holds() -> None:
    reading, writing = os.pipe()
    pump = Pump(os.fdopen(reading, "rb", buffering=0), "test")
    os.write(writing, b"last words\nunfinished")
    pump.stop()
    lines = [line async for batch in pump.batches() for line in batch]
    os.close(writing)
    assert lines == [b"last words", b"unfinished"]
