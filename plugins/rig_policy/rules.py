"""The rules, as ``[plugins.policy]`` spells them; an empty table changes nothing."""

import logging
import re
from dataclasses import dataclass
from typing import Any

from pydantic import Field, field_validator

from rig import AttentionContext, CompletionContext, DispatchContext, PluginConfig, Reply, RunChanges, Veto

log = logging.getLogger("rig.policy")


class PolicyConfig(PluginConfig):
    """``[plugins.policy]``."""

    hold_labels: tuple[str, ...] = Field((), strict=False)
    """Issues with one of these labels are not worked on by this daemon's own slots."""
    hold_seconds: float = Field(300.0, ge=1, le=86400)
    """How long an issue that is held back waits before it is looked at again."""
    environment: dict[str, str] = Field(default_factory=dict)
    """Added to the environment of every run."""
    note: str = ""
    """Added to the end of every prompt."""
    require_commit: bool = False
    """Whether work counts as completed only when it left a commit."""
    approve: tuple[str, ...] = Field((), strict=False)
    """Regular expressions; a question that one of them matches as a whole is approved without asking a human."""
    log: bool = False
    """Whether every dispatch, run, transition and call for attention is said in the daemon's own log."""

    @field_validator("approve")
    @classmethod
    def _readable(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} is not a regular expression: {error}") from None
        return patterns


@dataclass(frozen=True)
class Rules:
    """What the configuration decides of one moment."""

    config: PolicyConfig

    @classmethod
    def of(cls, context: Any) -> "Rules":
        """The rules in force, from any moment's context."""
        config = context.config
        return cls(config if isinstance(config, PolicyConfig) else PolicyConfig())

    def held_back(self, context: DispatchContext) -> Veto | None:
        """Whether a label keeps an issue back."""
        found = sorted(set(self.config.hold_labels) & set(context.labels))
        return Veto(f"the label {found[0]} holds it back", self.config.hold_seconds) if found else None

    def changes(self) -> RunChanges | None:
        """What every run gets."""
        if not self.config.environment and not self.config.note:
            return None
        return RunChanges(self.config.environment, self.config.note)

    def not_done(self, context: CompletionContext) -> Veto | None:
        """Whether a completion lacks something."""
        return Veto("no commit was made") if self.config.require_commit and not context.commit else None

    def reply(self, context: AttentionContext) -> Reply | None:
        """The answer to a question that needs no human."""
        if context.kind == "question" and any(re.fullmatch(p, context.question, re.DOTALL) for p in self.config.approve):
            return Reply("approve")
        return None

    def say(self, what: str, subject: str, more: str) -> None:
        """A line in the daemon's log, where it is wanted."""
        if self.config.log:
            log.info("%s: %s: %s", subject, what, more)
