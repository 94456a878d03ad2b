"""What a tracker is: where issues live. It is asked a page at a time, and keeps nothing in mind itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from rig.model.tracking import TrackedIssue

MAX_PAGE = 1000
"""Issues that a page may hold."""
MAX_CURSOR = 64 * 1024
"""Characters of a cursor."""


@dataclass(frozen=True)
class PollContext:
    """One question to a tracker."""

    cursor: str = ""
    """What the last page said, empty: from the beginning. It is stored with what the page caused, so neither is without the other."""
    at: int = 0
    """The time of the question, in microseconds since 1970 by Rig's clock."""
    trusted_associations: tuple[str, ...] = ("OWNER", "MEMBER", "COLLABORATOR")
    """``tracker.trusted_associations``: whose issues need nobody's approval."""
    required_labels: tuple[str, ...] = ()
    """``tracker.required_labels``. Rig looks at them itself; they are here for trackers that can ask for less, or that judge trust by them."""


@dataclass(frozen=True)
class TrackerPage:
    """What a tracker answers."""

    issues: Sequence[TrackedIssue] = ()
    """At most 1000; those that are not work any more too, so that Rig learns of it."""
    cursor: str = ""
    """Where to go on: a text of the tracker's own, at most 64 KiB. ETags belong in it."""
    more: bool = False
    """Whether there is more to read at once."""
    complete: bool = False
    """Whether these are all issues that there are: one that is missing is gone. Never with ``more`` or a cursor that is not empty."""
    faults: Mapping[str, str] = field(default_factory=dict)
    """Id to why it could not be read, in one line (``later.md, line 3: …``). It is not gone, and the rest counts all the same."""
    wait: float | None = None
    """Seconds to be left alone at least, as when a limit is nearly used up; None: as long as the configuration says."""


class Tracker(Protocol):
    """Reads the issues of one tracker. One call at a time, 60 s at most each.

    What can't be read now raises TrackerUnavailable; anything else raised is a fault of the plugin. Both are tried again later.
    """

    @property
    def name(self) -> str:
        """What ``tracker.kind`` calls it."""
        ...

    async def poll(self, context: PollContext) -> TrackerPage:
        """The next page."""
        ...

    async def fetch(self, ids: Sequence[str]) -> Sequence[TrackedIssue]:
        """These issues as they are now; one that is left out can't be seen any more. Called for issues that wait or are worked on."""
        ...
