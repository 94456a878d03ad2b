"""What crosses the pipe to an isolated plugin, as JSON: one line a message, contexts and answers by kind of thing."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from rig.model.health import CheckResult, NothingToCheck
from rig.model.notices import NoticeKind
from rig.model.tracking import TrackedIssue
from rig.plugin.contexts import HealthContext, ProviderSetup
from rig.plugin.notifier import Notification
from rig.plugin.steps import StepContext, StepResult
from rig.plugin.tracker import PollContext, TrackerPage

encode = msgspec.json.encode


class Opening(msgspec.Struct):
    """Parent to child, first: which plugin to load, and its ``[plugins.<name>]``."""

    name: str
    value: str
    """Value of the entry point, or the file of a one-file plugin."""
    is_file: bool
    config: dict[str, Any]


class Thing(msgspec.Struct):
    """A registered thing, as the child tells of it."""

    hook: str
    name: str
    critical: bool = False
    kinds: list[NoticeKind] = []
    """Those that a notifier wants."""


class Opened(msgspec.Struct):
    """Child to parent, first: what the plugin registered, or why it can't be used."""

    hooks: list[str] = []
    things: list[Thing] = []
    state: str = "enabled"
    error: str | None = None


class Ask(msgspec.Struct):
    """Parent to child: a call. A second one with the same ``id`` and no ``hook`` cancels it."""

    id: int
    hook: str = ""
    name: str = ""
    context: dict[str, Any] = {}


class Answer(msgspec.Struct):
    """Child to parent: how a call went."""

    id: int
    answer: Any = None
    error: str | None = None
    """``Name: text (FILE:LINE)`` of what was raised."""
    refusal: Literal["", "not_sent", "tracker_unavailable"] = ""
    """The code of an error that is an answer, whose message and fields these are; empty where it is a fault."""
    retry_after: int | None = None
    final: bool = False


read_opening = msgspec.json.Decoder(Opening).decode
read_opened = msgspec.json.Decoder(Opened).decode
read_ask = msgspec.json.Decoder(Ask).decode
read_answer = msgspec.json.Decoder(Answer).decode
"""How each line is read. Made at import, as every isolated plugin is heard on a thread of its own (see ``rig.store.sql``)."""


async def pack_health(context: HealthContext) -> dict[str, Any]:
    """A health context with its questions already asked: the child can ask the daemon nothing."""

    async def asked(ping: Callable[[], Awaitable[str | None]]) -> dict[str, Any]:
        try:
            return {"reason": await ping()}
        except Exception as error:  # noqa: BLE001 - whatever it is, the checker gets to see it
            return {"error": type(error).__name__}

    store, streams = await asyncio.gather(asked(context.store_ping), asked(context.streams_ping))
    providers = {name: msgspec.to_builtins(setup) for name, setup in context.providers().items()}
    return {
        "store": store,
        "streams": streams,
        "lag": context.loop_lag(),
        "data_dir": str(context.data_dir),
        "providers": providers,
    }


def unpack_health(packed: dict[str, Any]) -> HealthContext:
    """The context in the child."""

    def answering(said: dict[str, Any]) -> Callable[[], Awaitable[str | None]]:
        async def ping() -> str | None:
            if "error" in said:
                raise RuntimeError(said["error"])
            reason: str | None = said["reason"]
            return reason

        return ping

    providers = {name: msgspec.convert(setup, ProviderSetup) for name, setup in packed["providers"].items()}
    return HealthContext(
        answering(packed["store"]),
        answering(packed["streams"]),
        lambda: float(packed["lag"]),
        Path(packed["data_dir"]),
        lambda: providers,
    )


def unpack_result(answer: Any) -> CheckResult | NothingToCheck:
    """A check's result in the parent; raises when the child sent something else."""
    if answer == {}:
        return NothingToCheck()
    return CheckResult(answer["status"], answer["reason"])


def pack_notification(notification: Notification) -> dict[str, Any]:
    """A notification for the child."""
    return asdict(notification)


def unpack_notification(packed: dict[str, Any]) -> Notification:
    """The notification in the child."""
    return Notification(**packed)


@dataclass(frozen=True)
class Found:
    """What a tracker's ``fetch`` answered."""

    issues: list[TrackedIssue]


def unpack_poll(packed: dict[str, Any]) -> PollContext:
    """A question to a tracker, in the child."""
    return msgspec.convert(packed, PollContext)


def unpack_page(answer: Any) -> TrackerPage:
    """A tracker's page in the parent; raises when the child sent something else."""
    return msgspec.convert(answer, TrackerPage)


def unpack_found(answer: Any) -> list[TrackedIssue]:
    """The same of issues."""
    return msgspec.convert(answer, Found).issues


def pack_step(context: StepContext) -> dict[str, Any]:
    """A step context; its parameters were validated by the parent against nothing, the child does it."""
    return {
        "run": context.run,
        "step": context.step,
        "attempt": context.attempt,
        "params": context.params,
        "deadline": context.deadline_seconds,
    }


def unpack_step(packed: dict[str, Any], model: Any) -> StepContext:
    """The context in the child, with validated parameters."""
    params = packed["params"] if model is None else model.model_validate(packed["params"])
    return StepContext(packed["run"], packed["step"], packed["attempt"], params, packed["deadline"])


def unpack_step_result(answer: Any) -> StepResult:
    """A step's result in the parent."""
    return StepResult(bool(answer["ok"]), dict(answer["outputs"]), str(answer["reason"]))
