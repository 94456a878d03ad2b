import pytest

from rig import errors
from rig.client.failures import error_of
from rig.errors import RigError
from rig.http.errors import PROBLEM, answer


@pytest.mark.parametrize("path", ["/api/v1/config", "/api/events"])
@pytest.mark.parametrize("accept", ["", PROBLEM])
@pytest.mark.parametrize(
    "error",
    [
        errors.NotFound("no such issue"),
        errors.StaleLease(),
        errors.UnknownEventType("unknown", type="X"),
        errors.TenantForbidden(),
        errors.LogCorrupt("damaged", sequence=7),
        errors.ConfigError("bad", errors=[{"path": "a.b"}]),
        errors.Unavailable("later"),
    ],
    ids=lambda e: type(e).__name__,
)
def test_an_error_is_the_same_class_with_the_same_words_on_this_side(error: RigError, path: str, accept: str) -> None:
    body = answer(error, "trace-1", path, accept).body
    assert isinstance(body, bytes)
    found = error_of(error.http_status, body, "http://x")
    assert type(found) is type(error)
    assert found.message == error.message
    assert found.details == {k: v for k, v in error.details.items() if v is not None} | {"trace_id": "trace-1"}


@pytest.mark.parametrize(
    ("status", "kind"), [(404, errors.NotFound), (409, errors.Conflict), (503, errors.Unavailable), (401, errors.Unauthorized)]
)
def test_an_unknown_code_goes_by_its_status(status: int, kind: type[RigError]) -> None:
    found = error_of(status, b'{"error":"\\u001b[31mx","code":"new_in_a_later_release"}', "http://x")
    assert type(found) is kind
    assert found.message == "x"


def test_a_defect_of_the_daemon_is_said_to_be_one() -> None:
    body = answer(errors.Internal(), "t", "/health").body
    assert isinstance(body, bytes)
    assert type(error_of(503, body, "http://x")) is errors.Internal


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"error":{}}', b'{"code":7}', b'"text"'])
def test_an_answer_that_is_not_rigs_is_said_to_be_so(body: bytes) -> None:
    found = error_of(502, body, "http://x:1")
    assert type(found) is errors.BadGateway
    assert "http://x:1 answered 502" in found.message
