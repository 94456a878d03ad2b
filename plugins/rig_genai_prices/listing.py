"""Looking a price up: over the API and on the command line."""

from dataclasses import asdict

import click

from rig import BadRequest, ModelPrice, OperationRequest
from rig_genai_prices.source import GenaiPrices


async def price_of(request: OperationRequest) -> dict[str, object]:
    """``GET /x/genai-prices/price?model=``."""
    model = request.query.get("model")
    if not model:
        raise BadRequest("model is missing", field="model")
    source = GenaiPrices()
    found = source.price(model)
    return {"model": model, "source": source.name, "usdPerMillionTokens": None if found is None else _plain(found)}


def _plain(price: ModelPrice) -> dict[str, float]:
    return {name: float(value) for name, value in asdict(price).items()}


@click.command()
@click.argument("model")
def price(model: str) -> int:
    """Print what a million tokens of MODEL cost in dollars, as Rig counts them."""
    source = GenaiPrices()
    found = source.price(model)
    if found is None:
        click.echo(f"{source.name} does not know that model; [prices] file can", err=True)
        return 3
    for name, value in _plain(found).items():
        click.echo(f"{name:<15}{value:>10g}")
    return 0
