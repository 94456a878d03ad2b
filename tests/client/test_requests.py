from typing import Any

import pytest

from rig.client.requests import UNSET, operation_named, parts
from rig.errors import BadRequest


@pytest.mark.parametrize(
    ("name", "params", "expected"),
    [
        ("get_health", {}, ("/health", {}, UNSET)),
        ("get_issue_trace", {"id": "a/b#1"}, ("/api/issues/a%2Fb%231/trace", {}, UNSET)),
        ("list_issues", {"state": None, "limit": 5}, ("/api/issues", {"limit": "5"}, UNSET)),
        ("get_attempt_logs", {"id": "x", "follow": True}, ("/api/v1/attempts/x/logs", {"follow": "true"}, UNSET)),
        ("force_done", {"repo": "a/b", "issueNumber": 1}, ("/api/admin/issues/force-done", {"repo": "a/b", "issueNumber": "1"}, UNSET)),
        ("abort_issue", {"id": "A-1"}, ("/api/v1/issues/A-1/abort", {}, UNSET)),
        ("abort_issue", {"id": "A-1", "reason": "x"}, ("/api/v1/issues/A-1/abort", {}, {"reason": "x"})),
        ("claim_assignment", {"agentId": "a", "wait": 1, "leaseSeconds": 9}, ("/api/assignments/claim", {"agentId": "a", "wait": "1"}, {"leaseSeconds": 9})),
        ("post_event", {"type": "HEARTBEAT", "agentId": "a"}, ("/api/events", {}, {"type": "HEARTBEAT", "agentId": "a"})),
    ],
)  # fmt: skip
def test_parameters_go_into_path_query_and_body(name: str, params: dict[str, Any], expected: tuple[Any, ...]) -> None:
    assert parts(operation_named(name), params) == expected


def test_a_whole_body_is_sent_as_it_is() -> None:
    assert parts(operation_named("post_events"), {}, [1, 2])[2] == [1, 2]


@pytest.mark.parametrize(
    ("name", "params", "body", "words"),
    [
        ("get_issue_trace", {}, UNSET, "needs id"),
        ("get_stream_events", {}, UNSET, "needs id"),
        ("get_health", {"x": 1}, UNSET, "takes no parameters, not x"),
        ("list_issues", {"stat": "queued"}, UNSET, "takes state, limit, offset, not stat"),
        ("get_health", {}, {}, "not a body"),
        ("post_event", {"x": 1}, {}, "can't be added"),
    ],
)
def test_what_is_missing_or_unknown_is_refused_before_asking(name: str, params: dict[str, Any], body: Any, words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        parts(operation_named(name), params, body)


def test_an_unknown_operation_names_the_nearest() -> None:
    with pytest.raises(BadRequest, match="did you mean list_issues"):
        operation_named("list_issue")
