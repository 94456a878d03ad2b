"""Finds the plugin that somebody names: an installed one, a file, or the folder of a project."""

import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

from rig.errors import BadRequest, NotFound
from rig.plugin.marker import PROJECT
from rig.testing.subject import Target


def found(text: str) -> Target:
    """The plugin called or lying at ``text``. A project's folder goes on the import path. Raises NotFound, BadRequest."""
    path = Path(text)
    if path.suffix == ".py" and path.is_file():
        return path
    if path.is_dir():
        return _project(path.resolve())
    named = {entry.name: entry.value for entry in entry_points(group=PROJECT)}
    if text not in named:
        raise NotFound(f"{text} is no plugin, no file and no folder; installed: {', '.join(sorted(named)) or 'none'}")
    return named[text]


def _project(folder: Path) -> str:
    file = folder / "pyproject.toml"
    try:
        entries = tomllib.loads(file.read_text("utf-8"))["project"]["entry-points"][PROJECT]
        modules = [module for module in entries.values() if isinstance(module, str)]
    except (OSError, ValueError):
        raise NotFound(f"{file} can't be read: name a project's folder, a .py file or an installed plugin") from None
    except (KeyError, TypeError, AttributeError):
        raise BadRequest(f'{file} has no [project.entry-points."{PROJECT}"]') from None
    if len(modules) != 1:
        raise BadRequest(f"{file} names {len(modules)} plugins; install it and name the one to test")
    sys.path[:0] = [str(folder / "src"), str(folder)]
    return modules[0]
