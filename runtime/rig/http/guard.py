"""What a request must look like before anybody asks who sends it: Host, Origin, form of the target (DNS rebinding, CSRF)."""

import ipaddress
import re
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from rig.errors import BadRequest, Forbidden
from rig.http.deps import HttpSettings

_HOST = re.compile(r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]{1,253})(?::(\d{1,5}))?$")
_SAFE = frozenset({hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS})
_VERDICTS = 256


def is_loopback(host: str) -> bool:
    """Whether an address or a host name is this machine's loopback."""
    if host in ("127.0.0.1", "localhost", "::1"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host.endswith(".localhost")
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


class Guard:
    """Checks every request, also those that lead nowhere."""

    def __init__(self, settings: HttpSettings) -> None:
        public = urlsplit(settings.public_url)
        self._public = f"{public.scheme}://{public.netloc}".lower() if public.netloc else None
        names = {h.lower() for h in settings.allowed_hosts}
        if public.hostname:
            names.add(public.hostname)
        self._any = "*" in names
        self._exact = frozenset(n for n in names if not n.startswith("."))
        self._suffixes = tuple(n for n in names if n.startswith("."))
        self._verdicts: dict[str, type[BadRequest | Forbidden] | None] = {}

    def check(self, request: web.Request) -> None:
        """Raise BadRequest or Forbidden unless the request may be looked at."""
        headers = request.headers
        hosts = headers.getall(hdrs.HOST, ())
        if len(hosts) != 1:
            raise BadRequest("exactly one Host header is needed")
        host = hosts[0]
        if host not in self._verdicts:
            if len(self._verdicts) >= _VERDICTS:
                self._verdicts.clear()
            self._verdicts[host] = self._judge(host)
        refusal = self._verdicts[host]
        if refusal is not None:
            raise refusal("this Host is not served here; allow it with server.allowed_hosts")
        if not request.raw_path.startswith("/") and request.method != hdrs.METH_OPTIONS:
            raise BadRequest("the request target must be a path")
        if request.method not in _SAFE:
            self._check_origin(request, host)

    def _judge(self, host: str) -> type[BadRequest] | type[Forbidden] | None:
        match = _HOST.match(host)
        if match is None or (match[2] and int(match[2]) > 65535):
            return BadRequest
        name = match[1].strip("[]").lower()
        if self._any or name in self._exact or name.endswith(self._suffixes) or is_loopback(name):
            return None
        try:
            ipaddress.ip_address(name)  # an address can't be rebound
        except ValueError:
            return Forbidden
        return None

    def _check_origin(self, request: web.Request, host: str) -> None:
        origins = request.headers.getall(hdrs.ORIGIN, ())
        if not origins:
            if request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
                raise Forbidden("a page of another site may not do that")
            return
        origin = origins[0].lower()
        same = origin in (f"http://{host}".lower(), f"https://{host}".lower()) or origin == self._public
        if len(origins) > 1 or not same:
            raise Forbidden("a page of another origin may not do that")
