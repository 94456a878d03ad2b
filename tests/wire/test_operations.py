"""The table of operations, and what is read from it."""

from typing import Any

import pytest
from openapi_spec_validator import validate
from pydantic import BaseModel

from rig.errors import BadRequest
from rig.wire import openapi
from rig.wire.operations import OPERATIONS
from rig.wire.shapes import answers, requests


def test_names_and_paths_are_unique() -> None:
    names = [o.name for o in OPERATIONS]
    routes = [(o.method, path) for o in OPERATIONS for path in o.paths]
    assert len(set(names)) == len(names)
    assert len(set(routes)) == len(routes)


def test_every_shape_that_is_named_exists() -> None:
    known = {*requests.SHAPES, "Event", "EventBatch"}
    assert {o.request for o in OPERATIONS if o.request} <= known
    assert {o.response for o in OPERATIONS if o.response} <= set(answers.SHAPES)


def test_aliases_have_the_same_parameters() -> None:
    for operation in OPERATIONS:
        for path in operation.paths:
            for name in operation.path_parameters:
                assert "{" + name + "}" in path


@pytest.mark.parametrize("version", openapi.VERSIONS)
def test_the_description_is_valid(version: str) -> None:
    """A11."""
    document: Any = openapi.document(version)
    assert document["openapi"].startswith(version)
    validate(document)


def test_both_versions_describe_the_same_routes() -> None:
    old, new = openapi.document("3.0"), openapi.document("3.1")
    assert {p: set(m) for p, m in old["paths"].items()} == {p: set(m) for p, m in new["paths"].items()}
    assert '"type": "null"' not in str(old).replace("'", '"')


def test_a_body_is_refused_with_all_its_errors_and_none_of_its_values() -> None:
    with pytest.raises(BadRequest) as refused:
        requests.parse(requests.NewKey, {"name": "", "scopes": ["root"], "token": "rig_secret"})
    assert [e["field"] for e in refused.value.details["errors"]] == ["name", "scopes.0", "token"]
    assert "rig_secret" not in str(refused.value.details)


@pytest.mark.parametrize(
    ("model", "body", "said"),
    [
        (requests.Claim, {"agent": "a", "agentId": "b"}, "agent: there is no such field"),
        (requests.LeaseHeartbeat, {"after": {}}, "after: Input should be"),
        (requests.NewQuestion, {}, "question: this field is required"),
        (requests.NewIssue, {"repo": "a/b"}, "identifier, or repo and issueNumber, must be given"),
    ],
)
def test_a_body_is_refused_in_words_of_json(model: type[BaseModel], body: dict[str, object], said: str) -> None:
    with pytest.raises(BadRequest) as refused:
        requests.parse(model, body)
    assert refused.value.message.startswith(said)


@pytest.mark.parametrize("body", [{"leaseSeconds": 0}, {"leaseSeconds": 3601}, {"leaseSeconds": "60"}, {"leaseSeconds": True}])
def test_a_lease_lasts_from_a_second_to_an_hour(body: dict[str, object]) -> None:
    with pytest.raises(BadRequest):
        requests.parse(requests.Claim, {"agentId": "a", **body})
    assert requests.parse(requests.Claim, {"agentId": "a"}).lease_seconds == 120
