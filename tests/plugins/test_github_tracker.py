"""GitHub's issues by its API: pages, ETags, the rate limit, and that they say what the webhooks say."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from rig import PollContext, TrackedIssue, TrackerPage, TrackerUnavailable, WebhookSettings
from rig_github.config import GitHubConfig
from rig_github.mapping import Reader
from rig_github.tracker import GitHubIssues
from tests.standins.github import GitHub

REPO = "acme/app"


@pytest.fixture
def github() -> Iterator[GitHub]:
    with GitHub(REPO, "acme/web") as server:
        yield server


def tracker(github: GitHub, *repositories: str, **config: Any) -> GitHubIssues:
    given = {"api_url": github.url, "repositories": repositories or (REPO,), "token": SecretStr("t0ken"), **config}
    return GitHubIssues(GitHubConfig(**given))


async def read(github_: GitHubIssues, cursor: str = "", **context: Any) -> tuple[list[TrackedIssue], TrackerPage]:
    """Every page until there is no more."""
    found: list[TrackedIssue] = []
    while True:
        page = await github_.poll(PollContext(cursor=cursor, **context))
        found += page.issues
        cursor = page.cursor
        if not page.more:
            return found, page


async def test_open_issues_come_first_then_all_that_change(github: GitHub) -> None:
    github.put(REPO, 1, title="One", body="Why.", labels=[{"name": "priority:high"}])
    github.put(REPO, 2, state="closed", state_reason="completed")
    github.put(REPO, 3, pull_request={"url": "…"})
    issues = tracker(github)
    (one,), page = await read(issues)
    assert (one.id, one.identifier, one.phase, one.title, one.description, one.priority, one.labels) == (
        *("acme/app#1", "acme/app#1", "active", "One", "Why.", "high", ("priority:high",)),
    )
    github.put(REPO, 1, state="closed", state_reason="not_planned")
    github.put(REPO, 4)
    found, page = await read(issues, page.cursor)
    assert [(i.id, i.phase) for i in found][-2:] == [("acme/app#1", "cancelled"), ("acme/app#4", "active")]
    assert github.tokens == {"token t0ken"}


async def test_many_pages_skip_nothing_that_changes_meanwhile(github: GitHub) -> None:
    for n in range(1, 251):
        github.put(REPO, n)
    issues = tracker(github)
    first = await issues.poll(PollContext())
    assert (len(first.issues), first.more) == (100, True)
    github.put(REPO, 1, title="Moved to the end")
    github.put(REPO, 150, state="closed")
    rest, page = await read(issues, first.cursor)
    later, _ = await read(issues, page.cursor)
    seen = {i.id for i in (*first.issues, *rest, *later)}
    assert seen == {f"{REPO}#{n}" for n in range(1, 251)}
    assert next(i for i in rest if i.id == f"{REPO}#1").title == "Moved to the end"


async def test_a_hundred_changes_in_one_second_are_no_end(github: GitHub) -> None:
    for n in range(1, 206):
        github.put(REPO, n)
        github.issues[REPO][n]["updated_at"] = "2026-01-01T00:00:00Z"
    found, _ = await read(tracker(github))
    assert len({i.id for i in found}) == 205


async def test_a_poll_without_news_is_answered_304_and_costs_nothing(github: GitHub) -> None:
    github.put(REPO, 1)
    issues = tracker(github)
    _, page = await read(issues)
    for _ in range(2):
        _, page = await read(issues, page.cursor)
    used = github.used
    for _ in range(3):
        found, page = await read(tracker(github), page.cursor)  # the ETag is in the cursor, not in the tracker
        assert found == []
    assert (github.used, [status for _, status in github.asked[-3:]]) == (used, [304] * 3)
    github.put(REPO, 1, title="News")
    found, _ = await read(issues, page.cursor)
    assert [i.title for i in found] == ["News"]


async def test_every_repository_has_its_turn_also_when_one_is_not_there(github: GitHub) -> None:
    github.put(REPO, 1)
    github.put("acme/web", 2)
    issues = tracker(github, "acme/gone", REPO, "acme/web")
    found: list[TrackedIssue] = []
    faults: dict[str, str] = {}
    page = await issues.poll(PollContext())
    while True:
        found += page.issues
        faults.update(page.faults)
        if not page.more:
            break
        page = await issues.poll(PollContext(cursor=page.cursor))
    assert [i.id for i in found] == ["acme/app#1", "acme/web#2"]
    assert list(faults) == ["acme/gone"]
    assert faults["acme/gone"].startswith("acme/gone: http 404")


async def test_it_stops_before_the_limit_is_used_up(github: GitHub) -> None:
    github.limit, github.reset_in = 101, 900
    github.put(REPO, 1)
    page = await tracker(github, reserve=100).poll(PollContext())
    assert page.wait is not None
    assert 899 <= page.wait <= 902
    assert [i.id for i in page.issues] == ["acme/app#1"]


@pytest.mark.parametrize(
    ("status", "headers", "text", "after"),
    [
        (403, {"Retry-After": "30"}, "http 403: GitHub asks to be left alone", 30),
        (429, {"Retry-After": "7"}, "http 429: GitHub asks to be left alone", 7),
        (403, {"X-RateLimit-Remaining": "0"}, "http 403: the rate limit is used up", 901),
        (403, {}, "http 403: the token may not read this, or a secondary limit holds", 60),
        (429, {}, "http 429: too many requests", 60),
        (401, {}, "http 401: the token is not valid", None),
        (502, {}, "http 502", None),
    ],
)
async def test_a_refusal_says_when_to_ask_again(
    github: GitHub, status: int, headers: dict[str, str], text: str, after: int | None
) -> None:
    github.refuse = status, headers
    with pytest.raises(TrackerUnavailable) as caught:
        await tracker(github).poll(PollContext())
    assert caught.value.message == text
    assert caught.value.retry_after in ((after, after + 1) if after else (after,))
    assert "127.0.0.1" not in caught.value.message


async def test_what_is_fetched_is_there_or_left_out(github: GitHub) -> None:
    github.put(REPO, 1)
    issues = tracker(github)
    await read(issues)
    found = await issues.fetch(["acme/app#1", "acme/app#9", "other/repo#1", "nonsense"])
    assert [i.id for i in found] == ["acme/app#1"]


@pytest.mark.parametrize(
    ("fields", "context", "hold"),
    [
        ({"author_association": "MEMBER"}, {}, False),
        ({"author_association": "NONE"}, {}, True),
        ({"author_association": "NONE", "labels": [{"name": "Agent"}]}, {"required_labels": ("agent",)}, False),
        ({"author_association": "COLLABORATOR"}, {"trusted_associations": ("OWNER",)}, True),
    ],
)
async def test_a_stranger_s_issue_waits_for_approval(
    github: GitHub, fields: dict[str, Any], context: dict[str, Any], hold: bool
) -> None:
    github.put(REPO, 1, **fields)
    issues = tracker(github)
    (one,), _ = await read(issues, **context)
    assert (one.hold is not None) is hold
    assert [i.hold for i in await issues.fetch([one.id])] == [one.hold]


async def test_a_listed_issue_says_what_its_webhook_says(github: GitHub) -> None:
    shown = github.put(REPO, 7, title="A\0b", body="Text", labels=[{"name": "api"}, {"name": "P1"}])
    payload = {"action": "opened", "issue": shown, "repository": {"full_name": REPO}, "sender": {"id": 1}}
    (fact,) = Reader(payload, WebhookSettings(), GitHubConfig()).read("issues").facts
    (one,), _ = await read(tracker(github))
    assert (f"{fact['repo']}#{fact['issueNumber']}", fact["title"], fact["description"], fact["url"]) == (
        *(one.identifier, one.title, one.description, one.url),
    )
    assert (tuple(fact["labels"]), fact["priority"]) == (one.labels, one.priority)


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"api_url": "http://ghe.example/api/v3", "token": "t0ken"}, "it must be https"),
        ({"api_url": "https://me:t0ken@ghe.example/api/v3"}, "it has a user name in it"),
    ],
)
def test_a_token_is_neither_shown_nor_sent_where_others_read_along(given: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        GitHubConfig.model_validate(given)
    GitHubConfig.model_validate({"api_url": "http://ghe.example/api/v3"})
    GitHubConfig.model_validate({"api_url": "http://127.0.0.1:9", "token": "t0ken"})
