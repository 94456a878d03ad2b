"""What a plugin may register: for each registration hook, what is wrong with a thing that it gave."""

import re
from collections.abc import Callable, Collection
from typing import Any

from rig.model.notices import KINDS
from rig.plugin.operations import PluginOperation
from rig.plugin.provider import ProviderRegistration

_NAME = re.compile(r"^[a-z][a-z0-9_-]{0,63}$")


def _lacks(thing: object, what: str, *, texts: tuple[str, ...] = (), calls: tuple[str, ...] = ()) -> str | None:
    if all(isinstance(getattr(thing, n, None), str) for n in texts) and all(callable(getattr(thing, n, None)) for n in calls):
        return None
    return f"{what} with {', '.join((*texts, *calls))} is wanted, not {type(thing).__name__}"


def _misnamed(thing: Any, what: str) -> str | None:
    return None if _NAME.match(thing.name) else f"{what} may not be called {thing.name!r}"


def provider(thing: object) -> str | None:
    """``rig_register_providers``."""
    if not isinstance(thing, ProviderRegistration) or not callable(getattr(thing.provider, "run", None)):
        return f"a ProviderRegistration with a provider is wanted, not {type(thing).__name__}"
    return None


def webhook_source(thing: object) -> str | None:
    """``rig_register_webhook_sources``."""
    return _lacks(thing, "a WebhookSource", texts=("type",), calls=("verify", "identify", "normalize"))


def health_checker(thing: object) -> str | None:
    """``rig_register_health_checkers``."""
    if not isinstance(getattr(thing, "name", None), str) or not callable(getattr(thing, "check", None)):
        return f"a HealthChecker with name, critical and check is wanted, not {type(thing).__name__}"
    if not isinstance(getattr(thing, "critical", None), bool):
        return f"the health checker {thing.name} does not say whether it is critical"  # type: ignore[attr-defined]
    return None


def notifier(thing: object) -> str | None:
    """``rig_register_notifiers``."""
    if wrong := _lacks(thing, "a Notifier", texts=("name",), calls=("send",)) or _misnamed(thing, "a notifier"):
        return wrong
    kinds = getattr(thing, "kinds", None)
    if isinstance(kinds, str) or not isinstance(kinds, Collection) or not set(kinds) <= set(KINDS):
        return f"the kinds of the notifier {thing.name} are not of: {', '.join(KINDS)}"  # type: ignore[attr-defined]
    return None


def tracker(thing: object) -> str | None:
    """``rig_register_trackers``."""
    return _lacks(thing, "a Tracker", texts=("name",), calls=("poll", "fetch")) or _misnamed(thing, "a tracker")


def step_kind(thing: object) -> str | None:
    """``rig_register_step_kinds``."""
    return _lacks(thing, "a StepKind", texts=("name",), calls=("run",)) or _misnamed(thing, "a step kind")


def price_source(thing: object) -> str | None:
    """``rig_register_price_sources``."""
    return _lacks(thing, "a PriceSource", texts=("name",), calls=("price",))


def operation(thing: object) -> str | None:
    """``rig_register_operations``."""
    if not isinstance(thing, PluginOperation):
        return f"a PluginOperation is wanted, not {type(thing).__name__}"
    if not _NAME.match(thing.name):
        return f"an operation may not be called {thing.name!r}: a lower-case letter, then letters, digits, - and _"
    if not isinstance(thing.summary, str):
        return f"the operation {thing.name} needs a summary, one line of text"
    if thing.method not in ("GET", "POST") or thing.scope not in ("read", "write", "admin"):
        return f"the operation {thing.name} needs a method of GET, POST and a scope of read, write, admin"
    if thing.method == "GET" and thing.request is not None:
        return f"the operation {thing.name} is a GET and takes no body"
    if thing.method == "POST" and thing.scope == "read":
        return f"the operation {thing.name} is a POST and needs at least the scope write"
    return None


def command(thing: object) -> str | None:
    """``rig_register_commands``."""
    return _lacks(thing, "a click.Command", texts=("name",), calls=("main", "invoke"))


Wrong = Callable[[Any], str | None]
