"""What may be read in another process than the daemon's: a function of a module and plain values."""

import pickle
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rig.store.port import Snapshot

HEAD = struct.Struct("!I")
"""Before each message between the daemon and a process that reads: how many bytes it has."""


@dataclass(frozen=True)
class Reading:
    """A job for ``Store.read`` that a store may send to a process of its own, where lists cost the daemon nothing.

    ``function`` is one of a module that imports no server; ``arguments`` follow the snapshot and can be pickled.
    """

    function: Callable[..., Any]
    arguments: tuple[Any, ...] = ()

    def __call__(self, snapshot: Snapshot) -> Any:
        return self.function(snapshot, *self.arguments)


def encode(message: Any) -> bytes:
    """A message with its head."""
    body = pickle.dumps(message, 5)
    return HEAD.pack(len(body)) + body
