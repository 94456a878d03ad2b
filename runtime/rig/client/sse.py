"""Server-sent events as they come over the wire: bytes in, frames out. Pure."""

from dataclasses import dataclass

LARGEST_LINE = 64 << 20
"""Bytes of one line after which the sender is not one of ours."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One event of a stream."""

    event: str
    data: bytes
    id: str | None = None
    """The cursor that this frame carries itself; None when it leaves the reader's cursor where it is."""


class Parser:
    """Takes bytes as they arrive, whatever they are cut into. An event that the connection's end cut off is never given."""

    def __init__(self) -> None:
        self.retry: float | None = None
        """Seconds that the sender asks to wait before a new connection; None until it says so."""
        self._rest = bytearray()
        self._event = ""
        self._id: str | None = None
        self._data: list[bytes] = []

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that ``data`` completes. Raises ValueError for a line that never ends."""
        self._rest += data
        if b"\n" not in data and b"\r" not in data:
            if len(self._rest) > LARGEST_LINE:
                raise ValueError("a line of the stream does not end")
            return []
        # a CR at the very end may be the first half of a CR LF
        cut = len(self._rest) - 1 if self._rest.endswith(b"\r") else len(self._rest)
        text = bytes(self._rest[:cut]).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines = text.split(b"\n")
        self._rest[:cut] = lines.pop()
        return [frame for line in lines if (frame := self._line(line)) is not None]

    def _line(self, line: bytes) -> Frame | None:
        if not line:
            return self._dispatch()
        name, colon, value = line.partition(b":")
        if colon and not name:
            return None  # a comment: the heartbeat
        value = value.removeprefix(b" ")
        match name:
            case b"data":
                self._data.append(value)
            case b"event":
                self._event = value.decode("utf-8", "replace")
            case b"id" if b"\0" not in value:
                self._id = value.decode("utf-8", "replace")
            case b"retry" if value.isdigit():
                self.retry = int(value) / 1000
        return None

    def _dispatch(self) -> Frame | None:
        event, data, cursor = self._event, self._data, self._id
        self._event, self._data, self._id = "", [], None
        return Frame(event or "message", b"\n".join(data), cursor) if data else None
