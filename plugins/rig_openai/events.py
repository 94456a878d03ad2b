"""Server-sent events out of a stream of bytes, however it was cut. Pure."""

from collections.abc import Iterator

from rig import PluginError

MAX_EVENT = 8 << 20
"""Bytes of an event; no server sends more in one."""


class Events:
    """Feeds on bytes, gives the data of each event that they complete. Comments and all fields but ``data`` are passed over."""

    def __init__(self) -> None:
        self._rest = bytearray()
        """A line that is not complete."""
        self._data: list[bytes] = []
        """The data lines of an event that is not complete."""

    def feed(self, chunk: bytes) -> Iterator[str]:
        """The events that ``chunk`` completes. Raises PluginError for one that is too long."""
        self._rest += chunk
        if b"\n" in chunk:
            *lines, rest = self._rest.split(b"\n")
            self._rest = bytearray(rest)
            for line in lines:
                yield from self._take(bytes(line))
        if len(self._rest) + sum(map(len, self._data)) > MAX_EVENT:
            raise PluginError("the server sends an event without an end")

    def end(self) -> Iterator[str]:
        """What a stream that has ended still holds: some servers leave out the last empty line."""
        rest, self._rest = bytes(self._rest), bytearray()
        yield from self._take(rest)
        yield from self._take(b"")

    def _take(self, line: bytes) -> Iterator[str]:
        line = line.removesuffix(b"\r")
        if line.startswith(b"data:"):
            self._data.append(line[5:].removeprefix(b" "))
        elif not line and self._data:
            data, self._data = b"\n".join(self._data), []
            yield data.decode("utf-8", "replace")
