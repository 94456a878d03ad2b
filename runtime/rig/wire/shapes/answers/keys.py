"""Answers about API keys."""

from typing import Any

from rig.wire.shapes.answers.base import Camel


class Key(Camel):
    id: str
    name: str
    prefix: str
    scopes: tuple[str, ...]
    created_at: str


class KeyCreated(Camel):
    id: str
    name: str
    prefix: str
    key: str
    scopes: tuple[str, ...]
    created_at: str


class Removed(Camel):
    removed: str


SHAPES: dict[str, Any] = {
    "Keys": list[Key],
    "KeyCreated": KeyCreated,
    "Removed": Removed,
}
