"""What a notifier is, and what it is given."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from rig.model.notices import NoticeKind, Severity


@dataclass(frozen=True)
class Notification:
    """Something that people should know. Its texts are clean, but they quote agents and trackers: escape them for where they go."""

    id: str
    """The same whenever this notification is sent again to the same notifier; what a receiver tells repeats by."""
    kind: NoticeKind
    """``attention``, ``failed``, ``done``, ``stuck`` or ``alarm``."""
    severity: Severity
    """``info``, ``warning`` or ``critical``."""
    title: str
    """One line."""
    text: str
    """May be empty."""
    url: str
    """Where to look; empty while Rig does not know its own address."""
    issue: str | None
    """The issue that it is about."""
    at: str
    """When it happened, in ISO 8601."""
    sent: int
    """When this try was made, in seconds since 1970; another with each try."""


class Notifier(Protocol):
    """Tells people. It gets one notification at a time, in order, at least once each."""

    @property
    def name(self) -> str:
        """What deep health calls it; not critical."""
        ...

    @property
    def kinds(self) -> Collection[NoticeKind]:
        """The kinds that it wants; empty: all."""
        ...

    async def send(self, notification: Notification) -> None:
        """Hand a notification over; 30 s at most.

        Raises NotSent when the other side does not take it now (or ever); anything else raised is a fault of the plugin.
        Both are tried again later.
        """
        ...
