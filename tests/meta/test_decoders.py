"""Typed decoders are made at import: msgspec 0.22 ends the process when two threads make the first one of a type at a time."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

MADE = ("msgspec.json.Decoder", "msgspec.json.decode")
PLAIN = {"str", "int", "bytes", "float", "bool"}


def made_late(tree: ast.AST, inside: bool = False) -> Iterator[int]:
    """Lines of functions that make a decoder of a type of ours, on whatever thread calls them."""
    for node in ast.iter_child_nodes(tree):
        if inside and isinstance(node, ast.Call) and ast.unparse(node.func) in MADE and _typed(node):
            yield node.lineno
        yield from made_late(node, inside or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda))


def _typed(call: ast.Call) -> bool:
    types = [k.value for k in call.keywords if k.arg == "type"]
    if ast.unparse(call.func) == "msgspec.json.Decoder":
        types += call.args[:1]
    return any(ast.unparse(type_) not in PLAIN and "Raw" not in ast.unparse(type_) for type_ in types)


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("d = msgspec.json.Decoder(Row)", []),
        ("def f():\n    return msgspec.json.Decoder(Row)", [2]),
        ("def f():\n    msgspec.json.decode(b, type=Row)", [2]),
        ("async def f():\n    [msgspec.json.decode(b, type=list[Row]) for b in all]", [2]),
        ("def f():\n    msgspec.json.decode(b)", []),
        ("def f():\n    msgspec.json.decode(b, type=int)", []),
    ],
)
def test_a_decoder_that_is_made_late_is_found(source: str, lines: list[int]) -> None:
    assert list(made_late(ast.parse(source))) == lines


def test_no_function_makes_a_decoder(repository: Path) -> None:
    found = {
        f"{path.relative_to(repository)}:{line}"
        for root in ("runtime", "plugins", "rigtui")
        for path in (repository / root).rglob("*.py")
        for line in made_late(ast.parse(path.read_text()))
    }
    assert found == set()


def test_the_decoders_of_all_rows_stand_when_the_store_is_imported() -> None:
    program = """
import msgspec.json
from rig.model.tables import ALL
from rig.store.sql import row_decoder, rows_decoder

def late(*_):
    raise AssertionError("made late")

msgspec.json.Decoder = late
print(len([(row_decoder(t.row), rows_decoder(t.row)) for t in ALL]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 20
