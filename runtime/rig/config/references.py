"""How configuration refers to a secret: ``"$SECRET:NAME"``, and which names a secret may have (conventions §10)."""

import re

_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
_RESERVED = re.compile(r"PATH|NODE_OPTIONS|BASH_ENV|LD_.*|PYTHON.*|GIT_.*")
_PREFIX = "$SECRET:"


def is_secret_name(name: str) -> bool:
    """Whether a secret may be called that; names that would change what a granted process runs are refused."""
    return _NAME.fullmatch(name) is not None and _RESERVED.fullmatch(name) is None


def is_reference(value: str) -> bool:
    """Whether ``value`` claims to be a reference; its name may still be a bad one, see ``secret_name``."""
    return value.startswith(_PREFIX)


def secret_name(value: str) -> str | None:
    """The name that ``value`` refers to, None when it is no reference. Raises ValueError for a name that no secret may have."""
    if not is_reference(value):
        return None
    name = value.removeprefix(_PREFIX)
    if not is_secret_name(name):
        raise ValueError(
            "a secret's name is a capital letter and up to 63 capitals, digits and underscores, "
            "and not PATH, LD_*, PYTHON*, GIT_*, NODE_OPTIONS or BASH_ENV"
        )
    return name
