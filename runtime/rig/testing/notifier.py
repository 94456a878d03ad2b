"""The suites of notifiers (``rig_register_notifiers``)."""

import asyncio
from dataclasses import replace
from typing import Any

from rig.errors import NotSent
from rig.model.notices import KINDS, MAX_TEXT
from rig.plugin.notifier import Notification, Notifier
from rig.testing import hostile
from rig.testing.calls import attempt, ends_when_cancelled, free_loop
from rig.testing.receiver import Reaction, Receiver
from rig.testing.suite import ThingSuite, check, must
from rig.text import clean, one_line

SECONDS = 5.0
AT_ONCE = 10


def notification(**changes: Any) -> Notification:
    """A notification that an agent's question makes, but for what is said otherwise."""
    asked = Notification(
        id="acme-1047",
        kind="attention",
        severity="warning",
        title="acme/shop#42 asks a question",
        text="Shall the old endpoint stay?",
        url="http://127.0.0.1:8080/",
        issue="acme/shop#42",
        at="2026-01-02T03:04:05.678Z",
        sent=1_767_323_045,
    )
    return replace(asked, **changes)


class _Notifiers(ThingSuite):
    hook = "rig_register_notifiers"

    async def warm(self) -> None:
        with Receiver() as receiver:
            config = self.config_for(receiver.url)
            for notifier in self.found(config):
                await attempt(notifier.send, notification(), seconds=SECONDS)

    async def _refused(self, reaction: Reaction) -> list[tuple[Notifier, NotSent]]:
        """What each notifier raises when its receiver reacts so; fails where that is not NotSent."""
        found = []
        with Receiver(reaction) as receiver:
            for notifier in self.talking_to(receiver.url):
                before = len(receiver.received)
                outcome = await attempt(notifier.send, notification(), seconds=SECONDS)
                what = reaction.trouble or f"http {reaction.status}"
                must(len(receiver.received) > before, f"{notifier.name}: it sent nothing")
                must(not outcome.late, f"{notifier.name}: no end within {SECONDS:g} s of a receiver that says {what}")
                must(outcome.error is not None, f"{notifier.name}: it counts as sent, and its receiver says {what}")
                must(isinstance(outcome.error, NotSent), f"{notifier.name}: raised {outcome.error!r}, not NotSent, for {what}")
                assert isinstance(outcome.error, NotSent)
                found.append((notifier, outcome.error))
        return found


class NotifierContract(_Notifiers):
    """What Rig expects of a notifier."""

    @check
    async def test_it_registers_a_notifier(self) -> None:
        must(self.found(), "it registers no notifier with this configuration")

    @check
    async def test_every_kind_that_it_wants_reaches_the_receiver(self) -> None:
        with Receiver() as receiver:
            for notifier in self.talking_to(receiver.url):
                for kind in notifier.kinds or KINDS:
                    receiver.received.clear()
                    outcome = await attempt(notifier.send, notification(kind=kind), seconds=SECONDS)
                    must(not outcome.late and outcome.error is None, f"{notifier.name}: {kind}: {outcome.error!r}")
                    must(receiver.received, f"{notifier.name}: {kind}: nothing came to its address")

    @check
    async def test_a_receiver_can_tell_a_repeat(self) -> None:
        with Receiver() as receiver:
            for notifier in self.talking_to(receiver.url):
                receiver.received.clear()
                await attempt(notifier.send, notification(), seconds=SECONDS)
                said = b"".join(r.body + repr(dict(r.headers)).encode() for r in receiver.received)
                must(notification().id.encode() in said, f"{notifier.name}: the notification's id is not in what it sends")

    @check
    async def test_a_refusal_is_not_sent_and_does_not_give_the_address_away(self) -> None:
        for notifier, error in await self._refused(Reaction(500)):
            must(not error.final, f"{notifier.name}: a receiver that says http 500 may take it later")
            must("127.0.0.1" not in f"{error.message} {error.details}", f"{notifier.name}: the error gives the address away")


class NotifierFaults(_Notifiers):
    """What a notifier meets on bad days."""

    @check
    async def test_a_receiver_that_is_broken_is_not_sent(self) -> None:
        for trouble in ("drop", "garbage"):
            await self._refused(Reaction(trouble=trouble))

    @check
    async def test_a_redirect_is_not_followed(self) -> None:
        with Receiver() as elsewhere:
            await self._refused(Reaction(307, {"Location": elsewhere.url}))
            must(not elsewhere.received, "it follows a redirect, and its secrets with it")

    @check
    async def test_a_receiver_that_is_not_there_is_not_sent(self) -> None:
        with Receiver() as receiver:
            url = receiver.url
        for notifier in self.talking_to(url):
            outcome = await attempt(notifier.send, notification(), seconds=SECONDS)
            must(isinstance(outcome.error, NotSent), f"{notifier.name}: raised {outcome.error!r}, not NotSent")

    @check
    async def test_a_receiver_that_hangs_holds_nothing_up(self) -> None:
        with Receiver(Reaction(trouble="hang")) as receiver:
            for notifier in self.talking_to(receiver.url):
                async with free_loop(notifier.name):
                    await ends_when_cancelled(notifier.name, notifier.send, notification(), after=0.5)

    @check
    async def test_hostile_texts_are_sent_or_refused_properly(self) -> None:
        with Receiver() as receiver:
            for notifier in self.talking_to(receiver.url):
                for text in hostile.TEXTS:
                    told = notification(title=one_line(text), text=clean(text)[:MAX_TEXT], issue=one_line(text), url="")
                    outcome = await attempt(notifier.send, told, seconds=SECONDS)
                    good = not outcome.late and (outcome.error is None or isinstance(outcome.error, NotSent))
                    must(good, f"{notifier.name}: {outcome.error!r} for the text {text[:40]!r}")

    @check
    async def test_many_at_once_all_arrive(self) -> None:
        with Receiver() as receiver:
            for notifier in self.talking_to(receiver.url):
                receiver.received.clear()
                told = [notification(id=f"acme-{n}") for n in range(AT_ONCE)]
                outcomes = await asyncio.gather(*(attempt(notifier.send, one, seconds=2 * SECONDS) for one in told))
                must(all(o.error is None and not o.late for o in outcomes), f"{notifier.name}: {[o.error for o in outcomes]}")
                must(len(receiver.received) >= AT_ONCE, f"{notifier.name}: {AT_ONCE} sent, {len(receiver.received)} came")
