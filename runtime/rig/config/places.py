"""Where things are on disk when nothing else is said, and whether a data directory is usable."""

import os
from pathlib import Path

import platformdirs

from rig.errors import ConfigError

FILE = "rig.toml"
"""Name of the configuration file; the one in the working directory is used when none is named."""


def default_data_dir() -> Path:
    """The user's data folder for Rig, by the customs of the operating system."""
    return Path(platformdirs.user_data_dir("rig", appauthor=False))


def usable_data_dir(path: Path) -> Path:
    """``path``, made if it is missing (mode 0700); ConfigError in one line when it can't be written (F7)."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.is_dir():
            raise NotADirectoryError
        if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
            raise PermissionError
    except (FileExistsError, NotADirectoryError):
        raise ConfigError(f"data directory {path}: is not a directory; name another with --data-dir") from None
    except PermissionError:
        raise ConfigError(f"data directory {path}: cannot be written by this user; name another with --data-dir") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"data directory {path}: cannot be used: {reason.lower()}; name another with --data-dir") from None
    return path
