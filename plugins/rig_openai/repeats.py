"""Notices a model that makes the same call again and again and learns nothing from it. Pure."""

from dataclasses import dataclass, field

SAME = 3
"""Times that a call may come to the same in a row; another is refused with words about it."""
GIVE_UP = 3
"""Refusals, or answers with nothing in them, after which the session ends."""


@dataclass
class Repeats:
    """What was called since a file was last changed."""

    refused: int = 0
    """Refusals since then."""
    _seen: dict[tuple[str, str], tuple[str, int]] = field(default_factory=dict)
    """Call to its last result and how often it was that in a row."""

    def stuck(self, name: str, arguments: str) -> bool:
        """Whether a call is one too many; it then counts as refused."""
        _, times = self._seen.get((name, arguments), ("", 0))
        self.refused += times >= SAME
        return times >= SAME

    def made(self, name: str, arguments: str, result: str, changed: bool) -> None:
        """Take note of a call and what came of it; one that changed a file makes everything new."""
        if changed:
            self._seen.clear()
            self.refused = 0
            return
        before, times = self._seen.get((name, arguments), (result, 0))
        self._seen[name, arguments] = (result, times + 1 if before == result else 1)

    @property
    def hopeless(self) -> bool:
        """Whether the session should end."""
        return self.refused >= GIVE_UP
