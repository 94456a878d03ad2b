"""Asking an actor from the event loop (T8): the house's actor, and a ThreadingActor through ``asyncio.to_thread``."""

import asyncio
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any

import pykka

from rig.actors.base import RigActor
from rig.actors.dispatcher import Dispatcher
from rig.bench.report import Line, Section, Target, ratio
from rig.bench.settings import Settings

CALLERS = 64


class _OnTheLoop(RigActor):
    def on_receive(self, message: Any) -> Any:
        return message


class _OnAThread(pykka.ThreadingActor):
    def on_receive(self, message: Any) -> Any:
        return message


async def asks(settings: Settings) -> Section:
    """64 callers, each asks again once it is answered."""
    loop = asyncio.get_running_loop()
    ours = _OnTheLoop.start(Dispatcher(loop), "bench")
    stock = _OnAThread.start()

    async def awaited(number: int) -> None:
        await ours.ask(number, block=False)

    async def through_thread(number: int) -> None:
        await asyncio.to_thread(stock.ask, number)

    rates: dict[str, list[float]] = {"awaited ask": [], "ThreadingActor through to_thread": []}
    try:
        for _ in range(settings.rounds):
            for name, ask in zip(rates, (awaited, through_thread), strict=True):
                rates[name].append(await _rate(ask, settings.seconds / 2))
    finally:
        stock.stop()
    fast, slow = rates.values()
    return Section(
        "ask",
        f"{CALLERS} callers on one actor (T8)",
        tuple(Line(name, "asks/s", tuple(values)) for name, values in rates.items()),
        (Target("awaited ask : to_thread", ratio(fast, slow), "≥", 5),),
    )


async def _rate(ask: Callable[[int], Awaitable[None]], seconds: float) -> float:
    count = 0
    began = perf_counter()

    async def caller() -> None:
        nonlocal count
        while perf_counter() - began < seconds:
            await ask(count)
            count += 1

    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return count / (perf_counter() - began)
