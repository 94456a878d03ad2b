"""What a check leaves behind is seen: threads, files, processes, tasks."""

import asyncio
import os
import subprocess
import sys
import threading

import pytest

from rig.testing import held
from rig.testing.held import Held
from rig.testing.receiver import Reaction, Receiver


async def test_everything_that_stays_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held, "GRACE", 0.1)
    before = Held.now()
    over = threading.Event()
    thread = threading.Thread(target=over.wait, name="stray")
    thread.start()
    reading, writing = os.pipe()
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)  # noqa: ASYNC220 - it is to be there at once
    try:
        left = ", ".join(await before.settle())
        assert "the thread stray" in left
        assert f"the open file {reading} (pipe:" in left or sys.platform != "linux"
        assert f"the process {child.pid}" in left
        task = asyncio.create_task(asyncio.sleep(60), name="lost")
        assert await before.settle() == ["the task lost (sleep)"]
        task.cancel()
    finally:
        over.set()
        thread.join()
        os.close(reading)
        os.close(writing)
        child.communicate(b"\n")
    await asyncio.sleep(0)
    assert await before.settle() == []


async def test_a_receiver_leaves_nothing_behind_even_while_it_hangs() -> None:
    before = Held.now()
    with Receiver(Reaction(trouble="hang")) as receiver:
        _, writer = await asyncio.open_connection("127.0.0.1", int(receiver.url.split(":")[2]))
        writer.write(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}")
        await writer.drain()
        while not receiver.received:
            await asyncio.sleep(0.01)
        assert (receiver.received[0].method, receiver.received[0].path, receiver.received[0].json) == ("POST", "/x", {})
    writer.close()
    await writer.wait_closed()
    assert await before.settle() == []
