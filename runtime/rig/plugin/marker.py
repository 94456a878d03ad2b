"""``rig.hookimpl``: pluggy's marker, typed so that a checker sees an implementation whose context or answer is wrong.

The name of a hook is not seen by type checkers; a misspelt one is the loader's to refuse.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar, Union, cast, overload

import pluggy

from rig.plugin import contexts, moments
from rig.plugin.notifier import Notifier
from rig.plugin.operations import PluginOperation
from rig.plugin.pricing import PriceSource
from rig.plugin.provider import ProviderRegistration
from rig.plugin.steps import StepKind
from rig.plugin.tracker import Tracker

if TYPE_CHECKING:
    import click

PROJECT = "rig"
"""pluggy's project name, and the entry-point group."""

C_contra = TypeVar("C_contra", contravariant=True)
A_co = TypeVar("A_co", covariant=True)


class Implementation(Protocol[C_contra, A_co]):
    """A function that a hook may call; its one parameter is called ``context``, as pluggy hands arguments over by name."""

    def __call__(self, context: C_contra) -> A_co: ...


class Moment(Protocol[C_contra, A_co]):
    """The same where the function may be a coroutine."""

    def __call__(self, context: C_contra) -> A_co | Awaitable[A_co]: ...


AnyHook = Union[  # noqa: UP007 - its members are read by a test
    Implementation[contexts.ProvidersContext, Sequence[ProviderRegistration]],
    Implementation[contexts.WebhookSourcesContext, Sequence[contexts.WebhookSource]],
    Implementation[contexts.HealthCheckersContext, Sequence[contexts.HealthChecker]],
    Implementation[contexts.NotifiersContext, Sequence[Notifier]],
    Implementation[contexts.TrackersContext, Sequence[Tracker]],
    Implementation[contexts.StepKindsContext, Sequence[StepKind]],
    Implementation[contexts.PriceSourcesContext, Sequence[PriceSource]],
    Implementation[contexts.OperationsContext, Sequence[PluginOperation]],
    Implementation[contexts.CommandsContext, "Sequence[click.Command]"],
    Moment[moments.DispatchContext, moments.Veto | None],
    Moment[moments.RunContext, moments.RunChanges | moments.Veto | None],
    Moment[moments.RunEndedContext, None],
    Moment[moments.CompletionContext, moments.Veto | None],
    Moment[moments.TransitionContext, None],
    Moment[moments.AttentionContext, moments.Reply | None],
    Callable[[], object],
]
"""Every signature that an implementation may have."""

HookFunction = TypeVar("HookFunction", bound=AnyHook)


class Marker(Protocol):
    """What marks a function as the implementation of a hook."""

    @overload
    def __call__(self, function: HookFunction) -> HookFunction: ...
    @overload
    def __call__(
        self, *, specname: str | None = None, optionalhook: bool = False
    ) -> Callable[[HookFunction], HookFunction]: ...


hookimpl = cast(Marker, pluggy.HookimplMarker(PROJECT))
"""``@hookimpl``; or ``@hookimpl(specname="rig_…")`` on a function of another name, ``optionalhook=True`` for a hook that this
version of Rig may not have."""
