"""Where plugins come from, and what is said when two of them want one name."""

from collections.abc import Sequence
from importlib.metadata import EntryPoint

from rig.plugin.files import FileEntry


def origin(entry: EntryPoint) -> str:
    """A plugin's module with the distribution that brought it, or its file."""
    if isinstance(entry, FileEntry):
        return f"the file {entry.file}"
    return entry.value if entry.dist is None else f"{entry.value} of {entry.dist.name} {entry.dist.version}"


def namesakes(entries: Sequence[EntryPoint]) -> str:
    """What is wrong with plugins of one name."""
    *first, last = map(origin, entries)
    return (
        f"{len(entries)} plugins are called {entries[0].name}: {', '.join(first)} and {last}. None of them is loaded: "
        "uninstall one, or rename its entry point or its file"
    )


def taken(what: str, owner: EntryPoint) -> str:
    """What is wrong with a thing that another plugin has registered by the same name."""
    return (
        f"{what!r} is registered already by the plugin {owner.name} ({origin(owner)}): "
        "rename it, or leave one of the two plugins out with plugins.disabled"
    )
