"""Whether the channel's webhook is there: Discord says so without posting anything."""

import time

from rig import CheckResult, HealthContext
from rig_discord.notifier import DiscordConfig

AGE = 60.0
"""Seconds for which an answer is remembered, as Discord limits how often it is asked."""
SECONDS = 1.5


class DiscordWebhook:
    """The dependency ``discord``, beside what the notifier itself has met with; its reasons never hold the address."""

    name = "discord"
    critical = False

    def __init__(self, config: DiscordConfig) -> None:
        assert config.url is not None
        self._url = config.url
        self._known: tuple[float, CheckResult] | None = None

    async def check(self, context: HealthContext) -> CheckResult:
        """Ask for the webhook, at most once a minute."""
        now = time.monotonic()
        if self._known is None or now - self._known[0] >= AGE:
            self._known = now, await self._asked()
        return self._known[1]

    async def _asked(self) -> CheckResult:
        from aiohttp import ClientError, ClientSession, ClientTimeout

        try:
            async with (
                ClientSession(timeout=ClientTimeout(total=SECONDS)) as session,
                session.get(self._url.get_secret_value(), allow_redirects=False) as answer,
            ):
                status = answer.status
        except TimeoutError:
            return CheckResult("Degraded", "timeout")
        except (ClientError, OSError, ValueError) as error:
            return CheckResult("Unreachable", f"not reached: {type(error).__name__}")
        if status in (401, 403, 404):
            return CheckResult(
                "Unreachable", f"http {status}: there is no such webhook; make a new one in the channel's settings"
            )
        if status >= 500:
            return CheckResult("Unreachable", f"http {status}")
        return CheckResult() if status == 200 else CheckResult("Degraded", f"http {status}")
