"""How issues, agents and repositories are named, and which stream each name leads to (R0-14, R0-15)."""

import re
from functools import lru_cache

from rig.errors import BadRequest

_SEGMENT = r"[A-Za-z0-9_.-]{1,100}"
REPO = re.compile(rf"^(?!\.{{1,2}}/){_SEGMENT}/(?!\.{{1,2}}\Z){_SEGMENT}\Z")
IDENTIFIER = re.compile(r"^[A-Z][A-Z0-9]{0,9}-\d{1,9}\Z")
ISSUE_STREAM = re.compile(rf"^(?!\.{{1,2}}/)({_SEGMENT}/(?!\.{{1,2}}#){_SEGMENT})#([1-9]\d{{0,15}})\Z")
JOB = re.compile(r"^ir-[0-9a-f]{8}\Z")

RESERVED = frozenset({"config", "keys", "webhooks", "trackers", "audit", "faults", "daemon", "erasures"})
"""Streams that are Rig's own; no agent may be called so."""

MAX_ISSUE_NUMBER = 2**53 - 1


@lru_cache(4096)
def is_repo(text: str) -> bool:
    """Whether a text looks like ``owner/name``."""
    return bool(REPO.match(text))


def issue_stream(repo: str, number: int) -> str:
    """``owner/repo#42``; raises BadRequest when either part is not valid."""
    if not is_repo(repo):
        raise BadRequest("repo must look like owner/name", field="repo")
    if not 1 <= number <= MAX_ISSUE_NUMBER:
        raise BadRequest(f"issueNumber must be between 1 and {MAX_ISSUE_NUMBER}", field="issueNumber")
    return f"{repo}#{number}"


def is_issue(stream: str) -> bool:
    """Whether a stream id is an issue's."""
    return bool(ISSUE_STREAM.match(stream) or IDENTIFIER.match(stream))


def split_issue(stream: str) -> tuple[str | None, int | None]:
    """(repo, number) of an issue stream; (None, None) for an identifier without a repository."""
    match = ISSUE_STREAM.match(stream)
    return (match[1], int(match[2])) if match else (None, None)


@lru_cache(4096)
def agent_stream(agent: str) -> str:
    """The agent's stream, which is its id; raises BadRequest for ids that would be another kind of stream."""
    if not agent or len(agent) > 200 or "\n" in agent or "\r" in agent or agent != agent.strip():
        raise BadRequest("agentId must be 1 to 200 characters on one line", field="agentId")
    if agent in RESERVED or JOB.match(agent) or is_issue(agent) or "@milestone:" in agent:
        raise BadRequest("agentId is a reserved name", field="agentId")
    return agent
