"""Runs suites without pytest, and says how each check went."""

import time
from collections.abc import Iterator
from typing import Literal
from unittest import SkipTest

import msgspec

from rig.testing.suite import Suite
from rig.text import one_line

Verdict = Literal["ok", "failed", "skipped"]

MAX_REASON = 500


class Result(msgspec.Struct, frozen=True):
    """How one check went."""

    kind: str
    """The kind of plugin that the check is about."""
    check: str
    """A sentence."""
    verdict: Verdict
    reason: str
    """Why it failed or was skipped; empty when it is ok."""
    seconds: float


def checks(suite: type[Suite]) -> list[str]:
    """The names of a suite's checks, in the order of the code."""
    names: dict[str, None] = {}
    for base in reversed(suite.__mro__):
        names |= dict.fromkeys(name for name in vars(base) if name.startswith("test_"))
    return list(names)


def results(kind: str, suite: type[Suite]) -> Iterator[Result]:
    """Run every check of a suite, each on an instance of its own, as pytest does."""
    for name in checks(suite):
        yield result(kind, suite, name)


def result(kind: str, suite: type[Suite], name: str) -> Result:
    """Run one check by the name of its method."""
    began = time.monotonic()
    verdict, reason = _run(suite, name)
    sentence = name.removeprefix("test_").replace("_", " ")
    return Result(kind, sentence, verdict, one_line(reason, MAX_REASON), round(time.monotonic() - began, 3))


def _run(suite: type[Suite], name: str) -> tuple[Verdict, str]:
    try:
        getattr(suite(), name)()
    except SkipTest as skipped:
        return "skipped", str(skipped)
    except AssertionError as failed:
        return "failed", str(failed)
    except BaseException as error:  # noqa: BLE001 - a plugin may raise anything
        return "failed", f"{type(error).__name__}: {error}"
    return "ok", ""
