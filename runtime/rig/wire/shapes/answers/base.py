"""The two letter cases of answers (conventions §6)."""

import msgspec


class Camel(msgspec.Struct, kw_only=True, rename="camel"):
    """An answer of the conductor's or the jobs API."""


class Snake(msgspec.Struct, kw_only=True):
    """An answer under /api/v1."""
