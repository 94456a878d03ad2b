"""Which amount counts for a usage line (R0-43 … R0-46, R0-52)."""

import time
from decimal import ROUND_HALF_EVEN, Decimal

import pytest

from rig.model.costs import PICO, Price, cost, dollars, picodollars
from rig.model.rows import Tokens
from rig.plugin.pricing import ModelPrice
from rig.prices import PriceBook, book
from rig_genai_prices.source import GenaiPrices

SONNET = Price(3_000_000, 15_000_000, 300_000, 3_750_000, 6_000_000)
SEED = Tokens(10, 4994, 160_855, 28_927)


@pytest.mark.parametrize(
    ("tokens", "reported", "price", "counted", "rule"),
    [
        pytest.param(SEED, "0.242194", SONNET, "0.23167275", "recomputed", marks=pytest.mark.rule("R0-44", "R0-52")),
        pytest.param(Tokens(), "5", SONNET, "0", "zero_tokens", marks=pytest.mark.rule("R0-43")),
        pytest.param(Tokens(1000, 100), "0.5", SONNET, "0.5", "reported", marks=pytest.mark.rule("R0-45", "R0-46")),
        pytest.param(Tokens(1000, 100), None, SONNET, "0.0045", "recomputed", marks=pytest.mark.rule("R0-46")),
        (Tokens(1000, 100), None, None, "0", "unpriced"),
        (Tokens(1000, 100), "0.5", None, "0.5", "unpriced"),
        (SEED, "0.242194", None, "0.242194", "unpriced"),
        (Tokens(0, 0, 1), "9", SONNET, "0.0000003", "recomputed"),
    ],
)
def test_the_amount_that_counts(tokens: Tokens, reported: str | None, price: Price | None, counted: str, rule: str) -> None:
    found = cost(tokens, None if reported is None else picodollars(reported), price)
    assert (found.counted, found.rule) == (picodollars(counted), rule)


@pytest.mark.rule("R0-52")
def test_the_seeds_example_rounds_once_at_the_edge() -> None:
    """R0-52, conventions §13"""
    assert dollars(cost(SEED, picodollars(0.242194), SONNET).counted) == 0.231673


def test_hour_long_cache_writes_have_their_own_price() -> None:
    assert cost(Tokens(0, 0, 0, 100), None, SONNET, one_hour=40).counted == 60 * 3_750_000 + 40 * 6_000_000


@pytest.mark.parametrize(
    ("model", "known"),
    [
        ("claude-sonnet-4-5", True),
        ("claude-sonnet-4-5-20250929", True),
        ("anthropic/claude-sonnet-4-5", True),
        ("claude-sonnet-4-5[1m]", True),
        ("opus", True),
        ("no-such-model", False),
        ("", False),
    ],
)
def test_models_are_found_by_their_usual_names(model: str, known: bool) -> None:
    assert (PriceBook(sources=lambda: [GenaiPrices()]).price(model) is not None) is known


def test_the_price_data_gives_the_seeds_amount() -> None:
    assert PriceBook(sources=lambda: [GenaiPrices()]).cost("claude-sonnet-4-5", SEED, 0.242194)["counted"] == picodollars(
        "0.23167275"
    )


@pytest.mark.parametrize("dollars_per_million", ["NaN", "Infinity", "-1", "1000001"])
def test_what_no_price_can_be_is_as_good_as_none(dollars_per_million: str) -> None:
    class Broken:
        name = "broken 1"

        def price(self, model: str) -> ModelPrice:
            return ModelPrice(*(Decimal(dollars_per_million),) * 5)

    assert PriceBook(sources=lambda: [Broken()]).cost("m", Tokens(1), 0.5)["rule"] == "unpriced"


@pytest.mark.parametrize("pico", [0, 1, 499_999, 500_000, 500_001, 1_500_000, 2_500_000, 231_672_750_000, 10**25 + 1_500_000])
def test_dollars_are_rounded_to_six_places_with_halves_to_even(pico: int) -> None:
    assert dollars(pico) == float((Decimal(pico) / PICO).quantize(Decimal("0.000001"), ROUND_HALF_EVEN))


def test_a_source_that_hangs_is_asked_once_and_the_next_one_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book, "PATIENCE", 0.01)
    asked: list[str] = []

    class Hangs:
        name = "hangs"

        def price(self, model: str) -> ModelPrice | None:
            asked.append(model)
            time.sleep(0.02)
            return None

    found = PriceBook(sources=lambda: [Hangs(), GenaiPrices()]).price("anthropic/claude-sonnet-4-5-20250929[1m]")
    assert len(asked) == 1
    assert found is not None
