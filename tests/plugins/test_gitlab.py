"""The webhook source ``gitlab``: tokens and signatures, names, and what each event means."""

import json
from typing import Any

import pytest

from rig import BadSignature, MalformedJson, Mapped, StaleDelivery, WebhookDelivery, WebhookSettings
from rig.model import facts
from rig_gitlab.config import GitLabConfig
from rig_gitlab.source import GitLabSource
from tests.plugins.signing import NOW, WHSEC, WHSEC_OLD, names, payload, standard

RIG = WebhookSettings(required_labels=("rig",))


def _delivery(body: bytes, **headers: str) -> WebhookDelivery:
    return WebhookDelivery(body, {k.replace("_", "-"): v for k, v in headers.items()}, "gitlab", NOW * 1_000_000)


def _read(name: str, settings: WebhookSettings | None = None, config: GitLabConfig | None = None, **changes: Any) -> Mapped:
    found = payload("gitlab", name)
    for path, value in changes.items():
        found[path].update(value)
    mapped = GitLabSource(config).normalize(_delivery(json.dumps(found).encode()), settings or WebhookSettings())
    assert bool(mapped.facts) is (mapped.ignored is None)
    for fact in mapped.facts:
        facts.parse(dict(fact))
    return mapped


@pytest.mark.parametrize("secrets", [["token"], ["new", "token"], [WHSEC, "token"]])
def test_the_secret_token_is_good_also_when_it_is_the_previous_one(secrets: list[str]) -> None:
    GitLabSource().verify(_delivery(b"{}", x_gitlab_token="token"), secrets)


@pytest.mark.parametrize("secrets", [[WHSEC], [WHSEC_OLD, WHSEC]])
def test_a_signing_token_is_good_also_when_it_is_the_previous_one(secrets: list[str]) -> None:
    GitLabSource().verify(WebhookDelivery(b"{}", standard(WHSEC, b"{}"), "gitlab", NOW * 1_000_000), secrets)


@pytest.mark.parametrize(
    ("headers", "secrets"),
    [
        ({}, ["token"]),
        ({"x-gitlab-token": ""}, [""]),
        ({"x-gitlab-token": "Token"}, ["token"]),
        ({"x-gitlab-token": WHSEC}, [WHSEC]),  # a signing token is never sent: who sends it has read it somewhere
        ({"x-gitlab-token": "é\ud800"}, ["token"]),
        (standard(WHSEC, b"{} "), [WHSEC]),
        (standard(WHSEC, b"{}") | {"webhook-id": "another"}, [WHSEC]),
        (standard(WHSEC, b"{}"), [WHSEC_OLD]),
        (standard("whsec_", b"{}"), ["whsec_"]),
    ],
)
def test_anything_else_is_refused(headers: dict[str, str], secrets: list[str]) -> None:
    with pytest.raises(BadSignature):
        GitLabSource().verify(WebhookDelivery(b"{}", headers, "gitlab", NOW * 1_000_000), secrets)


def test_a_signed_time_that_is_long_ago_is_refused() -> None:
    late = WebhookDelivery(b"{}", standard(WHSEC, b"{}", at=NOW - 301), "gitlab", NOW * 1_000_000)
    with pytest.raises(StaleDelivery):
        GitLabSource().verify(late, [WHSEC])


def test_a_delivery_is_called_by_the_key_that_stays_the_same_when_it_is_sent_again() -> None:
    body = json.dumps(payload("gitlab", "issue.open")).encode()
    identity = GitLabSource().identify(_delivery(body, idempotency_key="f5e57ebc", x_gitlab_event_uuid="other"))
    assert (identity.delivery_id, identity.event) == ("f5e57ebc", "issue.open")
    assert GitLabSource().identify(_delivery(body)).delivery_id == ""


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"[" * 200_000])
def test_a_body_that_is_no_json_object_is_malformed(body: bytes) -> None:
    for read in (GitLabSource().identify, lambda d: GitLabSource().normalize(d, WebhookSettings())):
        with pytest.raises(MalformedJson):
            read(_delivery(body))


MEMBER = GitLabConfig(trusted_users=("Robin",))


@pytest.mark.parametrize(
    ("mapped", "type_"),
    [
        (_read("issue.open"), "ISSUE_NEEDS_HUMAN"),
        (_read("issue.open", config=MEMBER), "ISSUE_APPROVED"),
        (_read("issue.open", project={"visibility_level": 0}), "ISSUE_APPROVED"),
        (
            _read("issue.open", config=GitLabConfig(trust_private_projects=False), project={"visibility_level": 0}),
            "ISSUE_NEEDS_HUMAN",
        ),
        (_read("issue.open", RIG), None),
        (_read("issue.reopen", config=MEMBER), "ISSUE_APPROVED"),
        (_read("issue.labels"), "ISSUE_APPROVED"),
        (_read("issue.labels", RIG), "ISSUE_APPROVED"),
        (_read("issue.labels", WebhookSettings(required_labels=("rig", "ready"))), None),
        (_read("issue.update"), None),
        (_read("issue.close"), "ISSUE_DONE"),
        (_read("issue.duplicate"), "ISSUE_CANCELLED"),
        (_read("work_item.epic"), None),
        (_read("merge_request.open"), "PR_CREATED"),
        (_read("merge_request.merge"), "MERGED"),
        (_read("merge_request.approved"), "REVIEW_PASSED"),
        (_read("merge_request.changes"), "CHANGES_REQUESTED"),
        (_read("merge_request.update"), None),
        (_read("merge_request.close"), None),
        (_read("merge_request.fork"), None),
        (_read("merge_request.fork", config=MEMBER), "PR_CREATED"),
        (_read("pipeline.success"), "CI_PASSED"),
        (_read("pipeline.failed"), "CI_FAILED"),
        (_read("pipeline.running"), None),
        (_read("pipeline.tag"), None),
        (_read("note.issue"), None),
        (_read("push"), None),
    ],
)
def test_what_gitlabs_events_mean(mapped: Mapped, type_: str | None) -> None:
    assert [f["type"] for f in mapped.facts] == ([] if type_ is None else [type_])
    if mapped.facts:
        assert (mapped.facts[0]["repo"], mapped.facts[0]["issueNumber"]) == ("acme/web", 23)


def test_an_issue_comes_with_all_that_is_known_of_it() -> None:
    (fact,) = _read("issue.labels").facts
    assert fact["labels"] == ["rig", "priority::high"]
    assert (fact["title"], fact["priority"], fact["url"]) == (
        "Slow start",
        "high",
        "https://gitlab.example/acme/web/-/issues/23",
    )
    (failed,) = _read("pipeline.failed").facts
    assert (failed["failedChecks"], failed["prNumber"], failed["branch"]) == (["test"], 16, "slow-start")


def test_a_branch_of_rigs_own_is_known_by_what_rig_knows_and_by_its_name() -> None:
    known = WebhookSettings(
        issue_of=lambda repo, branch, pull: 8 if (repo, branch, pull) == ("acme/web", "slow-start", 16) else None
    )
    assert _read("merge_request.open", known).facts[0]["issueNumber"] == 8
    named = _read("merge_request.open", object_attributes={"source_branch": "rig/acme-web-9-0123abcd", "description": ""})
    assert named.facts[0]["issueNumber"] == 9


def test_a_project_in_a_subgroup_is_ignored_with_the_reason() -> None:
    assert "subgroup" in (_read("issue.open", project={"path_with_namespace": "a/b/c"}).ignored or "")


@pytest.mark.parametrize("name", names("gitlab"))
def test_fields_of_another_shape_count_as_missing(name: str) -> None:
    source = GitLabSource()
    found = payload("gitlab", name)
    for key in found:
        for odd in (None, 7, "x\0\ud800", [], [None], {"iid": True, "action": []}, {"path_with_namespace": 1}):
            mapped = source.normalize(_delivery(json.dumps(found | {key: odd}).encode()), WebhookSettings())
            for fact in mapped.facts:
                facts.parse(dict(fact))
