"""What plugins registered, under their guards: what the rest of Rig calls."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rig.errors import BadRequest, RigError
from rig.model.tracking import PHASES, TrackedIssue
from rig.plugin.contexts import Identity, Mapped, WebhookDelivery, WebhookSettings, WebhookSource
from rig.plugin.guard import Guard
from rig.plugin.notifier import Notification, Notifier
from rig.plugin.operations import OperationRequest, PluginOperation
from rig.plugin.pricing import ModelPrice, PriceSource
from rig.plugin.provider import ListsModels, Model, ProviderRegistration, Session, SessionResult
from rig.plugin.raised import describe
from rig.plugin.steps import StepContext, StepKind, StepResult
from rig.plugin.tables import revealed, validated
from rig.plugin.tracker import MAX_CURSOR, MAX_PAGE, PollContext, Tracker, TrackerPage
from rig.text import one_line
from rig.wire.declared import Added, components, plain

PRICE_SECONDS = 5.0
"""How long a price source may take for a model."""
SEND_SECONDS = 30.0
"""How long a notifier may take for a notification."""
MODELS_SECONDS = 20.0
"""How long a provider may take to say which models there are."""
POLL_SECONDS = 60.0
"""How long a tracker may take for a page."""
OPERATION_SECONDS = 30.0
"""How long an operation of a plugin may take."""


class GuardedSource:
    """A webhook source whose calls are guarded and awaited."""

    def __init__(self, source: WebhookSource, guard: Guard, deadline: float) -> None:
        self.type = str(source.type)
        self._source = source
        self._guard = guard
        self._deadline = deadline

    async def verify(self, delivery: WebhookDelivery, secrets: Sequence[str]) -> None:
        """Raises BadSignature, or PluginError when the plugin failed: nothing is known of the delivery then."""
        await self._call("verify", self._source.verify, delivery, list(secrets))

    async def identify(self, delivery: WebhookDelivery) -> Identity:
        """Raises BadRequest for a delivery without a name."""
        identity: Identity = await self._call("identify", self._source.identify, delivery, expect=Identity)
        return identity

    async def normalize(self, delivery: WebhookDelivery, settings: WebhookSettings) -> Mapped:
        """What the delivery means. Raises BadRequest when it is not readable."""
        mapped: Mapped = await self._call("normalize", self._source.normalize, delivery, settings, expect=Mapped)
        return mapped

    async def _call(self, name: str, function: Callable[..., Any], *args: Any, expect: Any = None) -> Any:
        return await self._guard.call(f"{self.type}.{name}", function, *args, deadline=self._deadline, expect=expect)


class GuardedProvider:
    """A provider whose sessions can't take the daemon with them; itself a ``rig.Provider``."""

    def __init__(self, registration: ProviderRegistration, guard: Guard, secret: Callable[[str], str] = str) -> None:
        self.name = registration.name
        self.registration = registration
        self.steers = registration.steers
        self._guard = guard
        self._secret = secret

    def configure(self, raw: Mapping[str, Any] | None) -> Any:
        """The validated ``[providers.<name>]`` with its secrets instead of the references to them.

        ``env`` keeps its references: it is granted to the session's environment. Raises ConfigError with every fault at once,
        also when a needed key is missing, and NotFound for a secret that there is not.
        """
        table = {key: value if key == "env" else revealed(value, self._secret) for key, value in (raw or {}).items()}
        return validated(self.registration.config, table, f"providers.{self.name}")

    async def run(self, session: Session) -> SessionResult:
        """Run one session; no deadline but cancellation, which may still have a result. Raises the provider's RigError, or PluginError for anything else."""
        run = self.registration.provider.run
        result: SessionResult = await self._guard.call(
            f"{self.name}.run", run, session, deadline=None, expect=SessionResult, last_words=True
        )
        return result

    async def models(self, raw: Mapping[str, Any] | None) -> Sequence[Model] | None:
        """Which models its program or server says there are, None where it can't be asked. Raises what ``configure`` raises,
        the provider's RigError, or PluginError."""
        provider = self.registration.provider
        if not isinstance(provider, ListsModels):
            return None
        config = self.configure(raw)
        found = await self._guard.call(
            f"{self.name}.models", provider.list_models, config, deadline=MODELS_SECONDS, expect=(list, tuple)
        )
        return [model for model in found if isinstance(model, Model) and model.id]


class GuardedNotifier:
    """A notifier with its deadline."""

    def __init__(self, notifier: Notifier, guard: Guard) -> None:
        self.name = str(notifier.name)
        self.kinds = frozenset(notifier.kinds)
        self._notifier = notifier
        self._guard = guard

    @property
    def quarantined(self) -> bool:
        """Whether its plugin is not called at present."""
        return self._guard.quarantined

    async def send(self, notification: Notification) -> None:
        """Raises NotSent, or PluginError when the plugin fails."""
        await self._guard.call(f"{self.name}.send", self._notifier.send, notification, deadline=SEND_SECONDS)


class GuardedTracker:
    """A tracker with its deadline, whose answers are what they should be."""

    def __init__(self, tracker: Tracker, guard: Guard) -> None:
        self.name = str(tracker.name)
        self._tracker = tracker
        self._guard = guard

    @property
    def quarantined(self) -> bool:
        """Whether its plugin is not called at present."""
        return self._guard.quarantined

    async def poll(self, context: PollContext) -> TrackerPage:
        """Raises TrackerUnavailable, or PluginError when the plugin fails."""
        page: TrackerPage = await self._call("poll", self._tracker.poll, _good_page, context)
        return page

    async def fetch(self, ids: Sequence[str]) -> Sequence[TrackedIssue]:
        """The same. No ids, no call."""
        if not ids:
            return ()
        found: Sequence[TrackedIssue] = await self._call("fetch", self._tracker.fetch, _good_issues, list(ids))
        return found

    async def _call(self, name: str, function: Callable[..., Any], check: Callable[[Any], None], argument: Any) -> Any:
        async def awaited(given: Any) -> Any:
            check(answer := await function(given))
            return answer

        def called(given: Any) -> Any:
            check(answer := function(given))
            return answer

        ask = awaited if inspect.iscoroutinefunction(function) else called
        return await self._guard.call(f"{self.name}.{name}", ask, argument, deadline=POLL_SECONDS)


class BadAnswer(Exception):
    """A tracker's answer that is not what the protocol says; a fault of its plugin."""


def _good_page(page: Any) -> None:
    if not isinstance(page, TrackerPage):
        raise BadAnswer(f"{type(page).__name__} is no TrackerPage")
    _good_issues(page.issues)
    if not isinstance(page.cursor, str) or len(page.cursor) > MAX_CURSOR:
        raise BadAnswer(f"the cursor is no text of at most {MAX_CURSOR} characters")
    if page.complete and (page.more or page.cursor):
        raise BadAnswer("a complete page has nothing to go on with")
    if page.more and not page.cursor:
        raise BadAnswer("a page that is gone on with has no cursor")


def _good_issues(found: Any) -> None:
    if not isinstance(found, list | tuple) or not all(isinstance(i, TrackedIssue) and i.phase in PHASES for i in found):
        raise BadAnswer("these are no TrackedIssues")
    if len(found) > MAX_PAGE:
        raise BadAnswer(f"there are more than {MAX_PAGE} issues")


class GuardedStep:
    """A step kind; cancellation ends its steps, and the step's own deadline is the caller's."""

    def __init__(self, kind: StepKind, guard: Guard) -> None:
        self.name = str(kind.name)
        self._kind = kind
        self._guard = guard

    def params(self, raw: Mapping[str, Any], where: str) -> Any:
        """The validated parameters of a step. Raises ConfigError with every fault at once."""
        model = getattr(self._kind, "params", None)
        return dict(raw) if model is None else validated(model, raw, where)

    async def run(self, context: StepContext) -> StepResult:
        """Do a step. Raises PluginError when the plugin fails."""
        result: StepResult = await self._guard.call(
            f"{self.name}.run", self._kind.run, context, deadline=context.deadline_seconds, expect=StepResult
        )
        return result


class GuardedPrices:
    """A price source; blocking, for a worker thread."""

    def __init__(self, source: PriceSource, guard: Guard) -> None:
        self.name = str(source.name)
        self._source = source
        self._guard = guard

    def price(self, model: str) -> ModelPrice | None:
        """The price of a model, None when the source does not know it or fails."""
        try:
            found = self._guard.call_blocking(f"{self.name}.price", self._source.price, model, deadline=PRICE_SECONDS)
        except RigError:
            return None
        if found is not None and not isinstance(found, ModelPrice):
            self._guard.fault(f"{self.name}.price", f"answered with {type(found).__name__}")
            return None
        return found


class GuardedOperation:
    """An endpoint of a plugin."""

    def __init__(self, operation: PluginOperation, plugin: str, guard: Guard) -> None:
        self.operation = operation
        self.plugin = plugin
        self.summary = one_line(operation.summary)
        self.added: Added | None = None
        """As the API's description shows it, None where that is not possible or not known yet."""
        self.undescribed: str | None = None
        """Why it is not possible."""
        self._guard = guard
        self._what = f"x/{plugin}/{operation.name}"

    def described(self, deadline: float) -> "GuardedOperation":
        """Itself, after its model was asked what a body is; blocking. An operation whose model can't say it is as good as any."""
        of, body = self.operation, None
        try:
            if of.request is not None:
                body = self._guard.call_blocking(f"{self._what}.schema", self._schema, deadline=deadline, strike=False)
        except RigError as error:
            self.undescribed = describe(error.__cause__ or error)
        else:
            self.added = Added(self.plugin, of.name, of.method, f"orchestrator:{of.scope}", self.summary, body)
        return self

    def _schema(self) -> Any:
        assert self.operation.request is not None
        schema = plain(self.operation.request.model_json_schema())
        components(schema, "Body")
        return schema

    def body(self, raw: Any) -> Any:
        """The validated body. Raises BadRequest that names every fault, the plugin's RigError, or PluginError."""
        if self.operation.request is None:
            if raw not in (None, {}):
                raise BadRequest("this operation takes no body")
            return None
        from pydantic import ValidationError

        try:
            return self.operation.request.model_validate({} if raw is None else raw)
        except ValidationError as error:
            faults = [
                {"field": ".".join(map(str, e["loc"])), "message": e["msg"]}
                for e in error.errors(include_url=False, include_context=False, include_input=False)
            ]
            said = "; ".join(f"{f['field']}: {f['message']}" if f["field"] else f["message"] for f in faults[:5])
            raise BadRequest(f"the body is not what the operation takes: {one_line(said, 500)}", errors=faults) from None
        except RigError:
            raise
        except BaseException as error:  # validators are the plugin's code, and SystemExit would stop the daemon
            raise self._guard.fault(self._what, self._guard.told(error)) from error

    async def handle(self, request: OperationRequest) -> Any:
        """What the plugin answers. Raises its RigError, or PluginError."""
        return await self._guard.call(self._what, self.operation.handler, request, deadline=OPERATION_SECONDS)
