"""The suites of webhook sources (``rig_register_webhook_sources``)."""

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from unittest import SkipTest

from rig.errors import BadSignature, RigError
from rig.model import facts
from rig.payload import MAX_ID
from rig.plugin.contexts import Identity, Mapped, WebhookDelivery, WebhookSettings, WebhookSource
from rig.testing import hostile, signing
from rig.testing.calls import Outcome, attempt
from rig.testing.signing import NOW, OTHER, SECRET, SIGNERS, Signer
from rig.testing.suite import ThingSuite, check, must

SECONDS = 5.0
AT_ONCE = 30

_TYPE = re.compile(r"[a-z][a-z0-9_-]{0,63}")


class _Sources(ThingSuite):
    hook = "rig_register_webhook_sources"
    bodies: Sequence[bytes] = ()
    """Bodies that the sender really sends; empty: one that many sources understand."""
    secrets: tuple[str, str] = (SECRET, OTHER)
    """Two different secrets of the form that the sender uses."""

    def sign(self, body: bytes, secret: str, at: int) -> Mapping[str, str] | None:
        """The headers with which the sender signs a body at a time, in seconds; None tries the well-known ways."""
        return None

    async def warm(self) -> None:
        for source in self.found():
            await attempt(source.verify, signing.delivery(), [SECRET], seconds=SECONDS)

    @property
    def _bodies(self) -> Sequence[bytes]:
        return self.bodies or (signing.BODY,)

    async def _signed(self, source: WebhookSource, body: bytes, secret: str) -> WebhookDelivery | None:
        """A delivery that the source takes for its sender's, None where no way of signing is known to it."""
        own = self.sign(body, secret, NOW)
        ways: Sequence[Signer] = SIGNERS if own is None else (lambda body, secret, at: own,)
        for way in ways:
            one = signing.delivery(body, way(body, secret, NOW))
            if (await self._verify(source, one, [secret])).error is None:
                return one
        must(own is None, f"{source.type}: it refuses what its suite signed")
        return None

    async def _verify(self, source: WebhookSource, delivery: WebhookDelivery, secrets: Sequence[str]) -> Outcome:
        outcome = await attempt(source.verify, delivery, list(secrets), seconds=SECONDS)
        must(not outcome.late, f"{source.type}.verify: no end within {SECONDS:g} s")
        good = outcome.error is None or isinstance(outcome.error, RigError)
        must(good, f"{source.type}.verify: raised {outcome.error!r}, which is no rig.RigError")
        return outcome

    async def _refuses(self, source: WebhookSource, delivery: WebhookDelivery, secrets: Sequence[str], why: str) -> None:
        outcome = await self._verify(source, delivery, secrets)
        must(outcome.error is not None, f"{source.type}.verify: it accepts a delivery {why}")
        must(
            isinstance(outcome.error, BadSignature), f"{source.type}.verify: {outcome.error!r}, not BadSignature, for one {why}"
        )

    async def _samples(self, source: WebhookSource) -> list[WebhookDelivery]:
        found = [one for body in self._bodies if (one := await self._signed(source, body, self.secrets[0])) is not None]
        if not found:
            raise SkipTest("how its sender signs is not known: override sign")
        return found


class WebhookSourceContract(_Sources):
    """What Rig expects of a webhook source."""

    @check
    async def test_it_registers_a_source_with_a_type(self) -> None:
        must(self.found(), "it registers no webhook source with this configuration")
        for source in self.found():
            must(_TYPE.fullmatch(source.type), f"{source.type!r} is no type: lower case letters, digits, - and _")

    @check
    async def test_what_is_not_signed_is_refused_before_it_is_read(self) -> None:
        for source in self.things():
            for body in (*self._bodies, b"{", b"\xff"):
                await self._refuses(source, signing.delivery(body), self.secrets, "that nobody signed")
                await self._refuses(source, signing.delivery(body), [], "and there is no secret")
                await self._refuses(source, signing.delivery(body), [""], "and the secret is empty")

    @check
    async def test_either_of_two_secrets_signs(self) -> None:
        for source in self.things():
            for one in await self._samples(source):
                for secrets in (self.secrets, self.secrets[::-1]):
                    must(
                        (await self._verify(source, one, secrets)).error is None, f"{source.type}: refused while secrets rotate"
                    )

    @check
    async def test_another_secret_or_body_does_not_count(self) -> None:
        for source in self.things():
            for one in await self._samples(source):
                await self._refuses(source, one, [self.secrets[1]], "signed with another secret")
                if any(self.secrets[0] in value for value in one.headers.values()):
                    continue  # the secret itself is the signature, which says nothing of the body
                changed = WebhookDelivery(one.body + b" ", one.headers, one.source, one.at)
                await self._refuses(source, changed, [self.secrets[0]], "whose body was changed")

    @check
    async def test_a_delivery_has_the_same_name_and_meaning_each_time(self) -> None:
        for source in self.things():
            for one in await self._samples(source):
                names = [await attempt(source.identify, one, seconds=SECONDS) for _ in range(2)]
                meanings = [await attempt(source.normalize, one, WebhookSettings(), seconds=SECONDS) for _ in range(2)]
                if not self.bodies and any(isinstance(o.error, RigError) for o in (*names, *meanings)):
                    raise SkipTest("what its sender sends is not known: set bodies")
                must(
                    all(o.error is None for o in (*names, *meanings)),
                    f"{source.type}: {[o.error for o in (*names, *meanings)]}",
                )
                must_be_an_identity(source, names[0].answer)
                must_be_mapped(source, meanings[0].answer)
                for fact in meanings[0].answer.facts:
                    must((wrong := untaken(fact)) is None, f"{source.type}.normalize: Rig does not take its fact: {wrong}")
                must(names[0] == names[1], f"{source.type}.identify: another name the second time")
                must(meanings[0] == meanings[1], f"{source.type}.normalize: another meaning the second time")


class WebhookSourceFaults(_Sources):
    """What a webhook source meets on bad days: verify refuses, and what strangers signed is read with care all the same."""

    @check
    async def test_hostile_headers_are_no_signature(self) -> None:
        names = {name for way in SIGNERS for name in way(b"", SECRET, NOW)} | set(self.sign(b"", self.secrets[0], NOW) or {})
        for source in self.things():
            for text in hostile.TEXTS:
                one = signing.delivery(headers=dict.fromkeys(names, text[:100_000]))
                await self._refuses(source, one, self.secrets, f"whose headers are {text[:20]!r}")

    @check
    async def test_hostile_bodies_are_refused_or_mean_something(self) -> None:
        for source in self.things():
            samples = [self._headers(source, body) for body in hostile.BODIES]
            await asyncio.gather(*(self._reads(source, one) for one in samples))

    @check
    async def test_bodies_with_wrong_parts_are_refused_or_mean_something(self) -> None:
        for source in self.things():
            for body in self._bodies:
                try:
                    whole = json.loads(body)
                except ValueError:
                    continue
                for bad in hostile.VALUES:
                    for part in hostile.broken(whole, bad, 2):
                        await self._reads(source, self._headers(source, json.dumps(part).encode()))

    @check
    async def test_many_at_once_are_all_read(self) -> None:
        for source in self.things():
            one = (await self._samples(source))[0]
            first = await self._reads(source, one)
            for other in await asyncio.gather(*(self._reads(source, one) for _ in range(AT_ONCE))):
                must(other == first, f"{source.type}: {AT_ONCE} at once, and one was read otherwise")

    def _headers(self, source: WebhookSource, body: bytes) -> WebhookDelivery:
        own = self.sign(body, self.secrets[0], NOW)
        ways = SIGNERS if own is None else ()
        return signing.delivery(body, own or {k: v for way in ways for k, v in way(body, SECRET, NOW).items()})

    async def _reads(self, source: WebhookSource, one: WebhookDelivery) -> tuple[Any, Any]:
        """(identity, meaning) of a delivery, None for what was refused; fails for anything else."""
        said = f"the body {one.body[:40]!r}"
        found: list[Any] = []
        for name, arguments in (("identify", (one,)), ("normalize", (one, WebhookSettings()))):
            outcome = await attempt(getattr(source, name), *arguments, seconds=SECONDS)
            must(not outcome.late, f"{source.type}.{name}: no end within {SECONDS:g} s for {said}")
            good = outcome.error is None or isinstance(outcome.error, RigError)
            must(good, f"{source.type}.{name}: raised {outcome.error!r}, which is no rig.RigError, for {said}")
            found.append(outcome.answer)
        if found[0] is not None:
            must_be_an_identity(source, found[0])
        if found[1] is not None:
            must_be_mapped(source, found[1])
        return found[0], found[1]


def must_be_an_identity(source: WebhookSource, answer: Any) -> None:
    """Fail unless a delivery can be told from others by its name."""
    must(isinstance(answer, Identity), f"{source.type}.identify: answered with {type(answer).__name__}, not an Identity")
    name = answer.delivery_id
    good = isinstance(name, str) and len(name) <= MAX_ID and (name.isprintable() or not name)
    must(good, f"{source.type}.identify: {name!r:.80} is no id: at most {MAX_ID} printable characters")
    event = answer.event
    must(isinstance(event, str) and event and "\0" not in event, f"{source.type}.identify: {event!r:.80} is no event")
    must(_encodes(event), f"{source.type}.identify: the event {event!r:.80} is no text that can be kept")


def must_be_mapped(source: WebhookSource, answer: Any) -> None:
    """Fail unless what a delivery means is facts that Rig takes, or a reason."""
    must(isinstance(answer, Mapped), f"{source.type}.normalize: answered with {type(answer).__name__}, not Mapped")
    must(bool(answer.facts) != bool(answer.ignored), f"{source.type}.normalize: either facts or a reason why there are none")
    if answer.ignored:
        must(
            _encodes(answer.ignored), f"{source.type}.normalize: its reason {answer.ignored!r:.80} is no text that can be kept"
        )
    for fact in answer.facts:
        must(isinstance(fact, Mapping), f"{source.type}.normalize: a fact is {type(fact).__name__}, not a mapping")


def _encodes(text: str) -> bool:
    try:
        return "\0" not in text and bool(text.encode() or True)
    except UnicodeEncodeError:
        return False


def untaken(fact: Any) -> str | None:
    """Why Rig does not take a fact, None when it does."""
    try:
        facts.parse(dict(fact))
    except RigError as error:
        return error.message
    return None
