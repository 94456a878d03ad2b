"""Front matter: the fields at the head of a Markdown file, in YAML between ``---`` or in TOML between ``+++``."""

import re
import tomllib
from collections.abc import Mapping
from typing import Any

import yaml

LARGEST = 16 * 1024
"""Characters of front matter."""

_LINE = re.compile(r" \(at line (\d+), column \d+\)")


class BadFile(Exception):
    """A file that can't be read as an issue: the line that is wrong (None: no one line is), and why."""

    def __init__(self, why: str, line: int | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.line = line


class _Loader(yaml.SafeLoader):
    """YAML without anchors, whose copies could grow without end."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(problem="anchors are not taken", problem_mark=event.start_mark)
        return super().compose_node(parent, index)


def split(text: str) -> tuple[Mapping[str, Any], str, int]:
    """(fields, body, line on which the body begins). Raises BadFile with the line of the file that is wrong."""
    text = text.removeprefix("\ufeff")
    lines = text.splitlines(keepends=True)
    fence = lines[0].strip() if lines else ""
    if fence not in ("---", "+++"):
        return {}, text, 1
    end = next((n for n, line in enumerate(lines[1:], 1) if line.strip() == fence), None)
    if end is None:
        raise BadFile(f"the front matter has no closing {fence}", 1)
    head = "".join(lines[1:end])
    if len(head) > LARGEST:
        raise BadFile(f"the front matter is longer than {LARGEST} characters", 1)
    found = _yaml(head) if fence == "---" else _toml(head)
    if found is None:
        found = {}
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise BadFile("the front matter is no table of fields", 2)
    return found, "".join(lines[end + 1 :]), end + 2


def _yaml(head: str) -> Any:
    try:
        return yaml.load(head, _Loader)  # it is a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise BadFile(error.problem or "this is no YAML", None if mark is None else mark.line + 2) from None
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError, LookupError, AttributeError, TypeError) as error:
        # a date of month 13 is a ValueError, and tags such as !!int raise whatever their text leads to
        raise BadFile(f"this is no YAML: {error}".splitlines()[0], 2) from None


def _toml(head: str) -> Any:
    try:
        return tomllib.loads(head)
    except (ValueError, RecursionError) as error:  # of too many digits, for one
        place = _LINE.search(str(error))
        raise BadFile(_LINE.sub("", str(error)) or "this is no TOML", int(place[1]) + 1 if place else 2) from None
