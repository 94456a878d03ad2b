"""What every row has, and the words and counts that several share."""

from typing import Literal

import msgspec

State = Literal[
    "queued",
    "assigned",
    "in_progress",
    "blocked",
    "stuck",
    "retry_wait",
    "in_review",
    "deploying",
    "done",
    "failed",
    "cancelled",
]
"""Rig's own state words (conventions §8); ``rig.model.states`` maps them to those of each API."""


class Row(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of every row; ``version`` and ``sequence`` are those of the last event folded into it.

    Stored without the fields that have their default, so a changed default is a changed row (``FOLDS_VERSION``).
    """

    version: int = 0
    sequence: int = 0


class Tokens(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Disjoint token counts: input is without cache tokens."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_creation: int = 0

    def __add__(self, other: "Tokens") -> "Tokens":
        return Tokens(
            self.input + other.input,
            self.output + other.output,
            self.cache_read + other.cache_read,
            self.cache_creation + other.cache_creation,
        )

    @property
    def total(self) -> int:
        return self.input + self.output + self.cache_read + self.cache_creation
