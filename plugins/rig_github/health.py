"""Whether GitHub's API answers: a critical dependency where it is watched (R0-12)."""

import time
from dataclasses import dataclass

from rig import CheckResult

SLOW = 1.0
"""Seconds above which an answer counts as slow."""


@dataclass(frozen=True)
class GitHubChecker:
    """Asks for the rate limit, which costs none of it; an API that can't be reached at all raises."""

    api_url: str
    name: str = "github"
    critical: bool = True

    async def check(self, context: object) -> CheckResult:
        from aiohttp import ClientSession

        began = time.monotonic()
        async with ClientSession() as session, session.get(f"{self.api_url}/rate_limit", allow_redirects=False) as answer:
            status = answer.status
        if status >= 500:
            return CheckResult("Unreachable", f"http {status}")
        if status != 200:
            return CheckResult("Degraded", f"http {status}")
        if time.monotonic() - began > SLOW:
            return CheckResult("Degraded", "high ping latency")
        return CheckResult()
