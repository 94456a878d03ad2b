"""What a suite is: a class whose methods are checks. pytest collects its subclasses; ``rig plugin test`` runs it without pytest.

A check is a coroutine that runs in an event loop of its own. It fails with AssertionError, it is skipped with unittest.SkipTest
where it does not apply, and it fails as well when it leaves a task, a thread, an open file or a process behind.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from types import MappingProxyType
from typing import Any, TypeVar
from unittest import SkipTest

from rig.plugin.guard import FAREWELL
from rig.testing.held import Held
from rig.testing.subject import Subject, Target, addressed

S = TypeVar("S", bound="Suite")

NOWHERE = "http://127.0.0.1:9"
"""An address where nobody listens."""


def must(good: object, text: str) -> None:
    """Fail the check with a reason unless something is so."""
    if not good:
        raise AssertionError(text)


def check(body: Callable[[S], Awaitable[None]]) -> Callable[[S], None]:
    """Make a coroutine method a check. What it leaves behind counts from after an ordinary call (``Suite.warm``)."""

    @wraps(body)
    def run(self: S) -> None:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(_watched(self, body))
        finally:
            _close(loop)

    return run


async def _watched(suite: S, body: Callable[[S], Awaitable[None]]) -> None:
    loop = asyncio.get_running_loop()
    await suite.warm()
    threads = ThreadPoolExecutor(thread_name_prefix="loop")
    loop.set_default_executor(threads)
    held = Held.now()
    try:
        await body(suite)
    finally:
        threads.shutdown(wait=False)
        loop.set_default_executor(ThreadPoolExecutor(1))  # closing the loop waits for this one, and not for a stuck thread
    left = await held.settle()
    must(not left, f"it leaves behind: {', '.join(left[:5])}")


def _close(loop: asyncio.AbstractEventLoop) -> None:
    """End a loop as asyncio does, but for what will not end: that is left, where asyncio would wait for ever."""
    try:
        if left := asyncio.all_tasks(loop):
            for task in left:
                task.cancel()
            loop.run_until_complete(asyncio.wait(left, timeout=FAREWELL))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        asyncio.set_event_loop(None)
        loop.close()


class Suite:
    """Base of every suite. A subclass says which plugin it is about; the rest has defaults."""

    plugin: Target
    """The plugin's module, its name, or the path of a one-file plugin."""
    config: Mapping[str, Any] = MappingProxyType({})
    """The plugin's table ``[plugins.<name>]``, not validated yet."""

    def config_for(self, url: str) -> Mapping[str, Any] | None:
        """``[plugins.<name>]`` with which the plugin talks to ``url``; None where it talks to nobody.

        As it is, it fills in a field of the configuration that is called url, base_url, api_url or endpoint.
        """
        return addressed(self.plugin, url, self.config)

    def subject(self, config: Mapping[str, Any] | None = None) -> Subject:
        """The plugin, loaded afresh with ``config`` (its own when None). Raises AssertionError when it can't be loaded."""
        subject = Subject(self.plugin, self.config if config is None else config)
        if subject.error is not None:
            raise AssertionError(subject.error)
        return subject

    async def warm(self) -> None:
        """One ordinary call, so that what is made once and kept is not taken for a leak; nothing here."""


class ThingSuite(Suite):
    """A suite about what a registration hook gives."""

    hook: str
    """Name of the hook."""

    def things(self, config: Mapping[str, Any] | None = None) -> list[Any]:
        """What the plugin registers: with ``config``, else with the suite's, else with an address where nobody listens.

        Raises SkipTest when it is nothing, which one check of each contract does not accept.
        """
        found = self.found(config)
        if not found:
            raise SkipTest("it registers nothing with this configuration")
        return found

    def found(self, config: Mapping[str, Any] | None = None) -> list[Any]:
        """The same; may be empty."""
        tried = [config] if config is not None else [self.config, *filter(None, [self.config_for(NOWHERE)])]
        for one in tried:
            if found := self.subject(one).registered(self.hook):
                return found
        return []

    def talking_to(self, url: str) -> list[Any]:
        """What the plugin registers when it is to talk to ``url``. Raises SkipTest when it can't be told so."""
        config = self.config_for(url)
        if config is None:
            raise SkipTest("it has no address in its configuration: override config_for")
        return self.things(config)
