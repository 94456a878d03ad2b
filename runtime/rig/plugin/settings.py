"""Which plugins a daemon or a command loads, and how."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rig.plugin.guard import STRIKES

RESERVED = frozenset({"allow", "disabled", "dir"})
"""Keys of ``[plugins]`` itself, which no plugin may be called by."""


@dataclass(frozen=True)
class PluginSettings:
    """Which plugins to load, and how patient to be with them."""

    disabled: frozenset[str] = frozenset()
    """``[plugins] disabled``."""
    only: frozenset[str] | None = None
    """``RIG_LOAD_PLUGINS``: nothing else is loaded; None loads all, an empty set none."""
    strict: bool = False
    """``RIG_STRICT_PLUGINS=1``: a broken plugin refuses the start."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """``[plugins.<name>]`` tables by name, not validated yet."""
    folder: Path | None = None
    """``[plugins] dir``: one-file plugins."""
    load_seconds: float = 10.0
    """How long an import or a registration may take. What plugins before it were late takes from that, down to a fifth."""
    call_seconds: float = 5.0
    """How long a call into a webhook source may take, and an operation to say what its body is."""
    strikes: int = STRIKES
    allow: frozenset[str] | None = None
    """``[plugins] allow``: others are not loaded; None allows all."""
    secret: Callable[[str], str] = str
    """Turns a text of a plugin's table into what it refers to (``$SECRET:NAME``); raises RigError when there is no such secret."""

    @classmethod
    def of(cls, section: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> "PluginSettings":
        """Settings from the ``[plugins]`` section and ``RIG_LOAD_PLUGINS``, ``RIG_STRICT_PLUGINS`` of the environment."""
        environ = os.environ if environ is None else environ
        only = environ.get("RIG_LOAD_PLUGINS")
        return cls(
            disabled=frozenset(section.get("disabled", ())),
            allow=frozenset(section["allow"]) if section.get("allow") else None,
            only=None if only is None else frozenset(n.strip() for n in only.split(",") if n.strip()),
            strict=environ.get("RIG_STRICT_PLUGINS", "") not in ("", "0"),
            folder=Path(section["dir"]).expanduser() if section.get("dir") else None,
            config={name: table for name, table in section.items() if name not in RESERVED},
        )
