"""What plugins add to the API, in the palette: chosen by name, called with parameters, answered as JSON."""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider

from rig.client.requests import typed
from rig.errors import BadRequest
from rigtui.screens.answer import WordScreen
from rigtui.text import plain


@dataclass(frozen=True)
class Offer:
    """An operation of a plugin."""

    plugin: str
    name: str
    method: str
    summary: str

    @property
    def title(self) -> str:
        """How the palette names it."""
        return plain(f"{self.plugin} {self.name}", 80)


class Offering(Protocol):
    """The application whose palette it is."""

    async def offers(self) -> Sequence[Offer]:
        """What plugins add at the moment; nothing where the daemon does not say."""
        ...

    def call_offer(self, offer: Offer) -> None:
        """Ask for the parameters, and call it."""
        ...


class PluginOperations(Provider):
    """The operations of plugins, read anew each time that the palette opens."""

    _offers: Sequence[Offer] = ()

    @property
    def _app(self) -> Offering:
        return cast(Offering, self.app)

    async def startup(self) -> None:
        self._offers = await self._app.offers()

    async def discover(self) -> Hits:
        for offer in self._offers:
            yield DiscoveryHit(offer.title, self._chosen(offer), help=plain(offer.summary, 200))

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for offer in self._offers:
            score = matcher.match(offer.title)
            if score > 0:
                yield Hit(score, matcher.highlight(offer.title), self._chosen(offer), help=plain(offer.summary, 200))

    def _chosen(self, offer: Offer) -> Callable[[], None]:
        return partial(self._app.call_offer, offer)


class CallScreen(WordScreen):
    """The parameters of an operation; none are fine too."""

    def __init__(self, offer: Offer) -> None:
        changes = "asks" if offer.method == "GET" else "may change something"
        about = f"{plain(offer.summary, 300)} ({offer.method}, {changes})"
        super().__init__(f"⌁ {offer.title}", about, "KEY=VALUE …, or nothing", empty="call it without parameters?")


def parameters(text: str, *, as_json: bool) -> dict[str, Any]:
    """``KEY=VALUE`` words as a shell splits them; a value that is JSON counts as such where ``as_json``. Raises BadRequest."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise BadRequest(f"{error} in the parameters") from None
    return typed(words, lambda _: not as_json)
