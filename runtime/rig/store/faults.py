"""How a backend fails, sorted by what must follow."""

from collections.abc import Callable


class StoreFault(Exception):
    """A backend's failure, sorted by what must follow; raised by ``Backend.write``."""


class WriteRefused(StoreFault):
    """Nothing was stored and a later write may succeed (disk full, read-only, the server cannot be reached)."""


class Unsettled(StoreFault):
    """Whether the batch was stored cannot be told yet; later writes may succeed, once it is known."""

    def __init__(self, message: str, look: Callable[[], bool]) -> None:
        super().__init__(message)
        self.look = look
        """Says whether it was stored; raises StoreFault while that cannot be told. Called on the writer's thread."""


class Damaged(StoreFault):
    """The database contradicts itself: no more writes."""


class SyncFailed(StoreFault):
    """What is on disk is unknown or not what this process wrote (a failed fsync, I25): it must stop."""
