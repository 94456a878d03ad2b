import errno
from collections.abc import Callable

import click
import pytest

from rig import errors
from rig.cli.ending import CLOSED_PIPE, INTERRUPTED, NobodyReads, ended, run


def raising(error: BaseException) -> Callable[[], object]:
    def command() -> object:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.RigError("x"), 1),
        (errors.BadRequest("x"), 2),
        (errors.NotFound("x"), 3),
        (errors.StaleLease("x"), 4),
        (errors.TenantForbidden("x"), 5),
        (errors.Unreachable("x"), 6),
        (errors.WaitedTooLong("x"), 7),
        (errors.ConfigError("x"), 78),
        (click.UsageError("x"), 2),
        (OSError(errno.EACCES, "Permission denied", "/etc/x"), 1),
        (ValueError("x"), 1),
        (RecursionError("x"), 1),
    ],
    ids=lambda v: type(v).__name__ if isinstance(v, BaseException) else str(v),
)
def test_what_went_wrong_is_one_line_and_a_code(error: BaseException, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(raising(error)) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("rig: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("error", "code"), [(KeyboardInterrupt(), INTERRUPTED), (click.Abort(), INTERRUPTED), (NobodyReads(), CLOSED_PIPE)]
)
def test_being_interrupted_says_nothing(error: BaseException, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        assert ended(raising(error)) == code


@pytest.mark.parametrize("words", [(), ("issue",), ("plugin",)])
def test_a_group_without_a_command_shows_its_help_and_is_a_matter_of_usage(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"Usage: {' '.join(('rig', *words))} ")
    assert "\nCommands:\n" in err


def test_a_message_from_outside_cannot_move_the_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    ended(raising(errors.NotFound("a\x1b[2J\nb\x9b1m\u202ec" + "x" * 9999)))
    err = capsys.readouterr().err
    assert err.startswith("rig: a b")
    assert err.count("\n") == 1
    assert not {"\x1b", "\x9b", "\u202e"} & set(err)
    assert len(err) < 4100


def test_a_defect_says_how_to_see_more(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    ended(raising(ValueError("oh")))
    assert capsys.readouterr().err == "rig: this is a defect of Rig: ValueError: oh; set RIG_DEBUG=1 to see where\n"
    monkeypatch.setenv("RIG_DEBUG", "1")
    ended(raising(ValueError("oh")))
    assert "Traceback" in capsys.readouterr().err


def test_the_trace_id_of_the_daemons_defect_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    ended(raising(errors.Unavailable("failed", trace_id="t-1")))
    assert capsys.readouterr().err == "rig: failed (trace t-1)\n"


@pytest.mark.parametrize(("returned", "code"), [(None, 0), (0, 0), (1, 1), ("text", 0)])
def test_the_code_is_what_the_command_returns(returned: object, code: int) -> None:
    assert ended(lambda: returned) == code
