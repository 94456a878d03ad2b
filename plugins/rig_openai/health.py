"""Whether a provider's server answers, takes its key and has its model. Spends no token."""

import json

from aiohttp import ClientError, ClientSession, ClientTimeout

from rig import CheckResult, HealthContext, NothingToCheck
from rig_openai.config import OpenAIConfig

SECONDS = 1.5
MAX_BODY = 1 << 20


class ModelServer:
    """The dependency ``provider:NAME``, where the provider is configured or dispatch works with it.

    A key from the vault is not among what a check is told, so the server is asked without it: that it wants one is well, then.
    """

    critical = False

    def __init__(self, provider: str) -> None:
        self.name = f"provider:{provider}"
        self._provider = provider

    async def check(self, context: HealthContext) -> CheckResult | NothingToCheck:
        """``GET /models``."""
        setup = context.providers().get(self._provider)
        if setup is None:
            return NothingToCheck()
        config = OpenAIConfig.model_validate(setup.settings)
        key = config.api_key.get_secret_value() if config.api_key is not None else ""
        sealed = key.startswith("$SECRET:")
        headers = {"Authorization": f"Bearer {key}"} if key and not sealed else {}
        url = f"{config.address(self._provider)}/models"
        try:
            async with (
                ClientSession(timeout=ClientTimeout(total=SECONDS), headers=headers) as http,
                http.get(url, allow_redirects=False) as answer,
            ):
                status, body = answer.status, await answer.content.read(MAX_BODY)
        except TimeoutError:
            return CheckResult("Unreachable", f"no answer within {SECONDS:g} s")
        except (ClientError, OSError) as error:
            return CheckResult("Unreachable", f"not reached: {type(error).__name__}")
        if status >= 500:
            return CheckResult("Unreachable", f"http {status}")
        if status in (401, 403) and not sealed:
            why = "the server refuses the key" if key else "the server wants a key"
            return CheckResult("Unreachable", f"{why}: providers.{self._provider}.api_key")
        models = _models(body) if status == 200 else []
        if config.model and models and config.model not in models:
            return CheckResult("Degraded", f"the server has no model {config.model}")
        return CheckResult()


def _models(body: bytes) -> list[str]:
    try:
        return [str(row["id"]) for row in json.loads(body)["data"]]
    except (ValueError, TypeError, KeyError, RecursionError):
        return []
