"""Events of older releases read as if they were written today."""

from typing import Any

from rig.model.upcasters import current_version, stamped, upcast


def _renamed(body: dict[str, Any]) -> dict[str, Any]:
    return {"title": body["name"]}


def _louder(body: dict[str, Any]) -> dict[str, Any]:
    return {"title": body["title"].upper()}


CHAIN = {"thing_named": (_renamed, _louder)}


def test_an_event_passes_every_upcaster_since_its_version() -> None:
    assert upcast("thing_named", {"name": "a"}, b"{}", CHAIN) == {"title": "A"}
    assert upcast("thing_named", {"title": "a"}, b'{"v":2}', CHAIN) == {"title": "A"}
    assert upcast("thing_named", {"title": "a"}, b'{"v":3}', CHAIN) == {"title": "a"}


def test_a_type_that_never_changed_passes_none() -> None:
    body = {"name": "a"}
    assert upcast("other", body, b"{}", CHAIN) is body


def test_new_events_say_their_version_from_the_second_on() -> None:
    assert current_version("thing_named", CHAIN) == 3
    assert stamped("thing_named", b'{"cost":1}', CHAIN) == b'{"cost":1,"v":3}'
    assert stamped("other", b"{}", CHAIN) == b"{}"
