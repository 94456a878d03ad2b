"""What becomes of a webhook delivery: which headers are kept, when it is tried again, what is left to cause. Pure."""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from rig.clock import Micros
from rig.errors import BadRequest
from rig.model.facts import Fact
from rig.payload import clean

STREAM = "webhooks"
"""Where a tenant's deliveries are told of."""

STATES = ("accepted", "ignored", "retry", "dead", "replayed")
"""It caused something · it means nothing, and says why · its plugin failed and will be asked again · it was asked too often · it
was read again by hand."""

MAX_TRIES = 8
"""How often a delivery that its plugin could not read is tried again before it is dead."""

HOUR: Micros = 3_600_000_000
DAY: Micros = 24 * HOUR

REPEAT = DAY
"""How long the same body is the same delivery where its sender has no ids; as long as idempotency keys hold."""

MAX_HEADERS = 64
MAX_HEADER = 1_000

_SIGNING = re.compile(r"signature|token|secret|authori[sz]ation|cookie|password|credential|api-?key|hmac")

F = TypeVar("F", bound=Fact)


def kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """What a delivery is read with again: all headers but those that sign it or hold a secret, and none that is very long."""
    kept = {
        clean(n, 100): clean(v, MAX_HEADER)
        for n, v in headers.items()
        if not _SIGNING.search(n) and len(n) <= 100 and len(v) <= MAX_HEADER
    }
    return dict(sorted(kept.items())[:MAX_HEADERS])


def storable(value: Any, depth: int = 64) -> None:
    """Raise BadRequest for JSON that no event may hold (conventions §6): a plugin may pass on what its sender wrote."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise BadRequest("a text holds a lone surrogate") from None
        if "\0" in value:
            raise BadRequest("a text holds NUL")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise BadRequest("a number is not finite")
    elif isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise BadRequest("a whole number is out of range")
    elif isinstance(value, dict | list | tuple):
        if not depth:
            raise BadRequest("it is nested too deeply")
        for inner in (*value, *value.values()) if isinstance(value, dict) else value:
            storable(inner, depth - 1)
    elif value is not None:
        raise BadRequest(f"it holds a {type(value).__name__}, which is no JSON")


def wait(tries: int, first: Micros) -> Micros | None:
    """How long after the failure of try ``tries`` (0: when it came in) it is tried again; None: it is dead."""
    return first * 2**tries if tries < MAX_TRIES else None


def cause(fact: Fact) -> str:
    """What a fact is told apart by among those of one delivery."""
    return f"{fact.type.name} {fact.stream}"


def left(facts: Sequence[F], caused: Sequence[str]) -> list[F]:
    """The facts that a delivery has not caused yet; of several alike as many as are missing, the last ones."""
    before, found = Counter(caused), []
    for fact in facts:
        if before[cause(fact)] > 0:
            before[cause(fact)] -= 1
        else:
            found.append(fact)
    return found
