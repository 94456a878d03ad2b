"""An operation of the API as frozen data, and the parameters that several share."""

import re
from dataclasses import dataclass
from typing import Literal

READ = "orchestrator:read"
WRITE = "orchestrator:write"
ADMIN = "orchestrator:admin"
SIGNATURE = "signature"
"""Not a scope of a key: the request is authorised by its own signature."""

KIB = 1024
MIB = 1024 * KIB
JSON_LIMIT = 2 * MIB

Kind = Literal["string", "integer", "boolean"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query parameter."""

    name: str
    summary: str
    kind: Kind = "string"
    required: bool = False
    enum: tuple[str, ...] = ()
    minimum: int | None = None
    maximum: int | None = None
    default: int | str | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that the API can do."""

    name: str
    """OpenAPI id, and what an event's envelope says as ``operation``."""
    method: str
    paths: tuple[str, ...]
    """The first is the documented one, the others are aliases."""
    summary: str
    tag: str
    scope: str | None
    """Weakest scope that may; None is public; ``signature`` is a signed delivery."""
    request: str | None = None
    """Name of the request's shape in ``rig.wire.shapes``; None when it takes no body."""
    response: str | None = None
    """Name of the answer's shape in ``rig.wire.shapes``."""
    status: int = 200
    also: tuple[int, ...] = ()
    """Other successful statuses."""
    query: tuple[Parameter, ...] = ()
    open_query: bool = False
    """Whether query parameters that are not named here go along."""
    raw: str | None = None
    """Content type of an answer that is not JSON."""
    body_limit: int = JSON_LIMIT
    optional_body: bool = False
    secret: bool = False
    """Whether the answer holds a secret, so that what is kept for an idempotent repeat is sealed."""
    attempt: bool = False
    """Whether the key of a running attempt may call it, for its own work."""
    submit: bool = False
    """Whether a key of SUBMIT_API_KEYS may call it."""
    installation: bool = False
    """Whether it is the installation's, so that only tenant ``default`` may."""
    mcp: bool = False
    """Whether agents may have it as a tool."""

    @property
    def mutating(self) -> bool:
        return self.method not in ("GET", "HEAD")

    @property
    def path_parameters(self) -> tuple[str, ...]:
        return tuple(_PLACEHOLDER.findall(self.paths[0]))


_PLACEHOLDER = re.compile(r"\{(\w+)\}")

LIMIT = Parameter("limit", "most rows; clamped to 1-500", "integer", default=100)
OFFSET = Parameter("offset", "rows to skip", "integer", minimum=0, default=0)
WAIT = Parameter("wait", "seconds to wait for work, at most 60", "integer", minimum=0, maximum=60, default=0)
REPO = Parameter("repo", "owner/name", required=True)
NUMBER = Parameter("issueNumber", "number of the issue in the repository", "integer", required=True, minimum=1)
AGENT = Parameter("agentId", "agent that asks")
