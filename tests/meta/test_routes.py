"""Routes, operations, OpenAPI and docs/api.md are four readings of one table."""

from pathlib import Path

from aiohttp import web

from rig.http.routes import HANDLERS
from rig.wire import openapi, reference
from rig.wire.operations import OPERATIONS
from tests.http.edge import open_edge


def table() -> set[tuple[str, str]]:
    return {(o.method, path) for o in OPERATIONS for path in o.paths}


async def test_the_route_table_is_the_table_of_operations() -> None:
    async with open_edge() as edge:
        app = edge.client.app
        assert isinstance(app, web.Application)
        routes = {(r.method, r.resource.canonical) for r in app.router.routes() if r.resource is not None}
    assert {r for r in routes if r[0] != "HEAD"} == table()
    assert {path for method, path in routes if method == "HEAD"} == {path for method, path in table() if method == "GET"}


def test_every_operation_has_its_handler() -> None:
    assert set(HANDLERS) == {o.name for o in OPERATIONS}


def test_the_description_has_every_route_and_no_other() -> None:
    paths = openapi.document()["paths"]
    assert {(method.upper(), path) for path, methods in paths.items() for method in methods} == table()


def test_the_description_asks_for_a_credential_where_one_is_needed() -> None:
    paths = openapi.document()["paths"]
    for operation in OPERATIONS:
        closed = operation.scope is not None and operation.scope.startswith("orchestrator:")
        assert bool(paths[operation.paths[0]][operation.method.lower()]["security"]) == closed


def test_the_page_of_the_api_has_the_table(repository: Path) -> None:
    page = (repository / "docs" / "api.md").read_text()
    assert reference.tables() in page, "write the output of rig.wire.reference.tables() into docs/api.md"
