"""The simplest kinds of DAG steps: nothing, and an echo."""

from collections.abc import Sequence

from rig import StepKind, StepKindsContext, hookimpl

RIG_REQUIRES = ">=0.1,<0.2"


@hookimpl
def rig_register_step_kinds(context: StepKindsContext) -> Sequence[StepKind]:
    from rig_steps.kinds import Echo, Noop

    return [Noop(), Echo()]
