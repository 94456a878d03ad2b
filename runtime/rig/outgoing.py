"""Sends a small JSON text to an address that the operator configured, and to no other. Public, for authors of notifiers.

No redirect is followed, an answer is hardly read, and nothing that is raised or logged holds the address: it may be a secret.
"""

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rig.errors import NotSent
from rig.text import clean

if TYPE_CHECKING:
    from pydantic import SecretStr

SECONDS = 10.0
"""How long a request may take as a whole."""
LONGEST_REST = 3600
"""Seconds that a receiver may ask to be left alone; more counts as this."""
MAX_BODY = 64 * 1024

_LATER = (408, 425, 429)


def address_fault(url: str, *, plain: bool = False) -> str | None:
    """What is wrong with an address, None when it may be used: https, or http to loopback and, with ``plain``, to anywhere."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "it is no URL"
    if parts.scheme not in ("https", "http") or not host or not url.isprintable() or " " in url:
        return "it is no http(s) URL"
    if parts.username is not None:
        return "it has a user name in it"
    if parts.scheme == "http" and not plain and not _loopback(host):
        return "it must be https"
    return None


def checked_address(value: "SecretStr") -> "SecretStr":
    """A validator of configuration: an address that may be used, or a reference to a secret. Raises ValueError."""
    url = value.get_secret_value()
    if not url.startswith("$SECRET:") and (fault := address_fault(url, plain=True)):
        raise ValueError(fault)
    return value


async def post(url: str, body: bytes, headers: Mapping[str, str] | None = None, *, plain: bool = False) -> None:
    """POST JSON; returns when the receiver took it. Raises NotSent, final where the receiver will never take this."""
    if fault := address_fault(url, plain=plain):
        raise NotSent(f"the address is not usable: {fault}", final=True)
    if len(body) > MAX_BODY:
        raise NotSent(f"the text is longer than {MAX_BODY} bytes", final=True)
    from aiohttp import ClientError, ClientSession, ClientTimeout

    given = {"Content-Type": "application/json", "User-Agent": "rig", **(headers or {})}
    try:
        async with (
            ClientSession(timeout=ClientTimeout(total=SECONDS)) as session,
            session.post(url, data=body, headers=given, allow_redirects=False) as answer,
        ):
            status, said = answer.status, dict(answer.headers)
    except TimeoutError:
        raise NotSent(f"no answer within {SECONDS:g} s") from None
    except (ClientError, OSError, ValueError) as error:
        raise NotSent(f"not reached: {type(error).__name__}") from None
    if 200 <= status < 300:
        return
    again = status in _LATER or status >= 500
    raise NotSent(f"http {status}", retry_after=retry_after(said) if again else None, final=not again)


def inert(text: str) -> str:
    """A text, cleaned, in which ``@name`` and ``<!channel>`` call nobody, wherever chat programs read it."""
    return re.sub(r"([@<])(?=[!@#&\w])", "\\1\u2060", clean(text))


def retry_after(headers: Mapping[str, str]) -> int | None:
    """Seconds that Retry-After asks for, as a number or as a date by the receiver's own clock; None when it says nothing."""
    found = {name.lower(): value for name, value in headers.items()}
    asked = found.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", asked):
        seconds = float(asked)
    else:
        try:
            seconds = (parsedate_to_datetime(asked) - parsedate_to_datetime(found.get("date", ""))).total_seconds()
        except (ValueError, TypeError):
            return None
    return min(LONGEST_REST, max(0, -int(-seconds // 1)))


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
