"""Plugins over HTTP: switching them, their calls, and the operations that they add."""

import asyncio
from importlib.metadata import EntryPoint
from pathlib import Path
from textwrap import dedent

import pytest

from rig.plugin.host import PluginHost
from rig.plugin.loader import PluginSettings
from rig.wire.operations import READ, WRITE
from tests.http.edge import Edge, MakeEdge

CODE = """
import rig
from pydantic import BaseModel, ConfigDict


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")
    n: int


async def double(request):
    return {"n": 2 * request.body.n, "who": request.principal, "tenant": request.tenant}


async def greet(request):
    if "name" not in request.query:
        raise rig.BadRequest("name is missing")
    if request.query["name"] == "odd":
        return {object()}
    if request.query["name"] == "bad":
        raise LookupError("secret")
    return "hello " + request.query["name"]


@rig.hookimpl
def rig_register_operations(context):
    return [
        rig.PluginOperation("greet", "Say hello", greet),
        rig.PluginOperation("double", "Twice", double, method="POST", scope="write", request=Body),
        rig.PluginOperation("secret", "For admins", greet, scope="admin"),
    ]
"""


@pytest.fixture
async def edge(make_edge: MakeEdge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Edge:
    (tmp_path / "strange_ops.py").write_text(dedent(CODE))
    monkeypatch.syspath_prepend(tmp_path)
    host = PluginHost(PluginSettings(), entries=[EntryPoint("acme", "strange_ops", "rig")])
    host.load()
    return await make_edge(deps={"plugins": host})


async def test_an_operation_answers_under_its_plugins_name(edge: Edge) -> None:
    assert await edge.get("/x/acme/greet?name=Ada") == (200, "hello Ada")
    status, body = await edge.post("/x/acme/double", {"n": 21})
    assert (status, body["n"], body["tenant"]) == (200, 42, "default")


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/x/acme/greet", None, 400),
        ("GET", "/x/acme/greet?name=bad", None, 503),
        ("GET", "/x/acme/greet?name=odd", None, 503),
        ("GET", "/x/acme/nothing", None, 404),
        ("GET", "/x/nobody/greet", None, 404),
        ("GET", "/x/acme/double", None, 405),
        ("POST", "/x/acme/greet", {}, 405),
        ("POST", "/x/acme/double", {"n": "x"}, 400),
        ("POST", "/x/acme/double", {"n": 1, "m": 2}, 400),
    ],
)
async def test_what_cannot_be_answered_is_a_clear_error(edge: Edge, method: str, path: str, body: object, status: int) -> None:
    async with edge.client.request(method, path, json=body) as response:
        answer = await response.json()
        assert response.status == status
        assert "secret" not in str(answer)


async def test_an_operation_asks_for_its_own_scope(edge: Edge) -> None:
    reader = await edge.key("reader", READ)
    writer = await edge.key("writer", WRITE)
    assert (await edge.get("/x/acme/secret?name=a", headers={"Authorization": f"Bearer {reader}"}))[0] == 403
    assert (await edge.get("/x/acme/secret?name=a", headers={"Authorization": f"Bearer {writer}"}))[0] == 403
    assert (await edge.get("/x/acme/greet?name=a", headers={"Authorization": f"Bearer {reader}"}))[0] == 200
    assert (await edge.post("/x/acme/double", {"n": 1}, headers={"Authorization": f"Bearer {reader}"}))[0] == 403


async def test_calls_are_followed_as_they_end(edge: Edge) -> None:
    _, first = await edge.get("/api/v1/plugins/calls")
    waiting = asyncio.create_task(edge.get(f"/api/v1/plugins/calls?wait=10&plugin=acme&after={first['newest']}"))
    await asyncio.sleep(0.05)
    await edge.get("/x/acme/greet?name=Ada")
    _, answer = await waiting
    assert [(c["what"], c["outcome"]) for c in answer["calls"]] == [("x/acme/greet", "ok")]
