"""The operations as the table of docs/api.md; a test holds the page and the code together."""

from rig.wire.operations import OPERATIONS, SIGNATURE


def table() -> str:
    """Every operation with its paths and the scope that it needs, as Markdown."""
    lines = ["| operation | method and path | scope | what it does |", "|---|---|---|---|"]
    for operation in OPERATIONS:
        paths = "<br>".join(f"`{operation.method} {path}`" for path in operation.paths)
        scope = {None: "public", SIGNATURE: "signed delivery"}.get(operation.scope, operation.scope or "")
        also = " (default tenant)" if operation.installation else ""
        lines.append(f"| `{operation.name}` | {paths} | {scope.removeprefix('orchestrator:')}{also} | {operation.summary} |")
    return "\n".join(lines) + "\n"
