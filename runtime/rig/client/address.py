"""Which daemon is asked, and as whom: RIG_URL, RIG_TOKEN, and on the daemon's own machine the token of its data directory."""

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from rig.errors import ConfigError
from rig.ids import DEFAULT_TENANT

DEFAULT_URL = "http://127.0.0.1:8080"
OPERATOR_TOKEN = "operator.token"
"""File in a data directory that the daemon leaves for its own machine, mode 0600."""

ADDRESS = "daemon.url"
"""File beside it with the address of the daemon that serves from the directory now."""

_TOKEN = re.compile(r"[\x21-\x7e]{1,512}")
_TENANT = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


@dataclass(frozen=True)
class Target:
    """A daemon's address and what to say to it about oneself."""

    url: str = DEFAULT_URL
    """Scheme, host and port, perhaps a path that a proxy serves it under; no slash at the end."""
    token: str | None = field(default=None, repr=False)
    """None: no credential, which is the local operator on the daemon's own machine."""
    tenant: str = DEFAULT_TENANT
    found: bool = False
    """Whether the token was found on this machine and not given: then it may be another daemon's."""


def target(
    url: str | None = None,
    *,
    token: str | None = None,
    tenant: str | None = None,
    data_dir: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> Target:
    """The daemon that is meant: what is given goes before RIG_URL, RIG_TOKEN and RIG_DATA_DIR, and those before the defaults.

    Without an address it is that of the daemon that serves from the data directory. Without a token, and for a loopback address only, the operator token of the data directory is taken when there is one and
    it can be read. Raises ConfigError for an address, token or tenant that can't be one.
    """
    environ = os.environ if environ is None else environ
    given = url or environ.get("RIG_URL")
    token = token or environ.get("RIG_TOKEN") or None
    folder = data_dir or (Path(environ["RIG_DATA_DIR"]) if environ.get("RIG_DATA_DIR") else None)
    if folder is None and not (given and token):
        folder = _default_data_dir()
    address = _address(given or (folder and _private(folder.expanduser() / ADDRESS)) or DEFAULT_URL)
    found = token is None and is_loopback(address)
    if found and folder is not None:
        token = operator_token(folder.expanduser())
    if token is not None and not _TOKEN.fullmatch(token):
        raise ConfigError("RIG_TOKEN is not a token: it must be printable and without spaces")
    if tenant is not None and not _TENANT.fullmatch(tenant):
        raise ConfigError("a tenant's name is small letters, digits, - and _")
    return Target(address, token, tenant or DEFAULT_TENANT, found and token is not None)


def operator_token(data_dir: Path) -> str | None:
    """The operator token of a data directory; None when there is none that is ours alone to read."""
    return _private(data_dir / OPERATOR_TOKEN)


def _private(path: Path) -> str | None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return None
    with os.fdopen(fd, "rb") as file:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or status.st_mode & 0o077 or status.st_uid not in (os.geteuid(), 0):
            return None
        return file.read(1024).decode("ascii", "replace").strip() or None


def is_loopback(url: str) -> bool:
    """Whether an address is this machine's own."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _address(url: str) -> str:
    try:
        parts = urlsplit(url)
        whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        whole = False
    if not whole or parts.username is not None or parts.query or parts.fragment or not url.isprintable() or " " in url:
        raise ConfigError("the daemon's address must look like http://HOST:PORT; see RIG_URL and --url")
    return url.rstrip("/")


def _default_data_dir() -> Path:
    from rig.config.places import default_data_dir  # takes a while, and most callers say where it is

    return default_data_dir()
