"""One-file plugins: every ``*.py`` of a folder is a plugin that is called as its file."""

import importlib.util
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

from rig.errors import ConfigError
from rig.plugin.marker import PROJECT


class FileEntry(EntryPoint):
    """An entry point that is a file; loaded like an installed one, and as fallible."""

    @property
    def package(self) -> str:
        """Name of its module, which no other has."""
        return f"rig_file_plugin_{self.name}"

    @property
    def file(self) -> str:
        """The file's own name, without its folder."""
        return Path(self.value).name

    def load(self) -> ModuleType:
        name = self.package
        spec = importlib.util.spec_from_file_location(name, self.value)
        if spec is None or spec.loader is None:
            raise ImportError(f"{self.value} cannot be imported")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
        return module


def file_entries(folder: Path) -> list[EntryPoint]:
    """The plugins of a folder, by name; files that begin with ``_`` are helpers. Raises ConfigError when it is no folder."""
    if not folder.is_dir():
        raise ConfigError(f"the plugins folder {folder} does not exist")
    files = sorted(p for p in folder.glob("*.py") if not p.name.startswith("_"))
    return [FileEntry(name=p.stem, value=str(p.resolve()), group=PROJECT) for p in files]
