"""What GitLab's events mean: a payload to the facts that GitHub's would be (conventions §4), or to why it means nothing. Pure.

Everything in a payload is untrusted: a field of an unexpected shape counts as missing.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rig import Mapped, WebhookSettings
from rig.payload import clean, integer, node, nodes, priority, text
from rig_gitlab.config import GitLabConfig

REPOSITORY = re.compile(r"^[A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_.-]{1,100}$")

BRANCH = re.compile(r"^rig/([A-Za-z0-9._-]+?)[._-](\d{1,15})(?:--?[0-9a-f]{8,64})?$")
"""A branch of Rig's by its name: ``owner/repo#42`` made safe, and perhaps a hash."""

CLOSES = re.compile(
    r"\b(?:clos(?:e[sd]?|ing)|fix(?:e[sd]|ing)?|resolv(?:e[sd]?|ing)|implement(?:s|ed|ing)?)\b:?\s+(?:([\w.-]+/[\w.-]+))?#(\d{1,15})\b",
    re.IGNORECASE,
)
"""GitLab's own closing pattern, as in "Closes #42"."""

WORK_ITEMS = ("Issue", "Incident", "Task")
"""Kinds of work items that are issues of a project."""

PUBLIC = 20
"""``visibility_level`` of a project that strangers may write to."""


def ignored(reason: str) -> Mapped:
    """Nothing, for a reason."""
    return Mapped(ignored=reason)


class Reader:
    """Reads one payload."""

    def __init__(self, payload: Mapping[str, Any], settings: WebhookSettings, config: GitLabConfig) -> None:
        self._payload = payload
        self._settings = settings
        self._config = config
        self._about = node(payload, "object_attributes")
        self._action = text(self._about, "action", 100)
        self._project = node(payload, "project")
        self._repo = text(self._project, "path_with_namespace", 300)

    def read(self) -> Mapped:
        """What the payload means."""
        kind = text(self._payload, "object_kind", 100)
        readers: dict[str, Callable[[], Mapped]] = {
            "issue": self._issue,
            "work_item": self._work_item,
            "merge_request": self._merge_request,
            "pipeline": self._pipeline,
            "note": lambda: ignored("a comment decides nothing; reviews come with the merge request"),
        }
        if kind not in readers:
            return ignored(f"{clean(kind, 100) or 'this'} is not an event that Rig follows")
        if not REPOSITORY.match(self._repo):
            named = f"{self._repo[:100]} is in a subgroup" if self._repo.count("/") > 1 else "the payload names no project"
            return ignored(f"{named}; Rig names repositories owner/name")
        return readers[kind]()

    def _fact(self, type_: str, number: int, **fields: Any) -> Mapped:
        kept = {name: value for name, value in fields.items() if value not in (None, "")}
        return Mapped(({"type": type_, "repo": self._repo, "issueNumber": number, **kept},))

    # Issues

    def _work_item(self) -> Mapped:
        kind = text(self._about, "type", 100)
        return self._issue() if kind in WORK_ITEMS else ignored(f"a work item of type {kind or 'unknown'} is no issue")

    def _issue(self) -> Mapped:
        number = integer(self._about, "iid")
        if number is None:
            return ignored("the payload names no issue")
        if self._action == "close":
            return self._closed(number)
        labelled = self._action == "update" and bool(node(node(self._payload, "changes"), "labels"))
        if self._action not in ("open", "reopen") and not labelled:
            return ignored(f"issue.{self._action} does not change what is to be done")
        if text(self._about, "state", 20) == "closed":
            return ignored("the issue is closed")
        carried = [name for label in nodes(self._payload, "labels")[:100] if (name := text(label, "title", 200))]
        missing = [label for label in self._settings.required_labels if label.lower() not in {c.lower() for c in carried}]
        if missing:
            return ignored(f"the issue lacks the label {', '.join(missing)}")
        about = {
            "title": text(self._about, "title", 1_000),
            "description": text(self._about, "description", 262_144),
            "url": text(self._about, "url", 1_000),
            "labels": carried,
            "priority": priority(carried),
        }
        if labelled or (self._settings.required_labels and self._config.trust_labels) or self._trusted():
            return self._fact("ISSUE_APPROVED", number, **about)
        who = text(node(self._payload, "user"), "username", 100) or "someone unknown"
        return self._fact(
            "ISSUE_NEEDS_HUMAN", number, reason=f"{who} is not a trusted author; approve the issue to queue it", **about
        )

    def _closed(self, number: int) -> Mapped:
        for field, why in (("duplicated_to_id", "a duplicate"), ("moved_to_id", "moved")):
            if integer(self._about, field) is not None:
                return self._fact("ISSUE_CANCELLED", number, reason=f"closed on GitLab as {why}")
        return self._fact("ISSUE_DONE", number, reason="closed on GitLab")

    def _trusted(self) -> bool:
        """Whether the one who acted is trusted."""
        level = self._project.get("visibility_level")
        closed = isinstance(level, int) and not isinstance(level, bool) and 0 <= level < PUBLIC
        user = text(node(self._payload, "user"), "username", 300).lower()
        return (self._config.trust_private_projects and closed) or user in {u.lower() for u in self._config.trusted_users}

    # Merge requests

    def _merge_request(self) -> Mapped:
        types = {"open": "PR_CREATED", "merge": "MERGED", "approved": "REVIEW_PASSED"}
        type_ = types.get(self._action)
        if self._action == "update" and (who := self._objecting()):
            type_ = "CHANGES_REQUESTED"
        if type_ is None:
            return ignored(f"merge_request.{self._action or 'nothing'} does not change where an issue stands")
        number = self._issue_of(self._about)
        if isinstance(number, str):
            return ignored(number)
        about = {"prNumber": integer(self._about, "iid"), "branch": text(self._about, "source_branch", 1_000)}
        if type_ == "CHANGES_REQUESTED":
            return self._fact(type_, number, reason=f"{who} requested changes", **about)
        if type_ == "REVIEW_PASSED":
            return self._fact(type_, number, **about)
        about["prUrl"] = text(self._about, "url", 1_000)
        if type_ == "MERGED":
            about["mergeSha"] = text(self._about, "merge_commit_sha", 64) or text(self._about, "squash_commit_sha", 64)
        return self._fact(type_, number, **about)

    def _objecting(self) -> str | None:
        """The reviewer who asks for changes since this delivery, None when nobody does."""
        change = node(self._payload, "changes").get("reviewers")
        if isinstance(change, dict):
            change = [change.get("previous"), change.get("current")]
        if not isinstance(change, list) or len(change) != 2:
            return None
        before, after = (_objectors(side) for side in change)
        return next((who for who in after if who not in before), None)

    def _issue_of(self, merge: Mapping[str, Any]) -> int | str:
        """The number of the issue that a merge request is for, or why there is none.

        Its branch counts when it lives in this project, which takes the right to push. Its words ("Closes #42") count when the
        one who acted is trusted or the branch lives here.
        """
        branch = text(merge, "source_branch", 1_000)
        source, target = integer(merge, "source_project_id"), integer(merge, "target_project_id")
        home = source is not None and source == target
        if home:
            number = self._by_branch(branch, integer(merge, "iid"))
            if number is not None:
                return number
        named = self._closing(merge)
        if named is None:
            return f"no issue belongs to the branch {branch or 'of the merge request'}"
        if not home and not self._trusted():
            return f"the merge request comes from a fork, and its author is not trusted to name #{named}"
        return named

    def _by_branch(self, branch: str, merge: int | None) -> int | None:
        number = self._settings.issue_of(self._repo, branch or None, merge)
        found = BRANCH.match(branch)
        if number is None and found and _bare(found[1]) == _bare(self._repo):
            return int(found[2])
        return number

    def _closing(self, merge: Mapping[str, Any]) -> int | None:
        for repo, number in CLOSES.findall(f"{text(merge, 'title', 1_000)}\n{text(merge, 'description', 262_144)}"):
            if int(number) and (not repo or repo.lower() == self._repo.lower()):
                return int(number)
        return None

    # Pipelines

    def _pipeline(self) -> Mapped:
        status = text(self._about, "status", 50)
        if status not in ("success", "failed"):
            return ignored(f"a pipeline that is {status or 'nothing'} neither passes nor fails")
        if self._about.get("tag") is True:
            return ignored("the pipeline of a tag belongs to no issue")
        merge = node(self._payload, "merge_request")
        branch = text(merge, "source_branch", 1_000) or text(self._about, "ref", 1_000)
        if merge:
            number = self._issue_of(merge)
        else:
            number = self._by_branch(branch, None) or f"no issue belongs to the branch {branch or 'of the pipeline'}"
        if isinstance(number, str):
            return ignored(number)
        about = {"prNumber": integer(merge, "iid"), "branch": branch, "runUrl": text(self._about, "url", 1_000)}
        if status == "success":
            return self._fact("CI_PASSED", number, **about)
        failed = [
            text(build, "name", 200) or "a job"
            for build in nodes(self._payload, "builds")[:1_000]
            if text(build, "status", 50) == "failed" and build.get("allow_failure") is not True
        ][:100]
        return self._fact(
            "CI_FAILED", number, failedChecks=failed, reason=f"failed: {', '.join(failed) or 'the pipeline'}", **about
        )


def _objectors(side: Any) -> Sequence[str]:
    people = [p for p in side if isinstance(p, dict)] if isinstance(side, list) else []
    return [text(p, "username", 100) or "a reviewer" for p in people if text(p, "state", 50) == "requested_changes"]


def _bare(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]", "", name).lower()
