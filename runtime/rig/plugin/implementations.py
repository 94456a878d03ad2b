"""What is wrong with the functions that a plugin's module means for hooks, in words that its author can act on. Pure."""

import inspect
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

from rig.plugin.hookspecs import HOOKS
from rig.plugin.marker import PROJECT

ARGUMENT = "context"


def misuse(module: ModuleType) -> str | None:
    """The first function that no hook would call, or not rightly, with its place; None when all is well."""
    for name, function in vars(module).items():
        if inspect.isfunction(function) and (wrong := _wrong(module, name, function)):
            return f"{wrong} ({Path(function.__code__.co_filename).name}:{function.__code__.co_firstlineno})"
    return None


def _wrong(module: ModuleType, name: str, function: Callable[..., Any]) -> str | None:
    marked = getattr(function, f"{PROJECT}_impl", None)
    if not isinstance(marked, dict):
        own = function.__module__ == module.__name__
        return f"{name} is not marked with @rig.hookimpl" if name in HOOKS and own else None
    hook = marked.get("specname") or name
    if hook not in HOOKS:
        if marked.get("optionalhook"):
            return None
        close = get_close_matches(hook, HOOKS, 1)
        return f"there is no hook {hook}" + (f"; is {close[0]} meant?" if close else "")
    needed = [
        p.name for p in inspect.signature(function).parameters.values() if p.default is p.empty and p.kind < p.VAR_POSITIONAL
    ]
    if set(needed) - {ARGUMENT}:
        return f"{name} takes {', '.join(needed)}; its one argument must be called {ARGUMENT}"
    return None
