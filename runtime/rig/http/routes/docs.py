"""Swagger UI: the API to read and to try, from files of installed packages alone."""

from functools import lru_cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from aiohttp import web

from rig.errors import NotFound
from rig.http.ask import Ask

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "public, max-age=3600",
}
_ASSETS = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon-32x32.png": "image/png",
}
"""What the page needs of swagger-ui-dist."""


async def get_docs(ask: Ask) -> web.StreamResponse:
    """``GET /api/docs``."""
    return web.Response(text=_own("docs.html"), content_type="text/html", headers=_HEADERS)


async def get_docs_asset(ask: Ask) -> web.StreamResponse:
    """``GET /api/docs/{file}``: a script, style or picture of the page."""
    name = ask.path("file")
    if name == "start.js":
        return web.Response(text=_own(name), content_type="text/javascript", headers=_HEADERS)
    if name not in _ASSETS:
        raise NotFound("the page has no such file")
    return web.FileResponse(_dist() / name, headers={**_HEADERS, "Content-Type": _ASSETS[name]})


@lru_cache
def _own(name: str) -> str:
    return (files("rig.http") / "pages" / name).read_text()


@lru_cache
def _dist() -> Path:
    """The folder of swagger-ui-dist in the package that ships it, which is found and not imported: it would bring Flask along."""
    spec = find_spec("flask_swagger_ui")
    if spec is None or not spec.submodule_search_locations:
        raise NotFound("Swagger UI is not installed: pip install flask-swagger-ui")
    return Path(spec.submodule_search_locations[0]) / "dist"
