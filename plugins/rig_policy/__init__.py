"""House rules without writing a plugin: what is held back, what runs get, what counts as done, what needs no human."""

from rig import (
    AttentionContext,
    CompletionContext,
    DispatchContext,
    Reply,
    RunChanges,
    RunContext,
    RunEndedContext,
    TransitionContext,
    Veto,
    hookimpl,
)

RIG_REQUIRES = ">=0.1,<0.2"
RIG_CONFIG = "rig_policy.rules:PolicyConfig"


@hookimpl
async def rig_before_dispatch(context: DispatchContext) -> Veto | None:
    from rig_policy.rules import Rules

    return Rules.of(context).held_back(context)


@hookimpl
async def rig_after_dispatch(context: DispatchContext) -> None:
    from rig_policy.rules import Rules

    Rules.of(context).say("dispatched", context.issue, context.agent)


@hookimpl
async def rig_before_run(context: RunContext) -> RunChanges | None:
    from rig_policy.rules import Rules

    return Rules.of(context).changes()


@hookimpl
async def rig_after_run(context: RunEndedContext) -> None:
    from rig_policy.rules import Rules

    Rules.of(context).say("run ended", context.issue, f"{context.outcome} {context.reason}".strip())


@hookimpl
async def rig_before_transition(context: CompletionContext) -> Veto | None:
    from rig_policy.rules import Rules

    return Rules.of(context).not_done(context)


@hookimpl
async def rig_after_transition(context: TransitionContext) -> None:
    from rig_policy.rules import Rules

    Rules.of(context).say("moved", context.issue, f"{context.before or 'new'} to {context.after}")


@hookimpl
def rig_before_attention(context: AttentionContext) -> Reply | None:
    from rig_policy.rules import Rules

    return Rules.of(context).reply(context)


@hookimpl
async def rig_after_attention(context: AttentionContext) -> None:
    from rig_policy.rules import Rules

    Rules.of(context).say("needs a human", context.subject, context.kind)
