"""The read models as tables: which rows they hold, which columns lists may filter and sort by, and how folds reach them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, Literal, Protocol, TypeVar

from rig.clock import Micros
from rig.model import rows, spend
from rig.model.rows import Row

INTEGER: Literal["INTEGER"] = "INTEGER"
R = TypeVar("R", bound=Row)
Column = str | int | None
Where = tuple[tuple[str, Literal["=", "<", "<=", ">", ">=", "in"], Any], ...]
"""Conditions that all hold: column, operator, value (several for ``in``)."""


@dataclass(frozen=True, eq=False)
class Table(Generic[R]):
    """A read model. ``columns`` are copies of fields for lists; the row itself is one JSON document."""

    name: str
    row: type[R]
    columns: tuple[tuple[str, Literal["TEXT", "INTEGER"]], ...]
    extract: Callable[[R], tuple[Column, ...]]
    indexes: tuple[tuple[str, ...], ...] = ()
    """Every index starts with the tenant by itself. Each costs every write, so there is none that no list reads.

    One that ends with ``key`` has the whole order of a list, which is then paged without reading the rows before the page. Where
    one lacks it, SQLite rather walks all rows by their keys than sort those that match.
    """
    sums: tuple[str, ...] = ()
    """Columns that ``Snapshot.totals`` adds up."""

    def __reduce__(self) -> tuple[Callable[[str], "Table[Any]"], tuple[str]]:
        return named, (self.name,)  # so that a query can go to another process


@dataclass(frozen=True)
class Query(Generic[R]):
    """A list of rows in a total order: by ``order`` (column, or ``-column`` for descending), then by key in the last's direction."""

    table: Table[R]
    tenant: str
    where: Where = ()
    order: tuple[str, ...] = ()
    limit: int = 100
    offset: int = 0
    after_key: str | None = None
    """Only rows whose key is greater; for paging by key without an order."""


@dataclass(frozen=True)
class Since:
    """The instant from which running totals count.

    Rows of ``history`` say how a total stood after each change of it: columns ``at``, and with ``prefix`` before them ``account``
    (``opened`` of the total), ``lines`` (the how many-th change it was) and the sums. Times never fall as changes come (I10).
    """

    history: Table[Any]
    prefix: str
    at: Micros


class Tables(Protocol):
    """What a fold sees: the rows of one tenant as they stand after the event before."""

    def get(self, table: Table[R], key: str) -> R | None: ...

    def put(self, table: Table[R], key: str, row: R) -> None: ...

    def delete(self, table: Table[Any], key: str) -> None: ...

    def scan(self, table: Table[R], prefix: str) -> Iterator[tuple[str, R]]:
        """Rows whose key is ``prefix`` and one part more, in key order; parts of a key end with a line break, so does the prefix."""
        ...


def prefix_of(key: str) -> str:
    """The prefix under which a scan finds a key, empty for a key of one part."""
    return key[: key.rfind("\n") + 1]


ISSUES = Table(
    "issues",
    rows.IssueRow,
    (("state", "TEXT"), ("repo", "TEXT"), ("number", "INTEGER"), ("branch", "TEXT"), ("pr_number", "INTEGER")),
    lambda r: (r.state, r.repo, r.number, r.branch, r.pr_number),
    (("repo", "number", "key"), ("state", "repo", "number", "key")),
)
QUEUE = Table(
    "queue",
    rows.QueueRow,
    (
        ("ready", "INTEGER"),
        ("pool", "TEXT"),
        ("rank", "INTEGER"),
        ("queued_sequence", "INTEGER"),
        ("not_before", "INTEGER"),
    ),
    lambda r: (int(r.ready), r.pool, r.rank, r.queued_sequence, r.not_before),
    (("ready", "rank", "queued_sequence", "key", "pool", "not_before"),),
)
LINKS = Table("links", rows.LinkRow, (), lambda r: ())
AGENTS = Table("agents", rows.AgentRow, (("status", "TEXT"), ("known", "INTEGER")), lambda r: (r.status, int(r.known)))
STREAMS = Table("streams", rows.StreamRow, (), lambda r: ())
ENTRIES = Table("entries", rows.EntryRow, (), lambda r: ())
JOBS = Table(
    "jobs",
    rows.JobRow,
    (("state", "TEXT"), ("issue", "TEXT"), ("number", "INTEGER")),
    lambda r: (r.state, r.issue, r.number),
    (("number",),),
)
COUNTS = Table("counts", rows.CountRow, (), lambda r: ())
EXECUTIONS = Table(
    "executions",
    rows.ExecutionRow,
    (("status", "TEXT"), ("issue", "TEXT"), ("agent", "TEXT"), ("job", "TEXT"), ("started_at", "INTEGER")),
    lambda r: (r.status, r.issue, r.agent, r.job, r.started_at),
    (("started_at", "key"), ("status", "started_at", "key"), ("issue", "started_at", "key")),
)
LEASES = Table(
    "leases",
    rows.LeaseRow,
    (("state", "TEXT"), ("issue", "TEXT"), ("agent", "TEXT")),
    lambda r: (r.state, r.issue, r.agent),
    (("state", "key"),),
)


_REPO = len(spend.REPO_SUMS)


def _sums(prefix: str = "", names: tuple[str, ...] = spend.SUMS) -> tuple[tuple[str, Literal["INTEGER"]], ...]:
    return tuple((f"{prefix}{name}", INTEGER) for name in names)


def _history(prefix: str, names: tuple[str, ...] = spend.SUMS) -> tuple[str, ...]:
    """The index of a history, which has all that ``Since`` asks of it."""
    return (f"{prefix}account", "at", f"{prefix}lines", *(f"{prefix}{name}" for name in names if name != "lines"))


USAGE = Table(
    "usage",
    rows.UsageRow,
    (
        ("agent", "TEXT"),
        ("issue", "TEXT"),
        ("execution", "TEXT"),
        ("category", "TEXT"),
        ("at", "INTEGER"),
        *_sums(),
        ("repo_account", INTEGER),
        *_sums("repo_", spend.REPO_SUMS),
        ("category_account", INTEGER),
        *_sums("category_"),
    ),
    lambda r: (
        *(r.agent, r.issue, r.execution, r.category, r.at),
        *spend.columns(spend.of_line(r)),
        r.repo_account,
        *spend.columns(r.repo_total)[:_REPO],
        r.category_account,
        *spend.columns(r.category_total),
    ),
    (("issue", "key"), _history("repo_", spend.REPO_SUMS), _history("category_")),
    spend.SUMS,
)
SPEND_BY_REPO = Table(
    "spend_by_repo",
    rows.SpendRow,
    (
        *(("agent", "TEXT"), ("repo", "TEXT"), ("display", "TEXT"), ("opened", "INTEGER"), ("last_at", "INTEGER")),
        *_sums(names=spend.REPO_SUMS),
    ),
    lambda r: (r.agent, r.repo, r.display, r.opened, r.last_at, *spend.columns(r.total)[:_REPO]),
    sums=spend.REPO_SUMS,
)
SPEND_BY_CATEGORY = Table(
    "spend_by_category",
    rows.SpendRow,
    (
        *(("agent", "TEXT"), ("category", "TEXT"), ("display", "TEXT"), ("opened", "INTEGER"), ("last_at", "INTEGER")),
        *_sums(),
    ),
    lambda r: (r.agent, r.category, r.display, r.opened, r.last_at, *spend.columns(r.total)),
    sums=spend.SUMS,
)
SPEND_BY_DAY = Table(
    "spend_by_day",
    rows.SpendRow,
    (("date", "TEXT"), ("agent", "TEXT"), ("display", "TEXT"), *_sums()),
    lambda r: (r.date, r.agent, r.display, *spend.columns(r.total)),
    sums=spend.SUMS,
)
KEYS = Table(
    "keys",
    rows.KeyRow,
    (("digest", "TEXT"), ("api", "INTEGER"), ("live_execution", "TEXT")),
    lambda r: (r.digest, int(r.execution is None), r.execution if r.revoked_at is None else None),
    (("digest", "key"), ("api", "key"), ("live_execution",)),
)
DELIVERIES = Table(
    "deliveries",
    rows.DeliveryRow,
    (("source", "TEXT"), ("at", "INTEGER"), ("id", "TEXT"), ("state", "TEXT"), ("body", "TEXT"), ("kept", "INTEGER")),
    lambda r: (r.source, r.at, r.id, r.state, r.body, int(r.body is not None)),
    (("at",), ("id", "at", "key"), ("body", "at", "key")),
)
QUESTIONS = Table("questions", rows.QuestionRow, (("lease", "TEXT"),), lambda r: (r.lease,), (("lease", "key"),))
STEERS = Table(
    "steers",
    rows.SteerRow,
    (("issue", "TEXT"), ("requested_sequence", "INTEGER")),
    lambda r: (r.issue, r.requested_sequence),
    (("issue", "requested_sequence"),),
)
REVIEWS = Table(
    "reviews",
    rows.ReviewRow,
    (("rank", "INTEGER"), ("queued_sequence", "INTEGER")),
    lambda r: (r.rank, r.queued_sequence),
    (("rank", "queued_sequence"),),
)
ATTENTION = Table("attention", rows.AttentionRow, (("since", "INTEGER"),), lambda r: (r.since,), (("since",),))
UNAPPLIED = Table("unapplied", rows.UnappliedRow, (("stream", "TEXT"),), lambda r: (r.stream,), (("stream", "key"),))
TRACKED = Table(
    "tracked",
    rows.TrackedRow,
    (("tracker", "TEXT"), ("stream", "TEXT")),
    lambda r: (r.tracker, r.stream),
    (("tracker", "key"), ("stream", "key")),
)
OVERLAY = Table("overlay", rows.OverlayRow, (), lambda r: ())
SEGMENTS = Table("segments", rows.SegmentRow, (("execution", "TEXT"),), lambda r: (r.execution,))

ALL: tuple[Table[Any], ...] = (
    ISSUES,
    QUEUE,
    LINKS,
    AGENTS,
    STREAMS,
    ENTRIES,
    JOBS,
    COUNTS,
    EXECUTIONS,
    LEASES,
    USAGE,
    SPEND_BY_REPO,
    SPEND_BY_CATEGORY,
    SPEND_BY_DAY,
    KEYS,
    DELIVERIES,
    QUESTIONS,
    STEERS,
    REVIEWS,
    ATTENTION,
    UNAPPLIED,
    TRACKED,
    OVERLAY,
    SEGMENTS,
)
"""Every read model, in the order that ``rig rebuild`` prints them."""

BY_NAME: dict[str, Table[Any]] = {t.name: t for t in ALL}


def named(name: str) -> Table[Any]:
    """The table of a name; raises KeyError."""
    return BY_NAME[name]
