"""What models cost: the data of genai-prices, an endpoint that lists it, and ``rig price``."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rig import CommandsContext, OperationsContext, PluginOperation, PriceSource, PriceSourcesContext, hookimpl

if TYPE_CHECKING:
    import click

RIG_REQUIRES = ">=0.1,<0.2"


@hookimpl
def rig_register_price_sources(context: PriceSourcesContext) -> Sequence[PriceSource]:
    from rig_genai_prices.source import GenaiPrices

    return [GenaiPrices()]


@hookimpl
def rig_register_operations(context: OperationsContext) -> Sequence[PluginOperation]:
    from rig_genai_prices.listing import price_of

    return [PluginOperation("price", "What a model costs, in dollars for a million tokens", price_of)]


@hookimpl
def rig_register_commands(context: CommandsContext) -> "Sequence[click.Command]":
    from rig_genai_prices.listing import price

    return [price]
