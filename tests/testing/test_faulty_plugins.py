"""Each suite finds what is wrong with a plugin of its kind, and says it."""

import gc
import textwrap
from typing import Any

import pytest

from rig.testing import (
    CommandContract,
    CommandFaults,
    NotifierContract,
    NotifierFaults,
    OperationContract,
    OperationFaults,
    PluginContract,
    PolicyContract,
    PolicyFaults,
    PriceSourceContract,
    PriceSourceFaults,
    ProviderContract,
    ProviderFaults,
    StepKindContract,
    StepKindFaults,
    Suite,
    TrackerContract,
    TrackerFaults,
    WebhookSourceContract,
    WebhookSourceFaults,
    step,
)
from tests.testing.conftest import Judge

STEP = """
class Odd:
    name, params = "odd", None
    async def run(self, context):
        {}

@rig.hookimpl
def rig_register_step_kinds():
    return [Odd()]
"""
TRACKER = """
def issue(id, name="ENG-1"):
    return rig.TrackedIssue(id, name, "open", "active")

class Odd:
    name = "odd"
    async def poll(self, context):
        {}
    async def fetch(self, ids):
        {}

@rig.hookimpl
def rig_register_trackers():
    return [Odd()]
"""
PRICE = """
from decimal import Decimal
class Odd:
    name = "odd 1"
    def price(self, model):
        {}

@rig.hookimpl
def rig_register_price_sources():
    return [Odd()]
"""
PROVIDER = """
class Odd:
    name = "odd"
    async def run(self, session):
        {}

@rig.hookimpl
def rig_register_providers():
    return [rig.ProviderRegistration("odd", Odd())]
"""
OPERATION = """
async def odd(request):
    {}

@rig.hookimpl
def rig_register_operations():
    return [rig.PluginOperation("odd", "Does odd things", odd)]
"""
BODY = """
from pydantic import BaseModel, Field

class Body(BaseModel):
    n: int = Field(1, json_schema_extra={"type": "nonsense"})

async def odd(request):
    return 1

@rig.hookimpl
def rig_register_operations():
    return [rig.PluginOperation("odd", "Does odd things", odd, "POST", "write", Body)]
"""
COMMAND = """
import click

@rig.hookimpl
def rig_register_commands():
    @click.command("odd"{})
    @click.argument("words", nargs=-1)
    def odd(words):
        {}
    return [odd]
"""
NOTIFIER = """
import urllib.request
from rig.outgoing import post

class Config(rig.NotifierConfig):
    url: str = ""

RIG_CONFIG = Config

class Odd:
    name, kinds = "odd", ()

    def __init__(self, url):
        self.url = url

    {}

@rig.hookimpl
def rig_register_notifiers(context):
    return [Odd(context.config.url)] if context.config.url else []
"""
WEBHOOK = """
import json
from rig.payload import decoded_object
from rig.signatures import mac, matches

class Odd:
    type = "odd"
    def verify(self, delivery, secrets):
        if not matches(delivery.header("x-signature") or "", [mac(s, delivery.body).hex() for s in secrets if s]):
            raise rig.BadSignature
    def identify(self, delivery):
        decoded_object(delivery.body)
        return rig.Identity("1", "odd")
    def normalize(self, delivery, settings):
        decoded_object(delivery.body)
        return rig.Mapped(ignored="odd")

class Other(Odd):
    {}

@rig.hookimpl
def rig_register_webhook_sources():
    return [Other()]
"""
POLICY = """
@rig.hookimpl
def rig_before_dispatch(context):
    {}
"""


def filled(template: str, *parts: str) -> str:
    """A template with code in its holes, indented as the hole is."""
    for part in parts:
        before, _, after = template.partition("{}")
        indent = before.rpartition("\n")[2]
        lines = textwrap.dedent(part).strip("\n").split("\n")
        template = before + ("\n" + indent).join(lines) + after
    return template


SEND = "async def send(self, notification):\n    {}"

BAD: list[tuple[type[Suite], str, str, str]] = [
    (PluginContract, "it loads", "x = 1", "it implements no hook"),
    (PluginContract, "it loads", "raise RuntimeError('no')", "load_error: RuntimeError: no"),
    (PluginContract, "it loads", "@rig.hookimpl\ndef rig_register_provider(): return []", "load_error"),
    (
        PluginContract,
        "a misspelt key of its table is found",
        "import pydantic\nclass RIG_CONFIG(pydantic.BaseModel):\n    x: int = 0\n",
        "lets a misspelt key pass",
    ),
    (StepKindContract, "an ordinary step ends with a result", filled(STEP, "return 5"), "answered with int, not a StepResult"),
    (
        StepKindContract,
        "an ordinary step ends with a result",
        filled(STEP, "return rig.StepResult(outputs={'a': object()})"),
        "its outputs are no JSON",
    ),
    (
        StepKindContract,
        "an ordinary step ends with a result",
        filled(STEP, "return rig.StepResult(ok=False)"),
        "it failed without a reason",
    ),
    (
        TrackerContract,
        "a poll ends with a page or says that it can not be read",
        filled(TRACKER, "raise OSError('no network')", "return []"),
        "OSError: no network",
    ),
    (
        TrackerContract,
        "pages come to an end",
        filled(TRACKER, "return rig.TrackerPage(cursor='a', more=True)", "return []"),
        "the cursor 'a' leads to itself",
    ),
    (
        TrackerContract,
        "every issue can be stored",
        filled(TRACKER, "return rig.TrackerPage([issue('1', 'one')], complete=True)", "return []"),
        "'one' is no name of an issue",
    ),
    (
        TrackerContract,
        "the same question has the same answer",
        filled(TRACKER, "n = self.n = getattr(self, 'n', 0) + 1\nreturn rig.TrackerPage([issue(str(n))])", "return []"),
        "it lists something else",
    ),
    (
        TrackerContract,
        "what is fetched is what was asked for",
        filled(TRACKER, "return rig.TrackerPage([issue('1')])", "return [issue('1'), issue('2')]"),
        "it fetches what it was not asked for",
    ),
    (
        TrackerFaults,
        "a cursor that it never gave is no fault",
        filled(TRACKER, "return rig.TrackerPage(cursor=str(int(context.cursor or '0')))", "return []"),
        "ValueError: invalid literal",
    ),
    (
        TrackerFaults,
        "ids that it never gave are left out",
        filled(TRACKER, "return rig.TrackerPage()", "return [issue(ids[0])]"),
        "it finds an issue for the id",
    ),
    (
        StepKindFaults,
        "a step that is cancelled ends at once",
        filled(
            STEP,
            """
            end = time.monotonic() + 1.4
            while time.monotonic() < end:
                try:
                    await asyncio.sleep(0.2)
                except asyncio.CancelledError:
                    pass
            return rig.StepResult()
            """,
        ),
        "still running 1 s after it was cancelled",
    ),
    (
        StepKindFaults,
        "many steps at once all end",
        filled(
            STEP,
            "Odd.now = getattr(Odd, 'now', 0) + 1\nif Odd.now > 9: raise OSError('too many')\n"
            "await asyncio.sleep(0.01)\nOdd.now -= 1\nreturn rig.StepResult()",
        ),
        "20 at once: OSError('too many')",
    ),
    (
        PriceSourceContract,
        "it knows a price and says it again",
        filled(PRICE, "return rig.ModelPrice(1.5, *[Decimal(1)] * 4)"),
        "input is 1.5, not a Decimal",
    ),
    (
        PriceSourceContract,
        "a model that it does not know is none",
        filled(PRICE, "return rig.ModelPrice(*[Decimal(1)] * 5)"),
        "a price for a model that there is not",
    ),
    (PriceSourceFaults, "hostile names of models are unknown", filled(PRICE, "return {'m': None}[model]"), "raised KeyError"),
    (
        PriceSourceFaults,
        "many threads at once get the same prices",
        filled(PRICE, "Odd.n = getattr(Odd, 'n', 0) + 1\nreturn rig.ModelPrice(*[Decimal(Odd.n)] * 5)"),
        "prices of claude-sonnet-4-5 from 50 threads",
    ),
    (
        ProviderContract,
        "an ordinary session ends well",
        filled(PROVIDER, "return True"),
        "answered with bool, not a SessionResult",
    ),
    (
        ProviderContract,
        "an ordinary session ends well",
        filled(PROVIDER, "await session.usage(rig.Usage('m', -1))\nreturn rig.SessionResult(True)"),
        "not a usage",
    ),
    (
        ProviderFaults,
        "a program that is missing fails the session",
        filled(
            PROVIDER, "try:\n    await session.spawn(['x'])\nexcept rig.RigError:\n    pass\nreturn rig.SessionResult(True)"
        ),
        "ok, and its program is missing",
    ),
    (
        ProviderFaults,
        "a program that dies at once fails the session",
        filled(PROVIDER, "child = await session.spawn(['true'])\nawait child.wait()\nreturn rig.SessionResult(True)"),
        "ok, and its program died",
    ),
    (
        ProviderFaults,
        "a lost lease ends the session",
        filled(
            PROVIDER,
            "try:\n    await session.log(['x'])\nexcept rig.RigError as e:\n    raise KeyError('x')\n"
            "return rig.SessionResult(True)",
        ),
        "raised KeyError('x'), which is no rig.RigError (Lost)",
    ),
    (
        ProviderFaults,
        "hostile prompts are borne",
        filled(PROVIDER, "if not session.prompt: raise IndexError\nreturn rig.SessionResult(True)"),
        "raised IndexError()",
    ),
    (
        OperationContract,
        "it registers an operation that says what it does",
        filled(OPERATION, "return 1").replace("Does odd things", ""),
        "its summary is not one line",
    ),
    (OperationContract, "an ordinary call is answered", filled(OPERATION, "return {1, 2}"), "its answer is no JSON"),
    (
        OperationContract,
        "its body has a schema",
        BODY,
        "odd: its body can't be shown in the API's description: Undescribable: prop",
    ),
    (
        OperationFaults,
        "hostile queries are refused or answered",
        filled(OPERATION, "return {'n': int(request.query.get('limit', '1'))}"),
        "raised ValueError",
    ),
    (
        CommandContract,
        "it registers a command with a name and help",
        filled(COMMAND, "", "pass"),
        "it says nothing of what it does",
    ),
    (
        CommandContract,
        "it shows its help",
        filled(COMMAND, ", add_help_option=False", '"""Odd."""'),
        "odd --help ends with 2",
    ),
    (
        CommandFaults,
        "an unknown option is a usage error",
        filled(COMMAND, ", context_settings={'ignore_unknown_options': True}", '"""Odd."""'),
        "odd with an unknown option ends with 0, not 2",
    ),
    (
        NotifierContract,
        "every kind that it wants reaches the receiver",
        filled(NOTIFIER, SEND.replace("{}", "pass")),
        "attention: nothing came to its address",
    ),
    (
        NotifierContract,
        "a receiver can tell a repeat",
        filled(NOTIFIER, SEND.replace("{}", "await post(self.url, b'{}')")),
        "the notification's id is not in what it sends",
    ),
    (
        NotifierContract,
        "a refusal is not sent and does not give the address away",
        filled(
            NOTIFIER,
            "def send(self, notification):\n    try:\n        urllib.request.urlopen(self.url).close()\n"
            "    except urllib.error.HTTPError as refused:\n        refused.close()\n        raise OSError(f'http {refused.code}') from None",
        ),
        "raised OSError('http 500'), not NotSent",
    ),
    (
        NotifierContract,
        "a refusal is not sent and does not give the address away",
        filled(
            NOTIFIER,
            SEND.replace(
                "{}",
                "try:\n        await post(self.url, b'{}')\n    except rig.NotSent:\n"
                "        raise rig.NotSent(self.url) from None",
            ),
        ),
        "the error gives the address away",
    ),
    (
        NotifierFaults,
        "hostile texts are sent or refused properly",
        filled(NOTIFIER, SEND.replace("{}", "notification.title[0]")),
        "IndexError",
    ),
    (
        WebhookSourceContract,
        "what is not signed is refused before it is read",
        filled(
            WEBHOOK,
            "def verify(self, delivery, secrets):\n    decoded_object(delivery.body)\n    super().verify(delivery, secrets)",
        ),
        "not BadSignature, for one that nobody signed",
    ),
    (
        WebhookSourceContract,
        "what is not signed is refused before it is read",
        filled(
            WEBHOOK, "def verify(self, delivery, secrets):\n    if secrets and secrets[0]: super().verify(delivery, secrets)"
        ),
        "it accepts a delivery and there is no secret",
    ),
    (
        WebhookSourceContract,
        "either of two secrets signs",
        filled(WEBHOOK, "def verify(self, delivery, secrets): super().verify(delivery, secrets[:1])"),
        "refused while secrets rotate",
    ),
    (
        WebhookSourceContract,
        "another secret or body does not count",
        filled(
            WEBHOOK, "def verify(self, delivery, secrets):\n    if not delivery.header('x-signature'): raise rig.BadSignature"
        ),
        "it accepts a delivery signed with another secret",
    ),
    (
        WebhookSourceContract,
        "a delivery has the same name and meaning each time",
        filled(WEBHOOK, "def normalize(self, delivery, settings): return rig.Mapped(({'type': 'NO_SUCH'},))"),
        "Rig does not take its fact",
    ),
    (
        WebhookSourceFaults,
        "hostile bodies are refused or mean something",
        filled(
            WEBHOOK, "def normalize(self, delivery, settings): return rig.Mapped(ignored=json.loads(delivery.body)['type'])"
        ),
        "which is no rig.RigError, for the body",
    ),
    (
        WebhookSourceFaults,
        "hostile headers are no signature",
        filled(
            WEBHOOK,
            "def verify(self, delivery, secrets):\n    (delivery.header('x-signature') or '').encode()\n"
            "    super().verify(delivery, secrets)",
        ),
        "raised UnicodeEncodeError",
    ),
    (
        PolicyContract,
        "an ordinary moment is answered in time",
        filled(POLICY, "return rig.Reply('x')"),
        "answered with Reply, not Veto",
    ),
    (
        PolicyContract,
        "an ordinary moment is answered in time",
        filled(POLICY, "return rig.Veto('')"),
        "a veto without a reason",
    ),
    (
        PolicyContract,
        "an ordinary moment is answered in time",
        filled(POLICY, "return rig.Veto('x', float('inf'))"),
        "a veto for inf seconds",
    ),
    (PolicyFaults, "hostile texts are heard", filled(POLICY, "return rig.Veto(context.title[0])"), "raised IndexError"),
    (PolicyFaults, "what is not known is heard", filled(POLICY, "context.title.lower()"), "raised AttributeError"),
]


@pytest.mark.parametrize(("suite", "check", "code", "reason"), BAD, ids=[f"{s.__name__}: {r[:40]}" for s, _, _, r in BAD])
def test_what_is_wrong_is_found_and_said(judge: Judge, suite: type[Suite], check: str, code: str, reason: str) -> None:
    found: Any = judge(suite, check, code)
    assert (found.verdict, reason in found.reason) == ("failed", True), (found, code)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_never_ends_fails_its_check_and_holds_nothing_up(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "SECONDS", 0.2)
    stubborn = """
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass
    """
    found = judge(StepKindFaults, "a step that is cancelled ends at once", filled(STEP, stubborn))
    gc.collect()  # where the stubborn one is told that nobody waits for it
    assert (found.verdict, found.reason) == ("failed", "odd: still running 1 s after it was cancelled")
