"""Shapes of request bodies but for events: pydantic models that tell all errors of a body at once and refuse unknown fields."""

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, RootModel, StringConstraints, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from rig.errors import BadRequest

AgentId = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
Scope = Annotated[str, StringConstraints(pattern=r"^orchestrator:(read|write|admin)$")]


class Body(BaseModel):
    """Base of every body: camelCase outside, strict, closed."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", strict=True, frozen=True)


class NewIssue(Body):
    """An issue to create and queue: ``identifier``, or ``repo`` and ``issueNumber``."""

    identifier: str | None = None
    repo: str | None = None
    issue_number: int | None = None
    title: str | None = None
    description: str | None = None
    url: str | None = None
    priority: str | int | None = None
    labels: list[str] | None = None
    depends_on: list[str | int] | None = None
    parent: str | int | None = None
    milestone: str | None = None

    @model_validator(mode="after")
    def _named(self) -> "NewIssue":
        if self.identifier is None and (self.repo is None or self.issue_number is None):
            raise ValueError("identifier, or repo and issueNumber, must be given")
        return self


class Claim(Body):
    """Who claims, and for how long; ``agentId`` may also come as a query parameter."""

    agent_id: AgentId | None = None
    lease_seconds: int = Field(default=120, ge=1, le=3600)
    provider: str | None = Field(default=None, max_length=100)
    pool: str = Field(default="", max_length=100)


class LeaseHeartbeat(Body):
    """A renewal; the key of an attempt implies agent and fence."""

    agent_id: AgentId | None = None
    fence: int | None = None
    lease_seconds: int | None = Field(default=None, ge=1, le=3600)
    after: int = Field(default=0, ge=0)
    """Id of the newest message that was dealt with: only newer ones are returned. 0: all of this lease."""


class LeaseEnd(Body):
    """How the work under a lease ended; the key of an attempt implies agent and fence."""

    agent_id: AgentId | None = None
    fence: int | None = None
    reason: str | None = Field(default=None, max_length=10_000)
    result: str | None = Field(default=None, max_length=262_144)
    branch: str | None = Field(default=None, max_length=300)
    commit: str | None = Field(default=None, pattern=r"^[0-9a-f]{7,64}$")
    turns: int | None = Field(default=None, ge=0)


Option = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class NewQuestion(Body):
    """A question to a person; the key of an attempt implies agent and fence. With ``options`` only those may be answered."""

    agent_id: AgentId | None = None
    fence: int | None = None
    question: str = Field(min_length=1, max_length=4000)
    options: list[Option] = Field(default=[], max_length=20)
    deadline_seconds: int | None = Field(default=None, ge=1, le=604_800)


class Answer(Body):
    """An answer: the text, or a decision, which is the text ``approve`` or ``deny``."""

    answer: str | None = Field(default=None, min_length=1, max_length=10_000)
    decision: Literal["approve", "deny"] | None = None


class Reason(Body):
    """Why something is done, for the record."""

    reason: str | None = Field(default=None, max_length=10_000)


class Steer(Body):
    """Something to say to an agent at work: text for it to read, stored as it is and never run or rendered."""

    message: str = Field(min_length=1, max_length=10_000)


class NewKey(Body):
    """An API key to create; never with more than its creator has."""

    name: str = Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")
    scopes: list[Scope] = Field(default=["orchestrator:write"], min_length=1, max_length=3)
    tenant: str | None = Field(default=None, pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")


class OverlayValues(RootModel[dict[str, Any]]):
    """The whole overlay: sections and keys as in rig.toml."""


class OverlayPatch(RootModel[dict[str, Any]]):
    """``{"path": "section.key", "value": …}``, or values to lay over the overlay, where null takes a value out."""


class Delivery(RootModel[dict[str, Any]]):
    """A webhook's payload, as its sender gives it."""


class PluginBody(RootModel[Any]):
    """What the operation of a plugin takes; ``rig x`` and the plugin's page say what that is."""


SHAPES: dict[str, type[BaseModel]] = {
    m.__name__: m
    for m in (
        NewIssue,
        Claim,
        LeaseHeartbeat,
        LeaseEnd,
        NewQuestion,
        Answer,
        Reason,
        Steer,
        NewKey,
        OverlayValues,
        OverlayPatch,
        Delivery,
        PluginBody,
    )
}
"""Bodies by the name that an operation gives; ``Event`` and ``EventBatch`` are in ``rig.wire.shapes.events``."""

M = TypeVar("M", bound=BaseModel)

_WORDS = {"extra_forbidden": "there is no such field", "missing": "this field is required"}
"""Words for people who write JSON, where pydantic's are for people who write Python."""


def parse(model: type[M], value: object) -> M:
    """``value`` as ``model``; raises BadRequest with every error of the body and without the values themselves."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        errors = [
            {
                "field": ".".join(str(p) for p in e["loc"]),
                "message": _WORDS.get(e["type"], e["msg"].removeprefix("Value error, ")),
            }
            for e in error.errors(include_url=False, include_context=False, include_input=False)
        ]
        first = errors[0]
        where = f"{first['field']}: " if first["field"] else ""
        raise BadRequest(f"{where}{first['message']}", errors=errors) from None
