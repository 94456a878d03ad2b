"""The tables of docs/plugins/: what the code says of the things that a hook is given and gives back.

``python -m tests.meta.hookpages`` writes them anew; the text around them is for people to write.
"""

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import rig

HEADING = re.compile(r"^### `(\w+)`\n", re.MULTILINE)
TABLE = re.compile(r"(?:^\|.*\n)+", re.MULTILINE)
HEAD = "| name | type | meaning |\n|---|---|---|\n"
DOCS = Path(__file__).parents[2] / "docs" / "plugins"


def members(cls: type) -> Iterator[tuple[str, str, str]]:
    """(name, type, meaning) of every public field, property and method, bases first, in the words of the source."""
    for base in reversed(cls.__mro__):
        if base.__module__.startswith("rig."):
            yield from _own(base)


def _own(cls: type) -> Iterator[tuple[str, str, str]]:
    tree = ast.parse(inspect.getsource(cls)).body[0]
    assert isinstance(tree, ast.ClassDef)
    for node, after in zip(tree.body, [*tree.body[1:], None], strict=True):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            below = after.value if isinstance(after, ast.Expr) else None
            text = below.value if isinstance(below, ast.Constant) else ""
            yield node.target.id, ast.unparse(node.annotation), _plain(str(text))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            text = _plain(ast.get_docstring(node) or "")
            returned = ast.unparse(node.returns) if node.returns else "None"
            if any(isinstance(d, ast.Name) and d.id == "property" for d in node.decorator_list):
                yield node.name, returned, text
            else:
                given = ", ".join(a.arg for a in (*node.args.args[1:], *node.args.kwonlyargs))
                waits = "async " if isinstance(node, ast.AsyncFunctionDef) else ""
                yield f"{waits}{node.name}({given})", returned, text


def _plain(text: str) -> str:
    return " ".join(text.split()).replace("``", "`")


def table(cls: type) -> str:
    """The members as a table of Markdown."""
    rows = [(part.replace("|", "\\|") for part in row) for row in members(cls)]
    return HEAD + "".join(f"| `{name}` | `{type_}` | {meaning} |\n" for name, type_, meaning in rows)


def public(name: str) -> type:
    """A public class by its name."""
    found = getattr(rig, name)
    assert isinstance(found, type), name
    return found


def refreshed(page: str) -> str:
    """A page with the table below each heading of a class made anew."""
    made, at = "", 0
    for match in HEADING.finditer(page):
        made += page[at : match.end()]
        at = match.end()
        end = next((m.start() for m in re.finditer(r"^#", page[at:], re.MULTILINE)), len(page) - at) + at
        section = page[at:end]
        if "|" not in section:
            words = section.strip("\n")
            section = "\n" + (f"{words}\n\n" if words else "") + HEAD + "\n"
        old = TABLE.search(section)
        assert old is not None
        made += section[: old.start()] + table(public(match[1])) + section[old.end() :]
        at = end
    return made + page[at:]


if __name__ == "__main__":
    for path in sorted(DOCS.glob("rig_*.md")):
        path.write_text(refreshed(path.read_text()))
    undocumented = [
        f"{name}.{member}"
        for name in rig.__all__
        if isinstance(cls := getattr(rig, name), type) and cls.__module__.startswith("rig.plugin")
        for member, _, text in members(cls)
        if not text
    ]
    print(*undocumented, sep="\n", file=sys.stderr)
