"""What the tools make of files: ranges of lines, replacements, outputs that are cut. Pure."""

from collections.abc import Sequence

from rig_openai.folder import MAX_ENTRIES, ToolError
from rig_openai.schemas import Edit, Read

MAX_SHOWN = 40_000
"""Characters of a result."""
MAX_LINE = 2_000
"""Characters of a line that is read."""
HEAD, TAIL = 12_000, 28_000
"""Characters of a command's output that are kept from its beginning and its end."""


def decoded(path: str, content: bytes, *, exactly: bool = False) -> str:
    """A file as text. Raises ToolError for a binary file and, with ``exactly``, for one that is not UTF-8."""
    if b"\0" in content[:8192]:
        raise ToolError(f"{path}: that is a binary file of {len(content)} bytes")
    try:
        return content.decode()
    except UnicodeDecodeError:
        if exactly:
            raise ToolError(f"{path}: the file is not UTF-8") from None
        return content.decode("utf-8", "replace")


def encoded(content: str) -> bytes:
    """A text as a file. Raises ToolError for what no UTF-8 file holds."""
    try:
        return content.encode()
    except UnicodeEncodeError:
        raise ToolError("the text holds a lone surrogate, which is no character") from None


def excerpt(call: Read, text: str) -> str:
    """The lines that were asked for, as far as they fit, and where to read on."""
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    if not lines:
        return f"{call.path} is empty"
    if call.start > len(lines):
        raise ToolError(f"{call.path} has {len(lines)} lines")
    shown: list[str] = []
    size = 0
    for line in lines[call.start - 1 : call.start - 1 + call.lines]:
        cut = line if len(line) <= MAX_LINE else f"{line[:MAX_LINE]}… [{len(line) - MAX_LINE} characters more]"
        if size + len(cut) > MAX_SHOWN:
            break
        size += len(cut) + 1
        shown.append(cut)
    last = call.start - 1 + len(shown)
    more = f"\n[{len(lines) - last} lines more; go on with start {last + 1}]" if last < len(lines) else ""
    return f"[{call.path}, lines {call.start} to {last} of {len(lines)}]\n" + "\n".join(shown) + more


def listing(path: str, entries: Sequence[str]) -> str:
    """A folder's names."""
    shown = "\n".join(entry.encode("utf-8", "replace").decode() for entry in entries[:MAX_ENTRIES])
    more = f"\n[{len(entries) - MAX_ENTRIES} more]" if len(entries) > MAX_ENTRIES else ""
    return f"[{path}, a folder of {len(entries)}]\n{shown}{more}"


def replaced(call: Edit, text: str) -> str:
    """A file after an edit; the ends of its lines stay what they are. Raises ToolError unless ``old`` is there exactly once."""
    old, new = call.old, call.new
    if "\r\n" in text and "\r" not in old:
        old, new = old.replace("\n", "\r\n"), new.replace("\r\n", "\n").replace("\n", "\r\n")
    if old == new:
        raise ToolError(f"{call.path}: old and new are the same")
    found = text.count(old)
    if found != 1:
        why = "is not in the file" if not found else f"is there {found} times; take more of what is around it"
        raise ToolError(f"{call.path}: the old text {why}")
    return text.replace(old, new)


class Output:
    """A command's output: its beginning and its end."""

    def __init__(self) -> None:
        self._head = ""
        self._tail = ""
        self._dropped = 0

    def add(self, text: str) -> None:
        room = HEAD - len(self._head)
        self._head += text[:room]
        tail = self._tail + text[max(0, room) :]
        self._dropped += max(0, len(tail) - TAIL)
        self._tail = tail[-TAIL:]

    @property
    def text(self) -> str:
        gap = f"\n[… {self._dropped} characters left out …]\n" if self._dropped else ""
        return f"{self._head}{gap}{self._tail}"
