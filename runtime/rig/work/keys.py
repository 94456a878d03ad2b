"""Keys of workspaces: one plain folder name for each identifier, and never the same for two."""

import re
from hashlib import sha256

DEFAULT_TENANT = "default"
_PLAIN = re.compile(r"(?!\.)(?!-)[A-Za-z0-9._-]{1,80}\Z")
_LOOKS_SUFFIXED = re.compile(r".*-[0-9a-f]{12}\Z")


def workspace_key(identifier: str, tenant: str = DEFAULT_TENANT) -> str:
    """The key of an issue's workspace: the identifier itself where it is a safe name, else a safe one with a hash behind it.

    Safe is what can be a folder and, after ``rig/``, a branch. Tenants share no key.
    """
    safe = (
        _PLAIN.match(identifier)
        and ".." not in identifier
        and not identifier.endswith((".", ".lock"))
        and not _LOOKS_SUFFIXED.match(identifier)
        and tenant == DEFAULT_TENANT
    )
    if safe:
        return identifier
    stem = re.sub(r"\.{2,}", "_", re.sub(r"[^A-Za-z0-9._-]", "_", identifier)).strip(".-")[:60] or "work"
    source = identifier if tenant == DEFAULT_TENANT else f"{tenant}\0{identifier}"
    return f"{stem}-{sha256(source.encode(errors='surrogatepass')).hexdigest()[:12]}"


def is_key(text: str) -> bool:
    """Whether ``text`` has the form of a key; what has not never becomes part of a path."""
    return _PLAIN.match(text) is not None and ".." not in text
