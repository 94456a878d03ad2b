"""The operator's token: whoever can read it in the data directory is the operator of this daemon (conventions §7)."""

from pathlib import Path

from rig.errors import ConfigError
from rig.ids import Ids
from rig.vault.private import create_private, read_private, replace_private

FILE = "operator.token"
ADDRESS = "daemon.url"
"""In the data directory while a daemon serves: where clients on this machine find it."""


def operator_token(data_dir: Path, ids: Ids) -> str:
    """The data directory's token, made if there is none; it survives restarts. Called by the daemon. Raises ConfigError."""
    path = data_dir / FILE
    try:
        create_private(path, f"{ids.secret()}\n".encode())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {(error.strerror or str(error)).lower()}") from None
    token = read_operator_token(data_dir)
    if not token:
        raise ConfigError(f"{path}: is empty; remove it and start again")
    return token


def read_operator_token(data_dir: Path) -> str | None:
    """The token for clients on this machine, None where no daemon ever left one. Raises ConfigError where it can't be read."""
    content = read_private(data_dir / FILE)
    return content.decode("ascii", "replace").strip() if content else None


def leave_address(data_dir: Path, url: str | None) -> None:
    """Say where the daemon is, or with None that it serves no more. Raises OSError."""
    if url is None:
        (data_dir / ADDRESS).unlink(missing_ok=True)
    else:
        replace_private(data_dir / ADDRESS, f"{url}\n".encode())
