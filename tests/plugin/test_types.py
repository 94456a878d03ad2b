"""mypy, in strict mode, on plugins of strangers: it passes on the examples of the pages and finds what is planted in them (C5)."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.plugin import pages

Check = Callable[[str], list[str]]

PLANTED = {
    "a hook that returns something else": (
        "rig_before_dispatch",
        "-> rig.Veto | None:",
        "-> str:",
        r'"HookFunction" .* cannot be "Callable\[\[DispatchContext\], str\]"',
    ),
    "an answer of another type than the hook declares": (
        "rig_before_attention",
        'return rig.Reply("approve")',
        'return rig.Veto("approve")',
        r'got "Veto", expected "Reply \| None"',
    ),
    "a field that the context does not have": (
        "rig_after_run",
        "context.outcome != ",
        "context.result != ",
        r'"RunEndedContext" has no attribute "result"',
    ),
    "a context of another hook's kind": (
        "rig_register_notifiers",
        "context: rig.NotifiersContext)",
        "context: rig.StepKindsContext)",
        r'cannot be "Callable\[\[StepKindsContext\], Sequence\[Notifier\]\]"',
    ),
    "a parameter that the loader would not find": (
        "rig_register_step_kinds",
        "(context: rig.StepKindsContext)",
        "(ctx: rig.StepKindsContext)",
        r'cannot be "Callable\[\[StepKindsContext\], Sequence\[StepKind\]\]"',
    ),
    "a thing that is not what is registered": (
        "rig_register_health_checkers",
        "async def check(self, context: rig.HealthContext) -> rig.CheckResult:",
        "async def check(self) -> rig.CheckResult:",
        r'List item 0 has incompatible type "Database"; expected "HealthChecker"',
    ),
    "a name that Rig does not have": (
        "rig_register_providers",
        "return rig.SessionResult(",
        "return rig.SessionResults(",
        r'"SessionResults"; maybe "SessionResult"',
    ),
    "an argument of the wrong type": (
        "rig_before_run",
        "note=note)",
        "note=None)",
        r'Argument "note" to "RunChanges" has incompatible type "None"; expected "str"',
    ),
}
"""What is planted: the page, what stands there, what it becomes, and what mypy says of it."""


@pytest.fixture(scope="module")
def check(tmp_path_factory: pytest.TempPathFactory) -> Check:
    """mypy's errors on a folder, away from the repository and its configuration."""
    place = tmp_path_factory.mktemp("mypy")

    def run(folder: str) -> list[str]:
        command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--no-error-summary", "--hide-error-context"]
        done = subprocess.run([*command, folder], cwd=place, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode in (0, 1), done.stderr
        return [line for line in done.stdout.splitlines() if ": error: " in line]

    pages.write(place / "right")
    pages.write(place / "wrong")
    for hook, right, wrong, _ in PLANTED.values():
        path = place / "wrong" / f"{pages.example(hook)[0]}.py"
        code = path.read_text()
        assert code.count(right) == 1, (hook, right)
        path.write_text(code.replace(right, wrong))
    return run


def test_every_example_passes_in_strict_mode(check: Check) -> None:
    assert check("right") == []


def test_what_is_planted_in_the_examples_is_found_where_it_is(check: Check) -> None:
    found = check("wrong")
    for what, (hook, _, wrong, says) in PLANTED.items():
        name, code = pages.example(hook)
        right = PLANTED[what][1]
        line = code[: code.index(right)].count("\n") + 1
        near = [text for text in found if text.startswith(f"wrong/{name}.py:")]
        assert any(re.search(says, text) and abs(_line(text) - line) <= _reach(says) for text in near), (what, wrong, near)
    touched = {pages.example(hook)[0] for hook, *_ in PLANTED.values()}
    assert {Path(text.partition(":")[0]).stem for text in found} == touched


def _line(error: str) -> int:
    return int(error.split(":")[1])


def _reach(says: str) -> int:
    """A signature is found at its decorator, the line above; a class where it is handed over."""
    return 40 if says.startswith("List item") else 1 if "cannot be" in says else 0
