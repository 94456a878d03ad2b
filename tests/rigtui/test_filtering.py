"""What stays behind ``/``."""

import pytest

from rig.errors import BadRequest
from rigtui.filtering import Filter
from rigtui.words import FIELDS, fields
from tests.rigtui.fakes import issue

ROW = fields(issue(7, "failed", title="Crash: in parser", assigned_agent="dev-1", priority="high"), "failed")


@pytest.mark.parametrize(
    ("text", "stays"),
    [
        ("", True),
        ("crash", True),
        ("crash dev-1", True),
        ("crash other", False),
        ("!crash", False),
        ("!other", True),
        ("state:failed", True),
        ("state:done", False),
        ("!state:done pri:high", True),
        ("agent:crash", False),
        ("crash:", True),
        ("^acme/shop#7$", True),
        ("shop#(8|9)", False),
        ("state:", True),
    ],
)
def test_every_word_must_hold(text: str, stays: bool) -> None:
    assert Filter(text, FIELDS)(ROW) is stays


def test_what_is_no_expression_is_refused() -> None:
    with pytest.raises(BadRequest):
        Filter("title:[")
