"""The tail of one tenant's log as encoded frames, shared by all its readers; each reader is only a place in it.

Frames are encoded when the first reader needs them and joined once for all readers that stand at the same place and ask for
the same things.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from rig.model.events import Event
from rig.wire import views

RowEncoder = Callable[[str, str, Any], Any]
"""(view, key, row) to the row as its list shows it."""

CHUNK = 256 * 1024
"""Bytes that one write of a reader has at most, but for a single larger frame."""


class Want(msgspec.Struct, frozen=True):
    """What a reader asks for; readers with an equal one share their bytes."""

    types: frozenset[str] | None = None
    """Event types; None is all."""
    streams: frozenset[str] | None = None
    views: frozenset[str] = frozenset()

    def takes(self, event: Event) -> bool:
        """Whether an event is to be sent."""
        return (self.types is None or event.type in self.types) and (self.streams is None or event.stream in self.streams)


class Entry:
    """One event, or one changed row, with its frame once somebody has asked for it."""

    __slots__ = ("event", "frame", "row", "sequence", "size")

    def __init__(self, sequence: int, event: Event | None, row: tuple[str, str, Any] | None, size: int) -> None:
        self.sequence = sequence
        self.event = event
        self.row = row
        self.size = size
        self.frame: bytes | None = None


class Ring:
    """The newest events of a tenant, at most ``max_frames`` and about ``max_bytes`` of them."""

    def __init__(self, newest: int, encode_row: RowEncoder, max_frames: int = 20_000, max_bytes: int = 16 * 2**20) -> None:
        self.newest = newest
        """Sequence of the last event that the ring has seen."""
        self._encode_row = encode_row
        self._max_frames = max_frames
        self._max_bytes = max_bytes
        self._entries: list[Entry] = []
        self._first = 0
        """Place of ``_entries[0]``; places count from the ring's beginning and only grow."""
        self._dropped = newest
        """Sequence of the last event that the ring no longer has."""
        self._bytes = 0
        self._joined: dict[tuple[int, Want], tuple[bytes, int, int]] = {}

    @property
    def end(self) -> int:
        """The place after the newest entry."""
        return self._first + len(self._entries)

    def holds(self, place: int) -> bool:
        """Whether nothing after ``place`` was dropped."""
        return place >= self._first

    def place_after(self, sequence: int) -> int | None:
        """Where a reader goes on who has everything up to ``sequence``; None when the ring no longer has what follows."""
        if sequence < self._dropped:
            return None
        return self._first + bisect_right(self._entries, sequence, key=lambda e: e.sequence)

    def publish(self, events: Iterable[Event], rows: Sequence[tuple[str, str, Any]]) -> bool:
        """Add what a commit wrote; rows come after the events. False when there was nothing new."""
        before = self.newest
        for event in events:
            if event.sequence > self.newest:
                self.newest = event.sequence
                self._add(Entry(event.sequence, event, None, len(event.body) + 400))
        if self.newest == before:
            return False
        for row in rows:
            self._add(Entry(self.newest, None, row, 800))
        if len(self._entries) > self._max_frames or self._bytes > self._max_bytes:
            self._trim()
        return True

    def flush(self) -> None:
        """Forget joined bytes; called once a tick, before readers are woken."""
        self._joined.clear()

    def take(self, place: int, want: Want) -> tuple[bytes, int, int]:
        """(bytes to send, place after them, sequence up to which a reader then has everything)."""
        key = (place, want)
        found = self._joined.get(key)
        if found is None or (found[1] < self.end and len(found[0]) < CHUNK):
            found = self._joined[key] = self._join(place, want)
        return found

    def _join(self, place: int, want: Want) -> tuple[bytes, int, int]:
        parts: list[bytes] = []
        rows: dict[tuple[str, str], Entry] = {}
        size, at, sequence = 0, place, 0
        for at in range(place, self.end):
            entry = self._entries[at - self._first]
            if size >= CHUNK:
                break
            sequence = entry.sequence
            if entry.event is not None:
                if want.takes(entry.event):
                    frame = entry.frame
                    if frame is None:
                        frame = entry.frame = views.frame(entry.event)
                    parts.append(frame)
                    size += len(frame)
            elif entry.row is not None and entry.row[0] in want.views:
                rows[entry.row[:2]] = entry  # a later row of the same key replaces the earlier one
                size += 800
        else:
            at = self.end
        for entry in rows.values():
            if entry.frame is None:
                assert entry.row is not None
                view, key, row = entry.row
                shown = None if row is None else self._encode_row(view, key, row)
                entry.frame = views.row_frame(view, key, shown, entry.sequence)
            parts.append(entry.frame)
        return b"".join(parts), at, sequence

    def _add(self, entry: Entry) -> None:
        self._entries.append(entry)
        self._bytes += entry.size

    def _trim(self) -> None:
        """Let go of a quarter at once, so that it costs little per frame."""
        drop = max(len(self._entries) - self._max_frames * 3 // 4, 0)
        left = self._bytes - sum(e.size for e in self._entries[:drop])
        while left > self._max_bytes * 3 // 4 and drop < len(self._entries):
            left -= self._entries[drop].size
            drop += 1
        for entry in self._entries[:drop]:
            self._dropped = max(self._dropped, entry.sequence)
        del self._entries[:drop]
        self._first += drop
        self._bytes = left
