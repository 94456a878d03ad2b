"""What a step kind is: it does one kind of step of a DAG, from validated parameters to outputs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class StepContext:
    """One attempt of one step."""

    run: str
    """Id of the run."""
    step: str
    """Id of the step in its DAG."""
    attempt: int
    """From 1."""
    params: Any
    """An instance of the kind's own model, references already replaced; a mapping when it declares none."""
    deadline_seconds: float | None = None
    """How long the step may take, None: no limit."""


@dataclass(frozen=True)
class StepResult:
    """How a step ended."""

    ok: bool = True
    """Whether the step has done what it should."""
    outputs: Mapping[str, Any] = field(default_factory=dict)
    """JSON values that later steps refer to as ``${steps.<id>.outputs.<name>}``."""
    reason: str = ""
    """Why it failed, in a few words; empty when ok."""


class StepKind(Protocol):
    """Runs steps of one kind. Cancellation ends a step; raising fails the attempt with the exception's name."""

    @property
    def name(self) -> str:
        """What a step's ``kind`` says."""
        ...

    @property
    def params(self) -> type[Any] | None:
        """pydantic model of the step's ``params``, None when anything goes."""
        ...

    async def run(self, context: StepContext) -> StepResult:
        """Do the step once."""
        ...
