"""What a Markdown file says as an issue. Pure; raises BadFile."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from rig import TrackedIssue
from rig.payload import ORDER, WORDS, clean
from rig_files.config import FilesConfig
from rig_files.matter import BadFile, split

IDENTIFIER = re.compile(r"^([A-Z][A-Z0-9]{0,9}-\d{1,9}|[A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_.-]{1,100}#[1-9]\d{0,14})$")
NAMED = re.compile(r"^([A-Z][A-Z0-9]{0,9}-\d{1,9})(?![A-Za-z0-9])")
NUMBERED = re.compile(r"^0*([1-9]\d{0,8})(?![A-Za-z0-9])")
HEADING = re.compile(r"^#[ \t]+(.+)$", re.MULTILINE)
"""Its closing marks are taken off afterwards: an expression that knows them can take for ever on a long line."""

MAX_LABELS = 100


def identifier(stem: str, config: FilesConfig) -> str | None:
    """The issue that a file's name says: ``ENG-12``, ``ENG-12-faster``, ``12``, ``12-faster``; None: it says none."""
    if named := NAMED.match(stem):
        return named[1]
    if numbered := NUMBERED.match(stem):
        return f"{config.repo}#{numbered[1]}" if config.repo else f"{config.prefix}-{numbered[1]}"
    return None


def issue(name: str, folder: str, text: str, config: FilesConfig, version: str) -> TrackedIssue:
    """The issue in a file called ``name`` (without ``.md``) in a sub-folder of the board (empty: in the board itself)."""
    fields, body, _ = split(text)
    lower = {key.lower().replace("-", "_"): value for key, value in fields.items()}
    named = _named(lower, name, config)
    state = _text(lower, "state", "status") or folder or config.default_state
    heading = HEADING.search(body)
    title = (
        _text(lower, "title")
        or (heading[1].strip().rstrip("#").rstrip() if heading else "")
        or re.sub(r"^[\W_]+", "", _rest(name))
        or named
    )
    return TrackedIssue(
        id=named,
        identifier=named,
        state=clean(state, 100),
        phase=_phase(state, config),
        title=clean(title, 1_000),
        description=clean(body.strip(), 262_144),
        url=clean(_text(lower, "url"), 1_000),
        labels=tuple(_texts(lower, "labels", "tags"))[:MAX_LABELS],
        priority=_priority(lower.get("priority")),
        depends_on=tuple(_reference(entry, config) for entry in _texts(lower, "depends_on", "blocked_by")),
        parent=_reference(_text(lower, "parent"), config) if _text(lower, "parent") else None,
        version=version,
        created=clean(_text(lower, "created"), 100),
    )


def _named(fields: Mapping[str, Any], name: str, config: FilesConfig) -> str:
    given = _text(fields, "id", "identifier")
    found = _reference(given, config) if given else identifier(name, config)
    if found is None or not IDENTIFIER.match(found):
        raise BadFile(f"it names no issue: call it 1-{re.sub(r'[^a-z0-9-]+', '-', name.lower())[:40]}.md, or give it an id")
    return found


def _reference(text: str, config: FilesConfig) -> str:
    return (identifier(text, config) or text) if not IDENTIFIER.match(text) else text


def _rest(name: str) -> str:
    return NUMBERED.sub("", NAMED.sub("", name)).replace("-", " ").replace("_", " ")


def _phase(state: str, config: FilesConfig) -> Any:
    def among(states: Sequence[str]) -> bool:
        return state.strip().lower() in {s.strip().lower() for s in states}

    if among(config.done):
        return "done"
    if among(config.cancelled):
        return "cancelled"
    return "active" if among(config.active) else "inactive"


def _priority(value: Any) -> str | None:
    """The word for a priority: one of Rig's, a common one, or Symphony's 1 (most urgent) to 4."""
    if isinstance(value, int) and not isinstance(value, bool):
        return ORDER[value - 1] if 1 <= value <= 4 else None
    word = _said(value or "", "priority").lower()
    word = WORDS.get(word, word) if not word.isdigit() else word
    return word if word in ORDER else None


def _text(fields: Mapping[str, Any], *names: str) -> str:
    for name in names:
        value = fields.get(name)
        if value in (None, ""):
            continue
        if isinstance(value, dict | list):
            raise BadFile(f"{name} must be a text")
        return _said(value, name)
    return ""


def _texts(fields: Mapping[str, Any], *names: str) -> list[str]:
    for name in names:
        value = fields.get(name)
        if value in (None, "", []):
            continue
        listed = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else [value]
        if any(isinstance(entry, dict | list) for entry in listed):
            raise BadFile(f"{name} must be a list of texts")
        texts = [_said(entry, name) for entry in listed]
        return [clean(text, 200) for text in texts if text]
    return []


def _said(value: Any, name: str) -> str:
    try:
        return str(value).strip()
    except ValueError:  # a number of thousands of digits
        raise BadFile(f"{name} is too long a number") from None
