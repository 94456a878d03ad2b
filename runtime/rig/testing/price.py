"""The suites of price sources (``rig_register_price_sources``)."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from decimal import Decimal
from unittest import SkipTest

from rig.plugin.guarded import PRICE_SECONDS
from rig.plugin.pricing import ModelPrice, PriceSource
from rig.testing import hostile
from rig.testing.calls import attempt
from rig.testing.suite import ThingSuite, check, must

WELL_KNOWN = ("claude-sonnet-4-5", "gpt-5", "gemini-2.5-pro")
AT_ONCE = 50


class _Prices(ThingSuite):
    hook = "rig_register_price_sources"
    models: Sequence[str] = ()
    """Models that the source must know; empty: some well-known ones are tried."""

    async def warm(self) -> None:
        for source in self.found():
            await attempt(source.price, self._models[0], seconds=PRICE_SECONDS)

    @property
    def _models(self) -> Sequence[str]:
        return self.models or WELL_KNOWN

    async def _price(self, source: PriceSource, model: str) -> ModelPrice | None:
        outcome = await attempt(source.price, model, seconds=PRICE_SECONDS)
        must(not outcome.late, f"{source.name}: no answer within {PRICE_SECONDS:g} s for {model[:40]!r}")
        must(
            outcome.error is None,
            f"{source.name}: raised {outcome.error!r} for {model[:40]!r}; a model it does not know is None",
        )
        must_be_a_price(source, outcome.answer)
        answer: ModelPrice | None = outcome.answer
        return answer


class PriceSourceContract(_Prices):
    """What Rig expects of a price source."""

    @check
    async def test_it_registers_a_source_with_a_name(self) -> None:
        must(self.found(), "it registers no price source with this configuration")
        must(all(source.name.strip() for source in self.found()), "one of its sources has no name")

    @check
    async def test_it_knows_a_price_and_says_it_again(self) -> None:
        known = 0
        for source in self.things():
            for model in self._models:
                first = await self._price(source, model)
                must(first is not None or not self.models, f"{source.name}: it does not know {model}")
                must(await self._price(source, model) == first, f"{source.name}: another price of {model} the second time")
                known += first is not None
        if not known:
            raise SkipTest(f"it knows none of {', '.join(WELL_KNOWN)}: set models")

    @check
    async def test_a_model_that_it_does_not_know_is_none(self) -> None:
        for source in self.things():
            must(
                await self._price(source, "no-such-model-7d1f") is None, f"{source.name}: a price for a model that there is not"
            )


class PriceSourceFaults(_Prices):
    """What a price source meets on bad days."""

    @check
    async def test_hostile_names_of_models_are_unknown(self) -> None:
        for source in self.things():
            for text in hostile.TEXTS:
                await self._price(source, text)

    @check
    async def test_many_threads_at_once_get_the_same_prices(self) -> None:
        for source in self.things():
            for model in self._models[:1]:
                found = await asyncio.gather(*(self._price(source, model) for _ in range(AT_ONCE)))
                must(len(set(found)) == 1, f"{source.name}: {len(set(found))} prices of {model} from {AT_ONCE} threads")


def must_be_a_price(source: PriceSource, answer: object) -> None:
    """Fail unless an answer is None or a price that can be counted with."""
    if answer is None:
        return
    must(isinstance(answer, ModelPrice), f"{source.name}: answered with {type(answer).__name__}, not a ModelPrice")
    for name, value in asdict(answer).items():  # type: ignore[call-overload]
        good = isinstance(value, Decimal) and value.is_finite() and value >= 0
        must(good, f"{source.name}: {name} is {value!r}, not a Decimal of dollars for a million tokens")
