"""Writes the project of a new plugin: the templates that all share, then those of its kind."""

import tomllib
from collections.abc import Collection
from importlib.metadata import entry_points
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

from rig import __version__
from rig.cli.scaffold.names import Names
from rig.errors import BadRequest, Conflict

TEMPLATES = files("rig.cli.scaffold") / "templates"
COMMON = "common"
ENDING = ".tmpl"


def kinds() -> list[str]:
    """The kinds of plugins that there are templates for, by name."""
    return sorted(entry.name for entry in TEMPLATES.iterdir() if entry.is_dir() and entry.name != COMMON)


def requires(version: str = __version__) -> str:
    """The range of Rig's versions that a plugin written today works with."""
    major, minor = version.split(".")[:2]
    return f">={major}.{minor},<{major}.{int(minor) + 1}"


def write(names: Names, kind: str, folder: Path) -> list[Path]:
    """Write the project; gives the files, by name. Raises BadRequest for an unknown kind, Conflict for a folder or name in use."""
    if kind not in kinds():
        raise BadRequest(f"there is no kind {kind!r}; there are: {', '.join(kinds())}")
    if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        raise Conflict(f"{folder} is there already and is not an empty folder")
    if any(entry.name == names.name for entry in entry_points(group="rig")):
        raise Conflict(f"a plugin called {names.name} is installed already; take another name")
    if kind == "command" and names.name in _commands():
        raise Conflict(f"rig {names.name} is a command of Rig's own; take another name")
    said = tomllib.loads((TEMPLATES / kind / "kind.toml").read_text("utf-8"))
    fill = {"name": names.name, "distribution": names.distribution, "package": names.package}
    fill |= {"kind": kind, "requires": requires()}
    fill["summary"] = Template(said["summary"]).substitute(fill)
    fill["usage"] = Template(said["usage"]).substitute(fill).strip()
    written = []
    for top in (TEMPLATES / COMMON, TEMPLATES / kind):
        for place, template in _under(top, ()):
            path = folder.joinpath(*(names.package if part == "package" else part for part in place))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(Template(template.read_text("utf-8")).substitute(fill), "utf-8")
            written.append(path)
    for path in (folder, *folder.rglob("*")):  # others are to read it, whatever else of Rig's is not for them
        path.chmod(0o755 if path.is_dir() else 0o644)
    return sorted(written)


def _commands() -> Collection[str]:
    from rig.cli.root import COMMANDS  # late: it is what brings this module in

    return COMMANDS


def _under(top: Traversable, place: tuple[str, ...]) -> list[tuple[tuple[str, ...], Traversable]]:
    """(parts of the place, template) of every template below a folder; ``gitignore`` gets its dot."""
    found: list[tuple[tuple[str, ...], Traversable]] = []
    for entry in top.iterdir():
        if entry.is_dir():
            found += _under(entry, (*place, entry.name))
        elif entry.name.endswith(ENDING):
            name = entry.name.removesuffix(ENDING)
            found.append(((*place, ".gitignore" if name == "gitignore" else name), entry))
    return found
