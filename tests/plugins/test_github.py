"""The webhook source ``github``: signatures, names, and what each event means (conventions §4, F24)."""

import hashlib
import hmac
import json
import random
import time
import urllib.parse
from pathlib import Path
from typing import Any

import pytest

from rig import BadRequest, BadSignature, MalformedJson, Mapped, WebhookDelivery, WebhookSettings
from rig.model import facts
from rig.payload import priority
from rig.work.keys import workspace_key
from rig_github.config import GitHubConfig
from rig_github.source import GitHubSource

FIXTURES = Path(__file__).parent.parent / "fixtures" / "github"
SECRET = "It's a Secret to Everybody"
REPO = "Codertocat/Hello-World"
STRICT = WebhookSettings(required_labels=("rig",))


def _delivery(event: str, payload: object, *, secret: str = SECRET, **headers: str) -> WebhookDelivery:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    signature = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    named = {"x-github-event": event, "x-github-delivery": "72d3162e-cc78", "x-hub-signature-256": signature, **headers}
    return WebhookDelivery(body, named)


def _fixture(name: str) -> dict[str, Any]:
    payload: dict[str, Any] = json.loads((FIXTURES / f"{name}.json").read_text())
    return payload


def _read(event: str, payload: object, settings: WebhookSettings | None = None, config: GitHubConfig | None = None) -> Mapped:
    mapped = GitHubSource(config).normalize(_delivery(event, payload), settings or WebhookSettings())
    assert bool(mapped.facts) is (mapped.ignored is None)
    for fact in mapped.facts:
        facts.parse(dict(fact))  # what Rig would refuse is no fact
    return mapped


def _fact(mapped: Mapped) -> dict[str, Any]:
    assert len(mapped.facts) == 1, mapped.ignored
    return dict(mapped.facts[0])


# Who signed it


def test_the_example_of_githubs_own_documentation_verifies() -> None:
    signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    GitHubSource().verify(WebhookDelivery(b"Hello, World!", {"x-hub-signature-256": signature}), [SECRET])


def test_the_previous_secret_is_good_too() -> None:
    GitHubSource().verify(_delivery("ping", {}), ["new one", SECRET])


@pytest.mark.parametrize("secrets", [[], [""], ["wrong"], ["wrong", ""]])
def test_a_wrong_or_missing_secret_is_refused(secrets: list[str]) -> None:
    with pytest.raises(BadSignature):
        GitHubSource().verify(_delivery("ping", {}), secrets)


@pytest.mark.parametrize("signature", ["", "sha256=", "sha1=abc", "sha256=" + "0" * 64, "é€", "SHA256=x", " "])
def test_a_bad_signature_is_refused_before_the_body_is_parsed(signature: str) -> None:
    delivery = _delivery("issues", b"{not json", **{"x-hub-signature-256": signature})
    with pytest.raises(BadSignature):
        GitHubSource().verify(delivery, [SECRET])


def test_a_missing_signature_is_refused() -> None:
    with pytest.raises(BadSignature):
        GitHubSource().verify(WebhookDelivery(b"{}", {}), [SECRET])


def test_one_changed_byte_breaks_the_signature() -> None:
    delivery = _delivery("issues", _fixture("issues.labeled"))
    with pytest.raises(BadSignature):
        GitHubSource().verify(WebhookDelivery(delivery.body + b" ", delivery.headers), [SECRET])


def test_an_empty_secret_signs_nothing() -> None:
    with pytest.raises(BadSignature):
        GitHubSource().verify(_delivery("ping", {}, secret=""), [""])


# What it is called


def test_a_delivery_is_called_by_its_id_event_and_action() -> None:
    identity = GitHubSource().identify(_delivery("issues", _fixture("issues.labeled")))
    assert (identity.delivery_id, identity.event) == ("72d3162e-cc78", "issues.labeled")
    assert GitHubSource().identify(_delivery("ping", {"zen": "x"})).event == "ping"


@pytest.mark.parametrize("name", ["x-github-delivery", "x-github-event"])
@pytest.mark.parametrize("value", ["", "  ", "x" * 201, "a\tb"])
def test_a_delivery_without_a_name_is_refused(name: str, value: str) -> None:
    with pytest.raises(BadRequest):
        GitHubSource().identify(_delivery("ping", {}, **{name: value}))


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"7", b"\xff", b"[" * 200_000, b'{"a":' + b"1" * 9_999 + b"}", b'{"a":NaN', b"payload=x"]
)
def test_a_body_that_is_no_json_object_is_malformed(body: bytes) -> None:
    for method in (GitHubSource().identify, lambda d: GitHubSource().normalize(d, WebhookSettings())):
        with pytest.raises(MalformedJson):
            method(_delivery("issues", body))


def test_a_delivery_sent_as_a_form_is_read_too() -> None:
    body = urllib.parse.urlencode({"payload": json.dumps(_fixture("issues.labeled"))}).encode()
    delivery = _delivery("issues", body, **{"content-type": "application/x-www-form-urlencoded"})
    assert _fact(GitHubSource().normalize(delivery, WebhookSettings()))["issueNumber"] == 1


# Issues


def test_a_labeled_issue_is_approved_with_all_that_is_known_of_it() -> None:
    payload = _fixture("issues.labeled")
    payload["issue"]["labels"].append({"name": "priority:high"})
    assert _fact(_read("issues", payload)) == {
        "type": "ISSUE_APPROVED",
        "repo": REPO,
        "issueNumber": 1,
        "title": "Spelling error in the README file",
        "description": payload["issue"]["body"],
        "url": "https://github.com/Codertocat/Hello-World/issues/1",
        "labels": ["bug", "priority:high"],
        "priority": "high",
    }


def _issue(action: str, **changes: Any) -> dict[str, Any]:
    payload = _fixture("issues.opened")
    payload["action"] = action
    payload["issue"].update(changes)
    return payload


OTHER = {"login": "maintainer", "id": 99}


@pytest.mark.parametrize(
    ("payload", "settings", "type_"),
    [
        (_issue("opened"), None, "ISSUE_APPROVED"),
        (_issue("reopened"), None, "ISSUE_APPROVED"),
        (_issue("opened", author_association="NONE"), None, "ISSUE_NEEDS_HUMAN"),
        (_issue("reopened", author_association="CONTRIBUTOR"), None, "ISSUE_NEEDS_HUMAN"),
        (_issue("opened", author_association=None), None, "ISSUE_NEEDS_HUMAN"),
        (_issue("opened", author_association="contributor"), WebhookSettings(trusted_associations=("Contributor",)), "ISSUE_APPROVED"),
        (_issue("opened"), WebhookSettings(trusted_associations=()), "ISSUE_NEEDS_HUMAN"),
        (_issue("labeled", author_association="NONE"), None, "ISSUE_APPROVED"),
        (_issue("labeled", author_association="NONE") | {"sender": OTHER}, None, "ISSUE_APPROVED"),
        (_issue("opened", labels=[{"name": "Rig"}]), STRICT, "ISSUE_APPROVED"),
        (_issue("opened"), STRICT, None),
        (_issue("labeled", state="closed"), None, None),
        (_issue("closed", state_reason="completed"), None, "ISSUE_DONE"),
        (_issue("closed", state_reason=None), None, "ISSUE_DONE"),
        (_issue("closed", state_reason="not_planned"), None, "ISSUE_CANCELLED"),
        (_issue("closed", state_reason="duplicate"), None, "ISSUE_CANCELLED"),
        (_issue("edited"), None, None),
        (_issue("unlabeled"), None, None),
        (_issue("opened", number=None), None, None),
        (_issue("opened", number=2**60), None, None),
        (_issue("opened") | {"repository": {"full_name": "a b/c"}}, None, None),
        (_issue("opened") | {"issue": []}, None, None),
    ],
)  # fmt: skip
def test_what_happens_to_an_issue_follows_the_table(
    payload: dict[str, Any], settings: WebhookSettings | None, type_: str | None
) -> None:
    mapped = _read("issues", payload, settings)
    assert (_fact(mapped)["type"] if mapped.facts else None) == type_


def test_a_strangers_issue_says_who_must_be_approved() -> None:
    fact = _fact(_read("issues", _issue("opened", author_association="NONE")))
    assert fact["reason"] == "Codertocat (NONE) is not a trusted author; approve the issue to queue it"
    assert fact["title"] == "Spelling error in the README file"


def test_a_missing_label_is_named() -> None:
    assert _read("issues", _issue("opened"), STRICT).ignored == "the issue lacks the label rig"


def test_labels_that_authors_set_themselves_can_be_distrusted() -> None:
    config = GitHubConfig(trust_own_labels=False)
    payload = _issue("labeled", author_association="NONE")
    assert _fact(_read("issues", payload, config=config))["type"] == "ISSUE_NEEDS_HUMAN"
    assert _fact(_read("issues", payload | {"sender": OTHER}, config=config))["type"] == "ISSUE_APPROVED"
    assert _fact(_read("issues", _issue("labeled"), config=config))["type"] == "ISSUE_APPROVED"


@pytest.mark.parametrize(
    ("labels", "word"),
    [
        ([], None),
        (["bug", "high-priority"], None),
        (["priority:high"], "high"),
        (["Priority: Critical"], "critical"),
        (["priority/low"], "low"),
        (["P1"], "high"),
        (["p0", "priority:low"], "critical"),
        (["prio-medium"], "normal"),
        (["priority:urgent"], "critical"),
    ],
)
def test_priority_is_the_highest_that_a_label_names(labels: list[str], word: str | None) -> None:
    assert priority(labels) == word


def test_text_that_no_store_can_keep_is_cleaned_and_cut() -> None:
    payload = _issue("opened", title="a\0b\ud800" + "c" * 2_000, body="x" * 300_000, labels=[{"name": "y" * 999}] * 999)
    fact = _fact(_read("issues", payload))
    assert fact["title"].startswith("ab?c")
    assert (len(fact["title"]), len(fact["description"]), len(fact["labels"])) == (999, 262_144, 100)


# Pull requests, reviews, checks


def _pull(action: str, ref: str = "rig/Codertocat_Hello-World_7--0123456789abcdef", **changes: Any) -> dict[str, Any]:
    payload = _fixture("pull_request.opened")
    payload["action"] = action
    payload["pull_request"].update(changes)
    payload["pull_request"]["head"]["ref"] = ref
    return payload


def _fork(payload: dict[str, Any], association: str = "NONE") -> dict[str, Any]:
    payload["pull_request"]["head"]["repo"] = {"id": 4711, "full_name": "stranger/Hello-World"}
    payload["pull_request"]["author_association"] = association
    return payload


def test_an_opened_pull_request_is_joined_by_its_branch() -> None:
    assert _fact(_read("pull_request", _pull("opened"))) == {
        "type": "PR_CREATED",
        "repo": REPO,
        "issueNumber": 7,
        "prNumber": 2,
        "prUrl": "https://github.com/Codertocat/Hello-World/pull/2",
        "branch": "rig/Codertocat_Hello-World_7--0123456789abcdef",
    }


@pytest.mark.parametrize(
    ("payload", "number"),
    [
        (_pull("opened", "rig/Codertocat_Hello-World_7"), 7),
        (_pull("opened", f"rig/{workspace_key('Codertocat/Hello-World#31')}"), 31),
        (_pull("opened", "rig/codertocat-hello-world-12--00112233"), 12),
        (_pull("opened", "rig/ir-12345678"), None),
        (_pull("opened", "rig/other_repo_7--0123456789abcdef"), None),
        (_pull("opened", "feature"), None),
        (_pull("opened", "feature", body="This fixes #42 and closes #43"), 42),
        (_pull("opened", "feature", title="Resolves: #5", body=None), 5),
        (_pull("opened", "feature", body="Fixed Codertocat/Hello-World#8"), 8),
        (_pull("opened", "feature", body="fixes other/repo#8"), None),
        (_pull("opened", "feature", body="prefixes #8, see #9, fixes #0"), None),
        (_fork(_pull("opened")), None),
        (_fork(_pull("opened", body="Fixes #42")), None),
        (_fork(_pull("opened", body="Fixes #42"), "MEMBER"), 42),
    ],
)
def test_a_pull_request_belongs_to_the_issue_that_it_may_name(payload: dict[str, Any], number: int | None) -> None:
    mapped = _read("pull_request", payload)
    assert (_fact(mapped)["issueNumber"] if mapped.facts else None) == number


def test_what_rig_knows_of_a_branch_comes_before_its_name() -> None:
    asked: list[tuple[str, str | None, int | None]] = []

    def issue_of(repo: str, branch: str | None, pull: int | None) -> int | None:
        asked.append((repo, branch, pull))
        return 31

    settings = WebhookSettings(issue_of=issue_of)
    assert _fact(_read("pull_request", _pull("opened", "mine"), settings))["issueNumber"] == 31
    assert asked == [(REPO, "mine", 2)]
    assert not _read("pull_request", _fork(_pull("opened", "mine")), settings).facts


def test_a_merged_pull_request_is_merged_and_an_unmerged_one_is_nothing() -> None:
    merged = _fact(_read("pull_request", _pull("closed", merged=True, merge_commit_sha="abc123")))
    assert (merged["type"], merged["issueNumber"], merged["mergeSha"]) == ("MERGED", 7, "abc123")
    assert _read("pull_request", _pull("closed", merged=False)).ignored == "the pull request was closed without being merged"


@pytest.mark.parametrize(
    ("action", "state", "association", "type_"),
    [
        ("submitted", "approved", "OWNER", "REVIEW_PASSED"),
        ("submitted", "changes_requested", "MEMBER", "CHANGES_REQUESTED"),
        ("submitted", "commented", "OWNER", None),
        ("dismissed", "approved", "OWNER", None),
        ("edited", "approved", "OWNER", None),
        ("submitted", "approved", "NONE", None),
    ],
)
def test_a_review_counts_when_it_decides_and_its_author_may(
    action: str, state: str, association: str, type_: str | None
) -> None:
    payload = _fixture("pull_request_review.submitted")
    payload["action"] = action
    payload["review"].update(state=state, author_association=association, body="Please spell it right.")
    payload["pull_request"]["head"]["ref"] = "rig/Codertocat_Hello-World_7"
    mapped = _read("pull_request_review", payload)
    assert (_fact(mapped)["type"] if mapped.facts else None) == type_
    if type_ == "CHANGES_REQUESTED":
        assert _fact(mapped)["reason"] == "Please spell it right."


@pytest.mark.parametrize(
    ("action", "conclusion", "type_"),
    [
        ("completed", "success", "CI_PASSED"),
        ("completed", "failure", "CI_FAILED"),
        ("completed", "timed_out", "CI_FAILED"),
        ("completed", "neutral", None),
        ("completed", "skipped", None),
        ("completed", "cancelled", None),
        ("created", None, None),
    ],
)
@pytest.mark.parametrize("with_pull", [True, False])
def test_a_check_run_counts_when_it_concludes(action: str, conclusion: str | None, type_: str | None, with_pull: bool) -> None:
    payload = _fixture("check_run.completed")
    run = payload["check_run"]
    payload["action"] = action
    run["conclusion"] = conclusion
    repo = payload["repository"]["full_name"]
    branch = f"rig/{repo.replace('/', '_')}_7"
    run["check_suite"]["head_branch"] = branch
    run["pull_requests"] = [{"number": 3, "head": {"ref": branch, "repo": payload["repository"]}}] if with_pull else []
    mapped = _read("check_run", payload)
    assert (_fact(mapped)["type"] if mapped.facts else None) == type_
    if type_ == "CI_FAILED":
        assert _fact(mapped)["failedChecks"] == [run["name"]]
        assert _fact(mapped).get("prNumber") == (3 if with_pull else None)


@pytest.mark.parametrize("event", ["ping", "push", "star", "workflow_run", "no such"])
def test_every_other_event_is_ignored_with_a_reason(event: str) -> None:
    assert _read(event, {"repository": {"full_name": REPO}}).ignored


# Everything that comes


def test_a_payload_of_any_shape_is_mapped_or_ignored() -> None:
    """Fields of the examples are replaced by things that do not belong there."""
    rng = random.Random(7)
    strange: list[Any] = [None, 0, -1, True, 1.5, 2**70, "", "\0", "x", [], [None], {}, {"id": "x"}, [[]]]

    def spoil(node: Any) -> Any:
        if rng.random() < 0.06:
            return rng.choice(strange)
        if isinstance(node, dict):
            return {k: spoil(v) for k, v in node.items()}
        return [spoil(v) for v in node] if isinstance(node, list) else node

    for path in sorted(FIXTURES.glob("*.json")):
        payload = json.loads(path.read_text())
        for _ in range(40):
            spoiled = spoil(payload)
            _read(path.stem.partition(".")[0], spoiled if isinstance(spoiled, dict) else {})


def test_all_examples_of_octokit_are_mapped_or_ignored_with_a_reason(node_modules: Path) -> None:
    index = node_modules / "@octokit" / "webhooks-examples" / "api.github.com" / "index.json"
    events = json.loads(index.read_text())
    seen: dict[str, int] = {}
    for event in events:
        for payload in event["examples"]:
            GitHubSource().identify(_delivery(event["name"], payload))
            mapped = _read(event["name"], payload)
            type_ = mapped.facts[0]["type"] if mapped.facts else "ignored"
            seen[type_] = seen.get(type_, 0) + 1
    assert sum(seen.values()) >= 329
    assert seen["ISSUE_APPROVED"] >= 7


def test_a_delivery_of_the_largest_size_is_read_in_time() -> None:
    payload = _issue("opened", body="x" * (25 * 1024 * 1024 - 20_000))
    delivery = _delivery("issues", payload)
    began = time.perf_counter()
    GitHubSource().verify(delivery, [SECRET, "previous"])
    assert _fact(GitHubSource().normalize(delivery, WebhookSettings()))["issueNumber"] == 1
    assert time.perf_counter() - began < 3
