"""Every key of the configuration with its type, its default and what it means; nothing else knows a default."""

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    SecretStr,
    Strict,
    field_validator,
    model_validator,
)

from rig.config.addresses import Address
from rig.config.references import secret_name


def _good_reference(secret: SecretStr) -> SecretStr:
    secret_name(secret.get_secret_value())
    return secret


Secret = Annotated[SecretStr, Field(min_length=1), AfterValidator(_good_reference)]
"""A secret itself, or ``"$SECRET:NAME"``; shown masked everywhere."""

Texts = Annotated[tuple[str, ...], Strict(False)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
FreeTable = dict[str, JsonValue]
"""A table whose keys belong to a plugin: its own model validates it once the plugin is loaded."""


class Section(BaseModel):
    """A table of the configuration: unknown keys and values of another type are refused."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True, hide_input_in_errors=True
    )


class Server(Section):
    """The one HTTP listener."""

    host: str = Field("127.0.0.1", min_length=1, max_length=253)
    """Address to listen on. Any other than loopback needs a credential on every request."""
    port: int = Field(8080, ge=0, le=65535)
    """TCP port; 0 takes a free one and says which."""
    allowed_hosts: Texts = ()
    """Host names accepted besides the address listened on and loopback names (against DNS rebinding)."""
    public_url: str = Field("", pattern=r"^(https?://[^\s]+)?$")
    """Where others reach this daemon; empty: the address listened on."""


class Store(Section):
    """Where the log lives."""

    url: Annotated[str, Address()] = Field("", pattern=r"^(|memory:|sqlite:.+|postgres(ql)?://[^\s]+)$")
    """Empty: SQLite in the data directory. `sqlite:FOLDER`: elsewhere; `postgresql://USER@HOST/DATABASE`: there; `memory:`: kept nowhere."""


class Auth(Section):
    """Who may ask for anything."""

    mode: Literal["auto", "required"] = "auto"
    """`auto`: a request from loopback without a credential is the local operator. `required`: a credential always."""
    submit_api_keys: Annotated[tuple[Secret, ...], Strict(False)] = ()
    """Keys of tenant `default` that may submit, ingest, upload and read jobs; also the variable SUBMIT_API_KEYS."""


class Executor(Section):
    """The agents that this daemon runs itself."""

    slots: int = Field(4, ge=0, le=1000)
    """How many sessions run at once; 0: only workers run jobs."""
    lease_seconds: int = Field(120, ge=1, le=3600)
    """How long a lease lasts without a heartbeat."""


class Dispatch(Section):
    """Handing queued issues to the executor."""

    enabled: bool = False
    """Off: queued issues wait for agents that pull."""
    provider: Name = "claude"
    """Provider of an issue that names none."""
    model: str = ""
    """Model of an issue that names none; empty lets the provider choose."""
    success_state: Literal["in_review", "done"] = "in_review"
    """State of an issue whose session succeeded: `in_review` or `done`."""
    max_concurrent: int = Field(10, ge=0)
    """How many issues run at once, beside the limit of `executor.slots`; 0: none."""
    max_turns: int = Field(20, ge=1)
    """Turns after which a session is ended."""
    max_retry_backoff_ms: int = Field(300_000, ge=0)
    """Longest wait between attempts, in milliseconds; the wait starts at 10 s and doubles."""
    stall_timeout_ms: int = Field(300_000, ge=0)
    """Silence in milliseconds after which a session counts as stalled and is ended; 0: never."""


class Workspace(Section):
    """Where agents work."""

    root: str = ""
    """Folder of all workspaces; empty: `workspaces` in the data directory. Also the variable WORKSPACE_DIR."""
    strategy: Literal["worktree", "clone", "directory"] = "worktree"
    """How one is made: `worktree` of a shared clone, `clone` of its own, or `directory`, an empty folder."""
    repo: str = ""
    """Git address or path that workspaces are made from; empty: the issue's repository on GitHub."""
    commit: bool = True
    """Commit what a successful session left uncommitted on the issue's branch. Nothing is ever pushed."""
    allow: Texts = ()
    """Addresses other than https and ssh that may be used: `scheme://host:port` or a prefix of paths."""


class Hooks(Section):
    """Shell texts that run in the workspace (`bash -lc`); empty: none. They are trusted code."""

    after_create: str = ""
    """Once, when a workspace was made; failing discards it."""
    before_run: str = ""
    """Before each session; failing fails the attempt."""
    after_run: str = ""
    """After each session, whatever came of it; failing is only logged."""
    before_remove: str = ""
    """Before a workspace is removed; failing is only logged."""
    timeout_ms: int = Field(60_000, ge=1)
    """Milliseconds after which a hook is killed and counts as failed."""


class Tracker(Section):
    """Where issues live, and which of them become work."""

    kind: Annotated[str, Field(pattern=r"^([a-z][a-z0-9_-]{0,63})?$")] = ""
    """Name of the only tracker that is polled: `github`, `linear`, `files`; empty: each one that `[plugins]` configures."""
    poll_interval_ms: int = Field(30_000, ge=100)
    """Milliseconds between two polls of a tracker, a tenth more or less."""
    active_states: Texts = ()
    """States of a tracker in which an issue is work to do; empty: as its plugin says."""
    terminal_states: Texts = ()
    """States in which an issue has ended, beside those that the tracker itself knows as such."""
    required_labels: Texts = ()
    """Labels that an issue must all carry to be queued."""
    trusted_associations: Texts = ("OWNER", "MEMBER", "COLLABORATOR")
    """Authors (GitHub's author_association) whose issues are queued without approval."""


class Plugins(Section):
    """Which plugins are loaded; every other table here, `[plugins.NAME]`, is the configuration of that plugin."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, FreeTable]

    allow: Texts = ()
    """Names of the only plugins that are loaded; empty: all."""
    disabled: Texts = ()
    """Names of plugins that are not loaded."""
    dir: str = ""
    """Folder of one-file plugins; empty: none."""

    def whole(self) -> dict[str, Any]:
        """The section with the tables of its plugins."""
        return {**self.model_dump(), **(self.model_extra or {})}


class Actors(Section):
    """The actors that decide about issues, agents and jobs."""

    max_active: int = Field(4096, ge=16)
    """How many stay in memory; the least recently used are put to rest first."""


class Duties(Section):
    """What Rig looks after by itself, in rounds. Time in which Rig was down counts for nobody."""

    stale_interval_seconds: int = Field(600, ge=1)
    """Seconds between two rounds that look for agents that are silent and keep no lease."""
    stale_after_seconds: int = Field(1800, ge=1)
    """Silence after which an agent that holds an issue is stuck and the issue is queued again."""
    stale_after_by_agent: dict[str, Annotated[int, Field(ge=1)]] = {}
    """The same for single agents, by their ids."""
    lease_grace_seconds: int = Field(60, ge=1, le=3600)
    """Uptime before which no lease ends: time for every agent to be heard once after a start."""
    reassign_after_seconds: int = Field(600, ge=1)
    """Silence after which an issue that an agent was assigned and has not begun is queued again."""
    orphan_interval_seconds: int = Field(3600, ge=1)
    """Seconds between two rounds that look for issues that nobody claims."""
    orphan_after_seconds: int = Field(86_400, ge=1)
    """Wait after which an unclaimed issue is an orphan."""
    needs_human_after_seconds: int = Field(172_800, ge=1)
    """Wait after which an orphan leaves the queue and needs a human."""
    dependency_interval_seconds: int = Field(900, ge=1)
    """Seconds between two looks at deep health."""
    dependency_looks: int = Field(3, ge=1, le=200)
    """Looks in a row that must find a dependency broken before the alarm is raised."""
    dependency_span_seconds: int = Field(1800, ge=0, le=14_400)
    """Time that those looks must span at least."""

    @model_validator(mode="after")
    def _orphans_first(self) -> "Duties":
        if self.needs_human_after_seconds <= self.orphan_after_seconds:
            raise ValueError("needs_human_after_seconds must be more than orphan_after_seconds")
        return self


class Vault(Section):
    """How secrets are sealed."""

    key_file: str = ""
    """File of the master key, mode 0600; empty: `master.key` in the data directory. RIG_MASTER_KEY goes before it."""


class Prices(Section):
    """What tokens cost."""

    file: str = ""
    """File of prices that go before the built-in ones; empty: none."""


class Webhooks(Section):
    """The inbox of webhooks."""

    keep_days: int = Field(7, ge=1, le=90)
    """Days for which the raw body of a delivery is kept, so that it can be replayed."""
    retry_seconds: int = Field(60, ge=1, le=300)
    """Seconds after which a delivery that its plugin could not read is tried again; twice as long each time, eight times."""


class WebhookSource(Section):
    """A sender of webhooks, reached at `/api/webhooks/NAME`."""

    name: Name
    """Name in the path."""
    type: Name
    """Which plugin reads its deliveries, for example `github`."""
    secret: Secret
    """What deliveries are signed with."""
    secret_previous: Secret | None = None
    """The secret before the last rotation, still accepted; absent: none."""
    tenant: str = Field("default", min_length=1, max_length=128)
    """Tenant that its deliveries belong to."""
    requests_per_minute: int = Field(600, ge=0, le=100_000)
    """Requests that are let in within a minute, good or bad; 0: no limit."""


class Settings(Section):
    """The configuration as a whole; the keys of `rig.toml`."""

    server: Server = Server()
    store: Store = Store()
    auth: Auth = Auth()
    executor: Executor = Executor()
    dispatch: Dispatch = Dispatch()
    workspace: Workspace = Workspace()
    hooks: Hooks = Hooks()
    tracker: Tracker = Tracker()
    providers: dict[Name, FreeTable] = {}
    """`[providers.NAME]`: the keys are those of the provider's own model."""
    plugins: Plugins = Plugins()
    actors: Actors = Actors()
    duties: Duties = Duties()
    vault: Vault = Vault()
    prices: Prices = Prices()
    webhooks: Webhooks = Webhooks()
    webhook_sources: Annotated[tuple[WebhookSource, ...], Strict(False)] = ()
    """`[[webhook_sources]]`: senders of webhooks; over HTTP these are read-only."""

    @field_validator("webhook_sources")
    @classmethod
    def _one_source_a_name(cls, sources: tuple[WebhookSource, ...]) -> tuple[WebhookSource, ...]:
        names = [source.name for source in sources]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two sources have the name {', '.join(twice)}")
        return sources

    @model_validator(mode="before")
    @classmethod
    def _no_nulls(cls, values: Any) -> Any:
        if null := next(_nulls(values, ""), None):
            raise ValueError(f"{null} is null; leave a key out to have its default")
        return values


def _nulls(value: Any, path: str) -> Any:
    if value is None:
        yield path
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _nulls(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _nulls(inner, path)
