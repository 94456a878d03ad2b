"""URLs that may hold a password: what of them may be seen."""

import re

MASK = "********"
"""What is shown in place of a secret that is set."""

_PASSWORD = re.compile(r"^([a-z]+://[^/?#]*?:)[^/?#]*(@)", re.IGNORECASE)
_PARAMETER = re.compile(r"([?&](?:ssl)?password=)[^&#]+", re.IGNORECASE)


class Address:
    """Marks a key of the configuration whose value is such a URL; it is shown through ``without_password``."""


def without_password(url: str) -> str:
    """The URL with its password masked, wherever in it that stands; as it is when there is none."""
    return _PARAMETER.sub(rf"\g<1>{MASK}", _PASSWORD.sub(rf"\g<1>{MASK}\g<2>", url))
