"""Parameters of a plugin's operation, as people type them."""

from typing import Any

import pytest

from rig.errors import BadRequest
from rigtui.palette import parameters


@pytest.mark.parametrize(
    ("text", "as_json", "expected"),
    [
        ("", True, {}),
        ("a=1 b=x", False, {"a": "1", "b": "x"}),
        ("a=1 b=x c=[1,2] d=null", True, {"a": 1, "b": "x", "c": [1, 2], "d": None}),
        ("text='two words' empty=", True, {"text": "two words", "empty": ""}),
        ("a=b=c", True, {"a": "b=c"}),
        ("n=1e999", True, {"n": "1e999"}),
    ],
)
def test_words_with_a_value_are_parameters(text: str, as_json: bool, expected: dict[str, Any]) -> None:
    assert parameters(text, as_json=as_json) == expected


@pytest.mark.parametrize("text", ["a", "=1", "a=1 b", "text='two"])
def test_what_is_no_parameter_is_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        parameters(text, as_json=True)
