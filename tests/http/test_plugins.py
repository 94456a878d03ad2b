"""Plugins over HTTP: switching them, their calls, and the operations that they add."""

import asyncio
import json
from collections.abc import Mapping
from importlib.metadata import EntryPoint
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from openapi_spec_validator import validate

from rig.errors import StorageUnavailable
from rig.model.events import Event
from rig.plugin.host import PluginHost
from rig.plugin.settings import PluginSettings
from rig.wire.openapi import VERSIONS
from rig.wire.operations import READ, WRITE
from tests.http.edge import Edge, MakeEdge

CODE = """
import rig
from pydantic import BaseModel, ConfigDict, field_validator


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")
    n: int

    @field_validator("n")
    @classmethod
    def small(cls, n):
        if n > 1000:
            raise {1001: LookupError, 1002: SystemExit, 1003: rig.Conflict}[n]("secret")
        return n


async def double(request):
    return {"n": 2 * request.body.n, "who": request.principal, "tenant": request.tenant}


async def greet(request):
    if "name" not in request.query:
        raise rig.BadRequest("name is missing")
    if request.query["name"] == "half":
        raise rig.Conflict("half a character: \\ud800", what="\\ud800")
    if request.query["name"] == "odd":
        return {object()}
    if request.query["name"] == "bad":
        raise LookupError("secret")
    if request.query["name"] == "mute":
        raise LookupError("half a character: \\ud800")
    return "hello " + request.query["name"]


@rig.hookimpl
def rig_register_operations(context):
    calls = []

    async def count(request):
        calls.append(request.idempotency_key)
        return {"calls": len(calls), "key": calls[-1]}

    return [
        rig.PluginOperation("greet", "Say hello", greet),
        rig.PluginOperation("double", "Twice", double, method="POST", scope="write", request=Body),
        rig.PluginOperation("count", "Count calls", count, method="POST", scope="write"),
        rig.PluginOperation("secret", "For admins", greet, scope="admin"),
    ]
"""


class Configured:
    """A configuration that lets every plugin in."""

    def effective(self) -> Mapping[str, Any]:
        return {"plugins": {"disabled": ()}}

    def provenance(self) -> Mapping[str, str]:
        return {}

    def schema(self) -> Mapping[str, Any]:
        return {}

    def candidate(self, overlay: Mapping[str, Any]) -> Mapping[str, Any]:
        return overlay


@pytest.fixture
async def edge(make_edge: MakeEdge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Edge:
    (tmp_path / "strange_ops.py").write_text(dedent(CODE))
    monkeypatch.syspath_prepend(tmp_path)
    host = PluginHost(PluginSettings(), entries=[EntryPoint("acme", "strange_ops", "rig")])
    host.load()
    return await make_edge(deps={"plugins": host, "config": Configured()})


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
        ("POST", "/x/acme/double", {"n": 1001}, 503),
        ("POST", "/x/acme/double", {"n": 1002}, 503),
    ],
)
async def test_what_cannot_be_answered_is_a_clear_error(edge: Edge, method: str, path: str, body: object, status: int) -> None:
    async with edge.client.request(method, path, json=body) as response:
        answer = await response.json()
        assert response.status == status
        assert "secret" not in str(answer)


async def test_a_wrong_body_is_refused_in_words_that_name_the_field(edge: Edge) -> None:
    status, answer = await edge.post("/x/acme/double", {"n": 1, "m": 2})
    assert (status, "the body is not what the operation takes: m: Extra inputs" in str(answer)) == (400, True)


async def test_what_a_validator_raises_is_a_fault_with_its_line_or_an_answer(edge: Edge) -> None:
    assert (await edge.post("/x/acme/double", {"n": 1003}))[0] == 409
    assert (await edge.post("/x/acme/double", {"n": 1001}))[0] == 503
    _, rows = await edge.get("/api/v1/plugins")
    assert (rows[0]["strikes"], rows[0]["last_error"]) == (1, "x/acme/double: LookupError: secret (strange_ops.py:14)")
    assert await written(edge, "plugin_called") == []


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


async def test_an_error_that_json_cannot_say_is_shown_all_the_same(edge: Edge) -> None:
    assert (await edge.get("/x/acme/greet?name=mute"))[0] == 503
    _, rows = await edge.get("/api/v1/plugins")
    assert rows[0]["last_error"].startswith("x/acme/greet: LookupError: half a character: \ufffd (strange_ops.py:")
    _, answer = await edge.get("/api/v1/plugins/calls")
    assert answer["calls"][-1]["error"] in rows[0]["last_error"]


@pytest.mark.parametrize("accept", ["application/json", "application/problem+json"])
async def test_a_refusal_that_json_cannot_say_is_answered_all_the_same(edge: Edge, accept: str) -> None:
    status, answer = await edge.get("/x/acme/greet?name=half", headers={"Accept": accept})
    assert (status, answer["code"], "half a character: \ufffd" in answer.values()) == (409, "conflict", True)


async def written(edge: Edge, type_: str) -> list[Event]:
    """Events of a type in the log."""
    return [e for e in await edge.store.read(lambda s: s.events("default", 0, 1000)) if e.type == type_]


async def state_of(edge: Edge) -> str:
    _, rows = await edge.get("/api/v1/plugins")
    return str(next(row["state"] for row in rows if row["name"] == "acme"))


def full(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the store refuse every write."""

    async def refuse(unit: object) -> None:
        raise StorageUnavailable("the disk is full")

    monkeypatch.setattr(edge.store, "commit", refuse)


@pytest.mark.rule("I23")
@pytest.mark.parametrize("verb", ["disable", "enable"])
async def test_a_switch_that_the_log_refuses_has_no_effect(edge: Edge, monkeypatch: pytest.MonkeyPatch, verb: str) -> None:
    if verb == "enable":
        assert (await edge.post("/api/v1/plugins/acme/disable"))[0] == 200
    before = await state_of(edge)
    full(edge, monkeypatch)
    assert (await edge.post(f"/api/v1/plugins/acme/{verb}"))[0] == 503
    assert await state_of(edge) == before
    assert (await edge.get("/x/acme/greet?name=Ada"))[0] == (200 if verb == "disable" else 404)


async def test_a_switch_is_in_the_log_and_in_its_answer_and_a_repeat_is_answered_alike(edge: Edge) -> None:
    once = {"Idempotency-Key": "s-1"}
    first = await edge.post("/api/v1/plugins/acme/disable", headers=once)
    assert (first[0], first[1]["state"]) == (200, "disabled")
    assert await edge.post("/api/v1/plugins/acme/disable", headers=once) == first
    assert (await edge.post("/api/v1/plugins/acme/enable"))[1]["state"] == "enabled"
    assert [json.loads(e.body)["enabled"] for e in await written(edge, "plugin_switched")] == [False, True]


@pytest.mark.rule("I23")
async def test_a_call_of_an_operation_is_in_the_log_before_it_is_made(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = await edge.key("writer", WRITE)
    assert (await edge.post("/x/acme/count", headers={"Authorization": f"Bearer {writer}"}))[0] == 200
    assert (await edge.get("/x/acme/greet?name=Ada"))[0] == 200
    (event,) = await written(edge, "plugin_called")
    assert (json.loads(event.body), event.operation) == ({"plugin": "acme", "operation": "count"}, "call_plugin")
    assert event.principal.startswith("key:")
    with monkeypatch.context() as patch:
        full(edge, patch)
        assert (await edge.post("/x/acme/count"))[0] == 503
    assert await edge.post("/x/acme/count") == (200, {"calls": 2, "key": None})


@pytest.mark.rule("I3")
async def test_an_operation_that_is_called_again_with_its_key_is_not_done_again(edge: Edge) -> None:
    for _ in range(2):
        async with edge.client.post("/x/acme/double", json={"n": 4}, headers={"Idempotency-Key": "k-1"}) as response:
            assert (response.status, (await response.json())["n"]) == (200, 8)
    assert response.headers["Idempotent-Replayed"] == "true"
    assert (await edge.post("/x/acme/double", {"n": 5}, headers={"Idempotency-Key": "k-1"}))[0] == 422
    keyed = [await edge.post("/x/acme/count", headers={"Idempotency-Key": "k-1"}) for _ in range(3)]
    assert keyed == [(200, {"calls": 1, "key": "k-1"})] * 3
    assert len(await written(edge, "plugin_called")) == 2
    _, answer = await edge.post("/x/acme/count", headers={"Idempotency-Key": "k-2"})
    assert answer == {"calls": 2, "key": "k-2"}


async def test_no_other_method_leads_past_the_log_to_an_operation_that_may_change_something(edge: Edge) -> None:
    for method in ("HEAD", "GET", "PUT"):
        response = await edge.client.request(method, "/x/acme/count")
        assert response.status == 405, method
    assert await written(edge, "plugin_called") == []
    status, answer = await edge.post("/x/acme/count", {})
    assert (status, answer["calls"]) == (200, 1)
    response = await edge.client.request("HEAD", "/x/acme/greet?name=you")
    assert response.status == 200


DECLARES = """
import rig
from typing import Any, Callable, Optional
from pydantic import BaseModel, Field


class Address(BaseModel):
    street: str = Field(min_length=1)
    beside: Optional["Address"] = None


class Good(BaseModel):
    home: Address
    pair: tuple[int, str] = "not even a tuple"
    exclusiveMinimum: int = Field(3, gt=2)
    anything: Any = None


class NoSchema(BaseModel):
    call: Callable[[int], int]


class Raises(BaseModel):
    @classmethod
    def __get_pydantic_json_schema__(cls, core, handler):
        raise SystemExit("no schema today")


class Refuses(BaseModel):
    @classmethod
    def __get_pydantic_json_schema__(cls, core, handler):
        raise rig.ConfigError("it is not configured")


class Nonsense(BaseModel):
    n: int = Field(json_schema_extra={"type": "nonsense"})


class Elsewhere(BaseModel):
    n: int = Field(json_schema_extra={"$ref": "http://127.0.0.1:9/schema.json"})


class Hangs(BaseModel):
    @classmethod
    def __get_pydantic_json_schema__(cls, core, handler):
        import threading
        threading.Event().wait(30)


async def answers(request):
    return "fine"


@rig.hookimpl
def rig_register_operations(context):
    models = [Good, NoSchema, Raises, Refuses, Nonsense, Elsewhere, Hangs, int]
    bodies = [rig.PluginOperation(m.__name__.lower(), "Takes it", answers, "POST", "write", m) for m in models]
    return [rig.PluginOperation("ask", "Asks \\x1b[31mred \\ud800", answers), *bodies]
"""


@pytest.fixture
async def declaring(make_edge: MakeEdge, tmp_path: Path) -> Edge:
    """An edge with plugins of which one has an odd name, and operations of which most can't be described."""
    for name in ("acme", "it's ö"):
        (tmp_path / f"{name}.py").write_text(DECLARES)
    host = PluginHost(PluginSettings(folder=tmp_path, call_seconds=0.3), entries=[])
    host.load()
    return await make_edge(deps={"plugins": host, "config": Configured()})


async def description(edge: Edge, version: str = "3.1", **headers: str) -> Any:
    status, found = await edge.get(f"/api/v1/openapi.json?version={version}", headers=headers)
    assert status == 200
    return found


@pytest.mark.parametrize("version", VERSIONS)
async def test_the_description_has_what_plugins_add_and_is_valid_whatever_they_declare(declaring: Edge, version: str) -> None:
    found = await description(declaring, version)
    validate(found)
    added = {path: set(methods) for path, methods in found["paths"].items() if path.startswith("/x/")}
    assert added == {
        "/x/{plugin}/{operation}": {"get", "post"},
        "/x/acme/ask": {"get"},
        "/x/acme/good": {"post"},
        "/x/it%27s%20%C3%B6/ask": {"get"},
        "/x/it%27s%20%C3%B6/good": {"post"},
    }
    good = found["paths"]["/x/acme/good"]["post"]
    assert (good["operationId"], good["description"], good["tags"]) == ("x/acme/good", "Scope: orchestrator:write", ["x/acme"])
    body = good["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    assert set(found["components"]["schemas"][body]["properties"]) == {"home", "pair", "exclusiveMinimum", "anything"}
    assert found["paths"]["/x/acme/ask"]["get"]["summary"] == "Asks red \ufffd"
    assert (await declaring.get("/x/it%27s%20%C3%B6/ask")) == (200, "fine")


async def test_what_cannot_be_described_says_why_in_its_record_and_works_all_the_same(declaring: Edge) -> None:
    _, rows = await declaring.get("/api/v1/plugins")
    row = next(row for row in rows if row["name"] == "acme")
    why = {operation["name"]: operation["undescribed"] for operation in row["operations"]}
    assert {name: (said or "").partition(":")[0] for name, said in why.items()} == {
        "ask": "",
        "good": "",
        "noschema": "PydanticInvalidForJsonSchema",
        "raises": "SystemExit",
        "refuses": "ConfigError",
        "nonsense": "Undescribable",
        "elsewhere": "Undescribable",
        "hangs": "TimeoutError",
        "int": "AttributeError",
    }
    assert why["nonsense"] == 'Undescribable: properties.n.type: it may not be "nonsense"'
    assert (row["state"], row["strikes"]) == ("enabled", 0)
    assert row["last_error"].startswith("x/acme/")
    assert (await declaring.post("/x/acme/elsewhere", {"n": 1}))[0] == 200


async def test_the_description_follows_the_switch(declaring: Edge) -> None:
    assert (await declaring.post("/api/v1/plugins/acme/disable"))[0] == 200
    assert not [path for path in (await description(declaring))["paths"] if path.startswith("/x/acme")]
    assert (await declaring.post("/api/v1/plugins/acme/enable"))[0] == 200
    assert [path for path in (await description(declaring))["paths"] if path.startswith("/x/acme")]


async def test_strangers_are_not_told_what_plugins_there_are(make_edge: MakeEdge, declaring: Edge) -> None:
    guarded = await make_edge(auth_mode="required", deps={"plugins": declaring.deps.plugins})
    assert "acme" not in json.dumps(await description(guarded))
    reader = await guarded.key("reader", READ)
    assert "/x/acme/ask" in (await description(guarded, Authorization=f"Bearer {reader}"))["paths"]
    assert "acme" not in json.dumps(await description(guarded))
