"""What handlers may need of the edge itself, by typed keys of the application."""

from aiohttp import web

from rig.http.auth import KeyRing
from rig.http.metrics import Metrics

METRICS: web.AppKey[Metrics] = web.AppKey("metrics", Metrics)
KEYRING: web.AppKey[KeyRing] = web.AppKey("keyring", KeyRing)
