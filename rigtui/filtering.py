"""The text behind ``/``: which rows stay. Pure."""

import re
from collections.abc import Mapping

from rig.errors import BadRequest


class Filter:
    """Words that all must hold: ``word`` (a regular expression, any letter case), ``key:word``, and ``!`` before either to turn it round.

    Raises BadRequest for an expression that can't be one.
    """

    def __init__(self, text: str, keys: tuple[str, ...] = ()) -> None:
        self.text = text.strip()
        self._terms: list[tuple[bool, str, re.Pattern[str]]] = []
        for word in self.text.split():
            inverse, word = word.startswith("!"), word.removeprefix("!")
            key, colon, value = word.partition(":")
            if not colon or key not in keys:
                key, value = "", word
            if value:
                try:
                    self._terms.append((inverse, key, re.compile(value, re.IGNORECASE)))
                except re.error as error:
                    raise BadRequest(f"{value} is no regular expression: {error}") from None

    def __bool__(self) -> bool:
        return bool(self._terms)

    def __call__(self, fields: Mapping[str, str]) -> bool:
        """Whether a row with these fields stays; a word without a key may stand in any of them."""
        return all(
            inverse != any(pattern.search(value) for name, value in fields.items() if not key or name == key)
            for inverse, key, pattern in self._terms
        )
