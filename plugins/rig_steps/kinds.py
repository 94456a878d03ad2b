"""Step kinds that need nothing: to join branches, and to try a DAG out."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from rig import StepContext, StepResult


class NoParams(BaseModel):
    """A step that takes no parameters."""

    model_config = ConfigDict(extra="forbid")


class EchoParams(BaseModel):
    """Whatever is given comes out."""

    model_config = ConfigDict(extra="allow")


class Noop:
    """Does nothing; joins branches."""

    name = "noop"
    params: type[Any] | None = NoParams

    async def run(self, context: StepContext) -> StepResult:
        return StepResult()


class Echo:
    """Its outputs are its parameters."""

    name = "echo"
    params: type[Any] | None = EchoParams

    async def run(self, context: StepContext) -> StepResult:
        return StepResult(outputs=context.params.model_dump())
