"""The operations as the tables of docs/api.md; a test holds the page and the code together."""

from rig.wire.operations import OPERATIONS

HEAD = "| operation | method | path | needs | what it does |\n|---|---|---|---|---|\n"


def tables() -> str:
    """Every operation with its method, paths and the scope that it needs, as Markdown, a section a tag."""
    sections: dict[str, list[str]] = {}
    for operation in OPERATIONS:
        paths = "<br>".join(f"`{path}`" for path in operation.paths)
        needs = operation.scope or "nothing"
        row = f"| `{operation.name}` | {operation.method} | {paths} | {needs} | {operation.summary} |\n"
        sections.setdefault(operation.tag, []).append(row)
    return "\n".join(f"## {tag.capitalize()}\n\n{HEAD}{''.join(rows)}" for tag, rows in sections.items())
