"""The names of a new plugin: what people call it, its distribution, its package. Pure."""

import re
from dataclasses import dataclass

from rig.errors import BadRequest

MAX_NAME = 40
TAKEN = frozenset({"allow", "disabled", "dir", "rig"})
"""Names that ``[plugins]`` or Rig itself has."""

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


@dataclass(frozen=True)
class Names:
    """All made of one name, and each safe wherever it is written: letters, digits and single hyphens."""

    name: str
    """Of the entry point and of ``[plugins.<name>]``."""

    @property
    def distribution(self) -> str:
        return f"rig-{self.name}"

    @property
    def package(self) -> str:
        return f"rig_{self.name.replace('-', '_')}"


def named(text: str) -> Names:
    """The names for what the author typed; capitals, dots and underscores are levelled as PEP 503 does.

    A ``rig-`` in front is left out, as every distribution gets it. Raises BadRequest.
    """
    name = re.sub(r"[-_.]+", "-", text).lower().removeprefix("rig-")
    if len(name) > MAX_NAME or not _NAME.fullmatch(name):
        raise BadRequest(
            f"{text!r} is no name for a plugin: a letter, then at most {MAX_NAME - 1} letters, digits and hyphens between them"
        )
    if name in TAKEN:
        raise BadRequest(f"a plugin can't be called {name!r}: Rig itself uses that name")
    return Names(name)
