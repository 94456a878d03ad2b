"""What becomes of a line on its way to disk: cleaned, redacted, numbered, and dropped once the execution has said enough."""

from collections.abc import Sequence
from typing import Literal

from rig.errors import RigError
from rig.plugin.provider import MAX_LINE
from rig.text import REDACTED, Redactor, clean
from rig.work.segments import LogLine, Segment, Segments

Stream = Literal["stdout", "stderr", "agent", "system"]

_SYSTEM_BYTES = 64 * 1024
"""What Rig itself may still say once the limit is reached."""
_KEY_LINES = 200
"""Lines after the start of a private key that are taken for the key while its end does not come."""


class Sink:
    """The writing end of one execution's output; lives on the writer's thread."""

    def __init__(self, segments: Segments, redact: Redactor, cap: int) -> None:
        self._segments = segments
        self._redact = redact
        self._cap = cap
        self._bytes = 0
        self._full = False
        self._lost = 0
        self._in_key: dict[str, int] = {}
        self._recovered = False

    @property
    def lines(self) -> int:
        """How many lines the execution has so far."""
        return self._segments.next - 1

    def take(self, lines: Sequence[str | bytes], stream: Stream, at: int) -> list[Segment]:
        """Write lines; the segments that this sealed. A disk that refuses costs lines, and they are counted, nothing else."""
        try:
            if not self._recovered:
                self._segments.recover()
                self._recovered = True
            texts = self._texts(lines, stream)
            if self._lost and texts:
                texts.insert(0, ("system", f"[{self._lost} lines lost: they could not be written]"))
            first = self._segments.next
            sealed = self._segments.append(LogLine(first + i, at, name, text) for i, (name, text) in enumerate(texts))
        except (OSError, RigError):
            self._lost += len(lines)
            return []
        self._lost = 0 if texts else self._lost
        return sealed

    def end(self) -> list[Segment]:
        """Seal what is open; nothing is taken after that."""
        try:
            segment = self._segments.seal()
        except (OSError, RigError):
            return []  # it stays an open segment, readable, and is sealed by the next recovery
        return [] if segment is None else [segment]

    def _texts(self, lines: Sequence[str | bytes], stream: Stream) -> list[tuple[str, str]]:
        room = self._cap + (_SYSTEM_BYTES if stream == "system" else 0)
        texts: list[tuple[str, str]] = []
        for line in lines:
            if self._bytes >= room:
                if not self._full and stream != "system":
                    self._full = True
                    texts.append(("system", f"[output limit of {self._cap} bytes reached: the rest is dropped]"))
                break
            text = line if isinstance(line, str) else line.decode(errors="replace")
            for part in text.split("\n") if "\n" in text else (text,):
                shown = self._shown(part, stream)
                self._bytes += len(shown) + 1
                texts.append((stream, shown))
        return texts

    def _shown(self, text: str, stream: str) -> str:
        if len(text) > MAX_LINE + 64:  # the pump's own marker stays whole
            text = f"{text[:MAX_LINE]} [line cut: {len(text) - MAX_LINE} characters more]"
        text = clean(text)
        left = self._in_key.get(stream, 0)
        if left:
            self._in_key[stream] = 0 if "-----END" in text else left - 1
            return REDACTED
        if "PRIVATE KEY-----" in text and "-----END" not in text:
            self._in_key[stream] = _KEY_LINES
        return self._redact(text)
