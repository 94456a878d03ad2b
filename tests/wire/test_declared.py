"""Schemas that somebody else declares: whatever they are, a document that takes them in stays valid."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from rig.wire import openapi
from rig.wire.declared import MAX_BYTES, Added, Undescribable, components, plain
from rig.wire.schema import KEYWORDS, Keyword

GOOD: dict[str, Any] = {
    "$defs": {
        "Node": {"type": "object", "properties": {"next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]}}},
        "a/b~c": {"const": {"const": 1}},
        "Odd Name[int]": {"type": ["integer", "string", "null"], "examples": [{"examples": []}]},
    },
    "type": "object",
    "title": "Body",
    "properties": {
        "exclusiveMinimum": {"type": "integer", "exclusiveMinimum": 3, "default": "not an integer"},
        "required": {"$ref": "#/$defs/a~1b~0c", "description": "named as a keyword"},
        "pair": {"type": "array", "prefixItems": [{"type": "integer"}, True], "minItems": 2},
        "nothing": {"type": "null"},
        "whatever": True,
        "never": False,
        "either": {
            "oneOf": [{"$ref": "#/$defs/Node"}, {"$ref": "#/$defs/Odd Name[int]"}],
            "discriminator": {"propertyName": "kind", "mapping": {"node": "#/$defs/Node"}},
        },
        "again": {"$ref": "#"},
        "enumerated": {"enum": [1, 1.5, True, None]},
    },
    "required": ["required"],
    "additionalProperties": False,
    "widget": {"is": "no keyword"},
}


def document(version: str, schema: Any) -> Any:
    """As it is served with one operation that takes such a body."""
    added = Added("acme", "double", "POST", "orchestrator:write", "Twice", plain(schema))
    return json.loads(json.dumps(openapi.document(version, [added])))


def valid(schema: Any) -> None:
    """Fail unless both versions of a document with the schema are valid."""
    for version in openapi.VERSIONS:
        found = document(version, schema)
        base = openapi.document(version)["components"]["schemas"]
        found["components"]["schemas"] = {
            n: s for n, s in found["components"]["schemas"].items() if n not in base or n == "Error"
        }
        found["paths"] = {}
        validate(found)
    Draft202012Validator.check_schema(document("3.1", schema)["components"]["schemas"]["x.acme.double"])


@pytest.mark.parametrize("version", openapi.VERSIONS)
def test_a_document_with_every_kind_of_schema_is_valid(version: str) -> None:
    found = document(version, GOOD)
    validate(found)
    schemas = found["components"]["schemas"]
    body = schemas["x.acme.double"]
    assert body["properties"]["again"] == {"$ref": "#/components/schemas/x.acme.double"}
    assert body["properties"]["required"]["$ref"] == "#/components/schemas/x.acme.double.a_b_c"
    assert set(body["properties"]) == set(GOOD["properties"])
    assert body["properties"]["either"]["discriminator"]["mapping"] == {"node": "#/components/schemas/x.acme.double.Node"}
    assert "widget" not in body


def test_names_never_meet() -> None:
    defs = {"$defs": {name: {"type": "string"} for name in ("a b", "a_b", "a/b")}}
    schema = {**defs, "properties": {str(n): {"$ref": f"#/$defs/{ref}"} for n, ref in enumerate(("a b", "a_b", "a~1b"))}}
    added = [Added(plugin, "c", "POST", "s", "", schema) for plugin in ("a", "ä", "ö", "a.c")]
    added += [Added("{x}/ y", "c", "GET", "s", "")]
    found = openapi.document("3.1", added)
    validate(json.loads(json.dumps(found)))
    own = [name for name in found["components"]["schemas"] if name.startswith("x.")]
    assert len(own) == len(added[:4]) * 4
    assert {"/x/a/c", "/x/%C3%A4/c", "/x/%7Bx%7D%2F%20y/c"} <= set(found["paths"])


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        (["no", "schema"], "a schema is wanted"),
        ({"type": "nonsense"}, 'type: it may not be "nonsense"'),
        ({"type": ["string", "string"]}, "type: it may not be"),
        ({"properties": {"a": {"items": [{}]}}}, "properties.a.items: a schema is wanted"),
        ({"properties": []}, "properties: it may not be"),
        ({"required": "a"}, "required: it may not be"),
        ({"required": ["a", "a"]}, "required: it may not be"),
        ({"enum": []}, "enum: it may not be"),
        ({"enum": [1, 1.0]}, "enum: it may not be"),
        ({"pattern": "("}, "pattern: it may not be"),
        ({"minLength": -1}, "minLength: it may not be -1"),
        ({"minimum": True}, "minimum: it may not be true"),
        ({"multipleOf": 0}, "multipleOf: it may not be 0"),
        ({"allOf": []}, r"allOf: it may not be \[\]"),
        ({"$ref": "#/components/schemas/Error"}, r"\$ref: it leads nowhere"),
        ({"$ref": "https://example.invalid/schema.json"}, r"\$ref: it leads nowhere"),
        ({"$ref": "#/$defs/No", "$defs": {"Yes": {}}}, r"\$ref: it leads nowhere"),
        ({"$defs": []}, r"\$defs: schemas by name are wanted"),
        ({"$id": "https://example.invalid/"}, r"\$id: it cannot be shown"),
        ({"$ref": "#"}, "defined by itself alone"),
        ({"$defs": {"A": {"anyOf": [{"$ref": "#/$defs/B"}]}, "B": {"not": {"$ref": "#/$defs/A"}}}}, "defined by itself alone"),
        ({"discriminator": {"mapping": {}}}, "discriminator: it names no property"),
        ({"discriminator": {"propertyName": "a", "mapping": {"a": "b"}}}, "discriminator: its mapping leads nowhere"),
        ({"const": float("nan")}, "it is no JSON"),
        ({"const": {1, 2}}, "it is no JSON"),
        ({"title": "\ud800"}, "it is no JSON"),
        ({"description": "x" * MAX_BYTES}, "it is longer than"),
    ],
)
def test_what_would_make_it_invalid_is_refused_with_its_place(schema: Any, why: str) -> None:
    with pytest.raises(Undescribable, match=why):
        components(plain(schema), "Body")


def test_what_never_ends_is_refused() -> None:
    deep: Any = {}
    for _ in range(200):
        deep = {"not": deep}
    with pytest.raises(Undescribable, match="it is too deep"):
        components(plain(deep), "Body")
    endless: dict[str, Any] = {}
    endless["items"] = endless
    with pytest.raises(Undescribable, match="it is no JSON"):
        plain(endless)


VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    1,
    -1,
    2.5,
    1.0,
    "",
    "a",
    "(",
    "string",
    "null",
    "array",
    ["null", "string"],
    ["a"],
    [],
    {},
]


def schemas(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Schemas of up to four words, most of them used as they should be."""

    def behind(keyword: Keyword) -> st.SearchStrategy[Any]:
        match keyword.holds:
            case "schema":
                return inner
            case "schemas":
                return st.lists(inner, min_size=1, max_size=2)
            case "named":
                return st.dictionaries(st.sampled_from(["a", "const", "required", "type"]), inner, max_size=2)
        return st.sampled_from([value for value in VALUES if keyword.good(value)])

    words = [st.tuples(st.just(word), behind(keyword)) for word, keyword in KEYWORDS.items()]
    words.append(st.tuples(st.just("$ref"), st.sampled_from(["#/$defs/a", "#/$defs/b"])))
    words.append(st.tuples(st.sampled_from([*KEYWORDS, "$ref", "$id", "nullable"]), st.sampled_from(VALUES)))
    return st.lists(st.one_of(words), max_size=4).map(dict)


SCHEMAS = st.recursive(st.booleans(), schemas, max_leaves=8)
DECLARED = st.builds(lambda body, a, b: {**body, "$defs": {"a": a, "b": b}}, schemas(SCHEMAS), SCHEMAS, SCHEMAS)


@settings(deadline=None)
@given(DECLARED)
def test_what_is_taken_in_leaves_the_document_valid(schema: Any) -> None:
    try:
        components(plain(schema), "Body")
    except Undescribable:
        return
    valid(schema)
