"""Bases of the configuration models of plugins and providers: unknown keys are errors, values never change."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from rig.model.notices import NoticeKind


class PluginConfig(BaseModel):
    """Base of a plugin's own model of ``[plugins.<name>]``; named by ``RIG_CONFIG`` in the plugin's module."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    isolate: Literal["", "process"] = ""
    """`process` runs the plugin's health checkers, notifiers, trackers and step kinds in a process of its own; empty: in the daemon's."""


class ProviderConfig(BaseModel):
    """Base of a provider's model of ``[providers.<name>]``."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    model: str | None = None
    """Model used when neither job nor dispatch names one; unset lets the agent choose."""
    env: dict[str, str] = Field(default_factory=dict)
    """Environment granted to the agent; a value ``$SECRET:NAME`` is taken from the vault. Rig puts it into ``Session.environment``."""


class NotifierConfig(PluginConfig):
    """Base of a notifier's ``[plugins.<name>]``."""

    kinds: tuple[NoticeKind, ...] = ()
    """Which notifications are sent: `attention`, `failed`, `done`, `stuck`, `alarm`; empty: all."""
