"""The suites of providers (``rig_register_providers``)."""

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest import SkipTest

from rig.errors import Conflict, ProcessError, RigError
from rig.plugin.guard import Guard
from rig.plugin.guarded import GuardedProvider
from rig.plugin.provider import ProviderRegistration, SessionResult
from rig.testing import hostile
from rig.testing.calls import Outcome, attempt, ends_when_cancelled
from rig.testing.samples import sample
from rig.testing.session import AskingSession, FakeChild, FakeSession, SteeredSession
from rig.testing.suite import ThingSuite, check, must

AT_ONCE = 6

BABBLE = "import sys; [sys.stdout.buffer.write(l) for l in (b'\\xff\\xfe\\n', b'{\"type\": 5}\\n', b'[' * 9999 + b'\\n', b'x' * 300000)]"
"""A program that says what nobody understands, and ends well."""


class Unspawnable(FakeSession):
    """There is no such program."""

    async def spawn(self, argv: Sequence[str], **rest: Any) -> FakeChild:
        self.argv.append(list(argv))
        raise ProcessError(f"{argv[0]}: there is no such program on PATH")


class Swapped(FakeSession):
    """Starts another program than the one it was asked for."""

    program: Sequence[str] = ()

    async def spawn(self, argv: Sequence[str], **rest: Any) -> FakeChild:
        child = await super().spawn(self.program, **rest)
        self.argv[-1] = list(argv)
        return child


class Spoken(SteeredSession):
    """Somebody has said something before the agent began, and says more while it works."""

    def __init__(self, *arguments: Any, **rest: Any) -> None:
        super().__init__(*arguments, **rest)
        self.say("Use the other branch.")

    async def progress(self, message: str, **totals: Any) -> None:
        await super().progress(message, **totals)
        if len(self.messages) == 1:
            self.say("a\u202eb" * 10_000)


class Lost(FakeSession):
    """Its lease is lost: nothing that is reported is taken any more."""

    async def log(self, *arguments: Any, **rest: Any) -> None:
        raise Conflict("the lease was lost")

    usage = progress = log


class _Providers(ThingSuite):
    hook = "rig_register_providers"
    provider_config: Mapping[str, Any] | None = None
    """``[providers.<name>]`` of an ordinary session; None takes the examples of the model's fields, or its defaults."""
    prompt = "Add a file hello.txt with a greeting."
    seconds = 20.0
    """How long an ordinary session may take."""

    async def warm(self) -> None:
        for registration in self.found():
            if self._config(registration) is not None:
                async with self._session(FakeSession, registration) as session:
                    await attempt(registration.provider.run, session, seconds=self.seconds)

    def _config(self, registration: ProviderRegistration) -> tuple[Any] | None:
        """The configuration of an ordinary session in a tuple, None where none is known."""
        model = registration.config
        raw = self.provider_config if self.provider_config is not None else {} if model is None else sample(model)
        return None if raw is None else (GuardedProvider(registration, Guard("")).configure(raw),)

    def _ready(self) -> list[ProviderRegistration]:
        found = [registration for registration in self.things() if self._config(registration) is not None]
        if not found:
            raise SkipTest("its configuration has keys that must be given: set provider_config, or give its fields examples")
        return found

    @asynccontextmanager
    async def _session(
        self, kind: type[FakeSession], registration: ProviderRegistration, prompt: str | None = None
    ) -> AsyncIterator[FakeSession]:
        config = self._config(registration)
        assert config is not None
        with tempfile.TemporaryDirectory() as folder:
            session = kind(Path(folder), config[0], prompt=self.prompt if prompt is None else prompt)
            try:
                yield session
            finally:
                await session.end()

    async def _runs(self, kind: type[FakeSession], registration: ProviderRegistration, prompt: str | None = None) -> Outcome:
        """How a session ends; fails unless that is a result or a RigError, in time."""
        async with self._session(kind, registration, prompt) as session:
            outcome = await attempt(registration.provider.run, session, seconds=self.seconds)
            name = registration.name
            must(not outcome.late, f"{name}: no end within {self.seconds:g} s ({kind.__name__})")
            good = outcome.error is None or isinstance(outcome.error, RigError)
            must(good, f"{name}: raised {outcome.error!r}, which is no rig.RigError ({kind.__name__})")
            if outcome.error is None:
                must_be_a_result(registration, outcome.answer)
            if issubclass(kind, Unspawnable | Swapped) and not session.argv:
                raise SkipTest("it starts no program")
            must_be_reports(registration, session)
            return outcome


class ProviderContract(_Providers):
    """What Rig expects of a provider."""

    @check
    async def test_it_registers_a_provider(self) -> None:
        must(self.found(), "it registers no provider with this configuration")
        for registration in self.found():
            must(all(isinstance(m, str) and m for m in registration.models), f"{registration.name}: a model without a name")

    @check
    async def test_a_misspelt_key_of_its_configuration_is_found(self) -> None:
        for registration in self.things():
            if registration.config is not None:
                config = registration.config.model_config
                must(config.get("extra") == "forbid", f"{registration.name}: derive its configuration from rig.ProviderConfig")

    @check
    async def test_an_ordinary_session_ends_well(self) -> None:
        for registration in self._ready():
            outcome = await self._runs(FakeSession, registration)
            why = repr(outcome.error) if outcome.error is not None else outcome.answer.reason
            if why and self.provider_config is None:
                raise SkipTest(f"{registration.name}: as it is, a session fails here ({why}): set provider_config")
            must(not why, f"{registration.name}: an ordinary session failed: {why}")


class ProviderFaults(_Providers):
    """What a provider meets on bad days."""

    @check
    async def test_a_program_that_is_missing_fails_the_session(self) -> None:
        for registration in self._ready():
            outcome = await self._runs(Unspawnable, registration)
            must(outcome.error is not None or not outcome.answer.ok, f"{registration.name}: ok, and its program is missing")

    @check
    async def test_a_program_that_dies_at_once_fails_the_session(self) -> None:
        dies = type("Dies", (Swapped,), {"program": [sys.executable, "-c", "import sys; sys.exit(3)"]})
        for registration in self._ready():
            outcome = await self._runs(dies, registration)
            must(outcome.error is not None or not outcome.answer.ok, f"{registration.name}: ok, and its program died")

    @check
    async def test_a_program_that_babbles_is_borne(self) -> None:
        babbles = type("Babbles", (Swapped,), {"program": [sys.executable, "-c", BABBLE]})
        for registration in self._ready():
            await self._runs(babbles, registration)

    @check
    async def test_a_session_that_is_cancelled_ends_at_once(self) -> None:
        hangs = type("Hangs", (Swapped,), {"program": [sys.executable, "-c", "import time; time.sleep(60)"]})
        for registration in self._ready():
            for kind, after in ((FakeSession, 0.0), (FakeSession, 0.1), (hangs, 0.4)):
                async with self._session(kind, registration) as session:
                    await ends_when_cancelled(registration.name, registration.provider.run, session, after=after)

    @check
    async def test_a_lost_lease_ends_the_session(self) -> None:
        for registration in self._ready():
            await self._runs(Lost, registration)

    @check
    async def test_what_people_say_on_the_way_is_borne(self) -> None:
        for registration in self._ready():
            await self._runs(Spoken, registration)

    @check
    async def test_a_session_that_can_ask_ends_too(self) -> None:
        for registration in self._ready():
            await self._runs(AskingSession, registration)

    @check
    async def test_hostile_prompts_are_borne(self) -> None:
        for registration in self._ready():
            for text in hostile.STORED:
                await self._runs(FakeSession, registration, text)

    @check
    async def test_many_sessions_at_once_all_end(self) -> None:
        for registration in self._ready():
            await asyncio.gather(*(self._runs(FakeSession, registration) for _ in range(AT_ONCE)))


def must_be_a_result(registration: ProviderRegistration, answer: Any) -> None:
    """Fail unless a session's end can be recorded."""
    name = registration.name
    must(isinstance(answer, SessionResult), f"{name}: answered with {type(answer).__name__}, not a SessionResult")
    must(answer.ok or answer.reason, f"{name}: it failed without a reason")
    must(isinstance(answer.turns, int) and answer.turns >= 0, f"{name}: {answer.turns!r} turns")


def must_be_reports(registration: ProviderRegistration, session: FakeSession) -> None:
    """Fail unless what a session reported can be counted and shown."""
    for usage in session.usages:
        counts = (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_creation_tokens)
        must(usage.model and all(isinstance(n, int) and n >= 0 for n in counts), f"{registration.name}: not a usage: {usage!r}")
    must(all(isinstance(line, str) for line in session.lines), f"{registration.name}: it logs what is no text")
