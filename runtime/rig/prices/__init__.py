"""Where model prices come from: the ``genai-prices`` data that is installed, with a user's file on top."""

from rig.prices.book import PriceBook

__all__ = ["PriceBook"]
