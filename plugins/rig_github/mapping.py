"""What GitHub's events mean (conventions §4): a payload to facts, or to the reason why it means nothing. Pure, never raises.

Everything in a payload is untrusted: a field of an unexpected shape counts as missing. Only GitHub's own judgement of people
(``author_association``, and whose repository a branch lives in) decides whom to believe.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rig import Mapped, WebhookSettings
from rig.payload import clean, integer, labels, node, nodes, priority, text
from rig_github.config import GitHubConfig

REPOSITORY = re.compile(r"^[A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_.-]{1,100}$")

BRANCH = re.compile(r"^rig/([A-Za-z0-9._-]+?)[._-](\d{1,15})(?:--?[0-9a-f]{8,64})?$")
"""A branch of Rig's by its name: ``owner/repo#42`` made safe, and perhaps a hash."""

CLOSES = re.compile(r"\b(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?)\b:?\s+(?:([\w.-]+/[\w.-]+))?#(\d{1,15})\b", re.IGNORECASE)
"""GitHub's own keywords, as in "Fixes #42"."""

PASSED = ("success",)
FAILED = ("failure", "timed_out", "action_required", "startup_failure")

APPROVING = ("opened", "reopened", "labeled")
"""Actions on an issue that may put it into the queue."""


def ignored(reason: str) -> Mapped:
    """Nothing, for a reason."""
    return Mapped(ignored=reason)


def about(issue: Mapping[str, Any]) -> dict[str, Any]:
    """What an issue says of itself, in a delivery as in the API."""
    carried = labels(issue)
    return {
        "title": text(issue, "title", 1_000),
        "description": text(issue, "body", 262_144),
        "url": text(issue, "html_url", 1_000),
        "labels": carried,
        "priority": priority(carried),
    }


def closing(issue: Mapping[str, Any]) -> str:
    """Why an issue was closed."""
    return text(issue, "state_reason", 50) or "completed"  # what closing meant before there were reasons


def untrusted(thing: Mapping[str, Any], trusted: Sequence[str]) -> str | None:
    """The author's association where it is not a trusted one, else None."""
    association = text(thing, "author_association", 50).upper() or "NONE"
    return None if association in {a.upper() for a in trusted} else association


def distrust(issue: Mapping[str, Any], trusted: Sequence[str], required: Sequence[str], config: GitHubConfig) -> str | None:
    """Why someone must approve a listed issue first, None when it is trusted.

    Who set a label is not listed. Labelling needs triage rights, so that the required labels are a maintainer's word, unless issue
    templates set them in the author's name.
    """
    association = untrusted(issue, trusted)
    carried = {label.lower() for label in labels(issue)}
    if association is None or (required and config.trust_own_labels and carried >= {label.lower() for label in required}):
        return None
    return _stranger(issue, association)


def _stranger(issue: Mapping[str, Any], association: str) -> str:
    who = text(node(issue, "user"), "login", 100) or "someone unknown"
    return f"{who} ({association}) is not a trusted author; approve the issue to queue it"


class Reader:
    """Reads one payload."""

    def __init__(self, payload: Mapping[str, Any], settings: WebhookSettings, config: GitHubConfig) -> None:
        self._payload = payload
        self._settings = settings
        self._config = config
        self._action = text(payload, "action", 100)
        self._repo = text(node(payload, "repository"), "full_name", 201)

    def read(self, event: str) -> Mapped:
        """What the payload of ``event`` (the header X-GitHub-Event) means."""
        readers: dict[str, Callable[[], Mapped]] = {
            "issues": self._issues,
            "pull_request": self._pull_request,
            "pull_request_review": self._review,
            "check_run": self._check_run,
        }
        if event == "ping":
            return ignored("ping: the webhook is set up")
        if event not in readers:
            return ignored(f"{clean(event, 100)} is not an event that Rig follows")
        if not REPOSITORY.match(self._repo):
            return ignored("the payload names no repository")
        return readers[event]()

    def _fact(self, type_: str, number: int, **fields: Any) -> Mapped:
        kept = {name: value for name, value in fields.items() if value not in (None, "")}
        return Mapped(({"type": type_, "repo": self._repo, "issueNumber": number, **kept},))

    # Issues

    def _issues(self) -> Mapped:
        issue = node(self._payload, "issue")
        number = integer(issue, "number")
        if number is None:
            return ignored("the payload names no issue")
        if self._action == "closed":
            return self._closed(issue, number)
        if self._action not in APPROVING:
            return ignored(f"issues.{self._action} does not change what is to be done")
        if text(issue, "state", 20) == "closed":
            return ignored("the issue is closed")
        carried = labels(issue)
        missing = [label for label in self._settings.required_labels if label.lower() not in {c.lower() for c in carried}]
        if missing:
            return ignored(f"the issue lacks the label {', '.join(missing)}")
        stranger = self._distrust(issue)
        if stranger:
            return self._fact("ISSUE_NEEDS_HUMAN", number, reason=stranger, **about(issue))
        mapped = self._fact("ISSUE_APPROVED", number, **about(issue))
        return replace(mapped, version=text(issue, "updated_at", 50)) if self._action in ("opened", "reopened") else mapped

    def _closed(self, issue: Mapping[str, Any], number: int) -> Mapped:
        why = closing(issue)
        if why == "completed":
            return self._fact("ISSUE_DONE", number, reason="closed on GitHub as completed")
        return self._fact("ISSUE_CANCELLED", number, reason=f"closed on GitHub as {why}")

    def _distrust(self, issue: Mapping[str, Any]) -> str | None:
        """Why someone must approve the issue first, None when it is trusted."""
        association = self._trusted(issue)
        if association is None:
            return None
        author, sender = integer(node(issue, "user"), "id"), integer(node(self._payload, "sender"), "id")
        own = author is not None and author == sender
        if self._action == "labeled" and (self._config.trust_own_labels or not own):
            return None
        return _stranger(issue, association)

    def _trusted(self, thing: Mapping[str, Any]) -> str | None:
        """The author's association where it is not a trusted one, else None."""
        return untrusted(thing, self._settings.trusted_associations)

    # Pull requests

    def _pull_request(self) -> Mapped:
        pull = node(self._payload, "pull_request")
        if self._action == "closed" and pull.get("merged") is not True:
            return ignored("the pull request was closed without being merged")
        if self._action not in ("opened", "closed"):
            return ignored(f"pull_request.{self._action} does not change where an issue stands")
        number = self._issue_of(pull)
        if isinstance(number, str):
            return ignored(number)
        about = {"prNumber": integer(pull, "number"), "prUrl": text(pull, "html_url", 1_000), "branch": _branch(pull)}
        if self._action == "opened":
            return self._fact("PR_CREATED", number, **about)
        return self._fact("MERGED", number, mergeSha=text(pull, "merge_commit_sha", 64), **about)

    def _review(self) -> Mapped:
        review, pull = node(self._payload, "review"), node(self._payload, "pull_request")
        state = text(review, "state", 50).lower()
        type_ = {"approved": "REVIEW_PASSED", "changes_requested": "CHANGES_REQUESTED"}.get(state)
        if self._action != "submitted" or type_ is None:
            return ignored(f"a review that was {self._action} as {state or 'nothing'} decides nothing")
        stranger = self._trusted(review)
        if stranger:
            return ignored(f"a review by someone untrusted ({stranger}) decides nothing")
        number = self._issue_of(pull)
        if isinstance(number, str):
            return ignored(number)
        reason = text(review, "body", 10_000) if type_ == "CHANGES_REQUESTED" else None
        return self._fact(type_, number, prNumber=integer(pull, "number"), branch=_branch(pull), reason=reason)

    def _check_run(self) -> Mapped:
        run = node(self._payload, "check_run")
        name = text(run, "name", 200) or "a check"
        conclusion = text(run, "conclusion", 50)
        if self._action != "completed":
            return ignored(f"check_run.{self._action} has no conclusion yet")
        if conclusion not in PASSED and conclusion not in FAILED:
            return ignored(f"{name} ended as {conclusion or 'nothing'}, which neither passes nor fails")
        pulls = nodes(run, "pull_requests")
        branch = text(node(run, "check_suite"), "head_branch", 1_000)
        candidates = pulls or [{"head": {"ref": branch, "repo": node(self._payload, "repository")}}]
        for pull in candidates:
            number = self._issue_of(pull)
            if isinstance(number, int):
                about = {"prNumber": integer(pull, "number"), "branch": _branch(pull), "runUrl": text(run, "html_url", 1_000)}
                if conclusion in PASSED:
                    return self._fact("CI_PASSED", number, **about)
                return self._fact("CI_FAILED", number, failedChecks=[name], reason=f"{name}: {conclusion}", **about)
        return ignored(f"no issue belongs to the branch {branch or 'of the check'}")

    def _issue_of(self, pull: Mapping[str, Any]) -> int | str:
        """The number of the issue that a pull request is for, or why there is none.

        Its branch counts when it lives in this repository, which takes the right to push. Its words ("Fixes #42") count when its
        author is trusted or the branch lives here.
        """
        branch, home = _branch(pull), self._at_home(pull)
        if home:
            number = self._settings.issue_of(self._repo, branch or None, integer(pull, "number"))
            if number is not None:
                return number
            found = BRANCH.match(branch)
            if found and re.sub(r"[^A-Za-z0-9]", "", found[1]).lower() == re.sub(r"[^A-Za-z0-9]", "", self._repo).lower():
                return int(found[2])
        named = self._closing(pull)
        if named is None:
            return f"no issue belongs to the branch {branch or 'of the pull request'}"
        if not home and self._trusted(pull):
            return f"the pull request comes from a fork, and its author is not trusted to name #{named}"
        return named

    def _closing(self, pull: Mapping[str, Any]) -> int | None:
        for repo, number in CLOSES.findall(f"{text(pull, 'title', 1_000)}\n{text(pull, 'body', 262_144)}"):
            if int(number) and (not repo or repo.lower() == self._repo.lower()):
                return int(number)
        return None

    def _at_home(self, pull: Mapping[str, Any]) -> bool:
        """Whether the branch lives in the repository itself and not in a fork."""
        head, here = node(node(pull, "head"), "repo"), node(self._payload, "repository")
        return integer(head, "id") is not None and integer(head, "id") == integer(here, "id")


def _branch(pull: Mapping[str, Any]) -> str:
    return text(node(pull, "head"), "ref", 1_000)
