"""The log of issues and leases, told again by a second and smaller model: who holds what, and who is next."""

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

RANKS = {"critical": 0, "high": 1, "normal": 2, "low": 3}


@dataclass(frozen=True)
class Entry:
    """One event of the log. ``at`` is microseconds since 1970."""

    sequence: int
    stream: str
    type: str
    at: int
    data: Mapping[str, Any]

    @classmethod
    def of(cls, line: Mapping[str, Any]) -> "Entry":
        """From a line of ``rig export`` or a frame of the event stream."""
        return cls(line["sequence"], line["streamId"], line["type"], micros(line["at"]), line["data"])


def micros(text: str) -> int:
    moment = datetime.fromisoformat(text)
    return int(moment.timestamp()) * 1_000_000 + moment.microsecond


@dataclass(frozen=True)
class Fault:
    """A promise that a history breaks."""

    rule: str
    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.rule} at {self.where}: {self.what}"


@dataclass
class Lease:
    """A lease that was granted; it lives from its grant up to, not including, ``ended``."""

    id: str
    issue: str
    fence: int
    agent: str
    granted: int
    ended: int | None = None
    end: str = ""
    """The type of the event that ended it."""

    def lives_at(self, sequence: int) -> bool:
        """Once the event of ``sequence`` was stored and nothing after it."""
        return self.granted <= sequence and (self.ended is None or sequence < self.ended)


@dataclass
class Push:
    """An assignment to an agent that takes it up by its next claim; it stands until then, or until it is withdrawn."""

    issue: str
    agent: str
    given: int
    ended: int | None = None

    def stands_at(self, sequence: int) -> bool:
        return self.given <= sequence and (self.ended is None or sequence < self.ended)


@dataclass
class Issue:
    """An issue as the queue sees it: ``queued``, ``held``, ``done`` or ``failed``."""

    stream: str
    rank: int = 2
    depends_on: tuple[str, ...] = ()
    state: str = "queued"
    queued: int = 0
    """Sequence of the event that queued it last."""
    not_before: int = 0
    ready_since: int = 0
    """When it was last queued, and nothing that it depends on was open any more, and its wait was over."""
    lease: Lease | None = None
    push: Push | None = None
    """Under which it is held without a lease."""
    fence: int = 0
    """The highest that was ever given."""

    @property
    def agent(self) -> str | None:
        """Who holds it."""
        holder = self.lease or self.push
        return holder.agent if holder is not None else None

    @property
    def place(self) -> tuple[int, int, str]:
        return self.rank, self.queued, self.stream


@dataclass
class Book:
    """Everything that the log says of issues, and what must not stand in it. Feed it each event in order."""

    issues: dict[str, Issue] = field(default_factory=dict)
    leases: dict[str, Lease] = field(default_factory=dict)
    pushes: dict[str, list[Push]] = field(default_factory=dict)
    """By agent, in the order in which they were given."""
    faults: list[Fault] = field(default_factory=list)
    sequence: int = 0
    _ready: list[tuple[int, int, str]] = field(default_factory=list)
    _later: list[tuple[int, str]] = field(default_factory=list)
    _dependents: dict[str, set[str]] = field(default_factory=dict)

    def head(self, now: int) -> Issue | None:
        """The issue that a claim at ``now`` must get, None when there is none. ``now`` never goes back."""
        while self._later and self._later[0][0] <= now:
            issue = self.issues[heapq.heappop(self._later)[1]]
            if issue.state == "queued":
                heapq.heappush(self._ready, issue.place)
        while self._ready:
            issue = self.issues[self._ready[0][2]]
            if issue.place == self._ready[0] and issue.state == "queued" and issue.not_before <= now and not self.open(issue):
                return issue
            heapq.heappop(self._ready)
        return None

    def open(self, issue: Issue) -> bool:
        """Whether something that it depends on is not done."""
        return any(d not in self.issues or self.issues[d].state != "done" for d in issue.depends_on)

    def apply(self, entry: Entry) -> None:
        if entry.sequence != self.sequence + 1:
            self._fault("gap", entry, f"the log goes on after {self.sequence}")
        self.sequence = entry.sequence
        if "#" not in entry.stream:
            return
        if entry.type == "issue_approved":
            self._approve(entry)
            return
        issue = self.issues.get(entry.stream)
        if issue is None:
            self._fault("unknown issue", entry, entry.type)
            return
        proof = entry.data.get("leaseId"), entry.data.get("fence")
        if entry.type in ("issue_assigned", "lease_granted"):
            if proof[0] is None:
                self._push(issue, entry)
            else:
                self._grant(issue, entry)
        elif proof[0] is not None and not self._proven(issue, entry):
            held = f"{issue.lease.id} holds it with fence {issue.lease.fence}" if issue.lease else f"it is {issue.state}"
            self._fault("stale effect", entry, f"{entry.type} of lease {proof[0]} with fence {proof[1]}, and {held}")
        else:
            self._follow(issue, entry)

    def _proven(self, issue: Issue, entry: Entry) -> bool:
        lease = issue.lease
        return (
            lease is not None
            and (lease.id, lease.fence) == (entry.data["leaseId"], entry.data.get("fence"))
            and entry.data.get("agentId", lease.agent) == lease.agent
        )

    def _approve(self, entry: Entry) -> None:
        issue = self.issues.setdefault(entry.stream, Issue(entry.stream))
        if issue.state == "held":
            return
        issue.rank = RANKS[entry.data["priority"]] if "priority" in entry.data else issue.rank
        if "dependsOn" in entry.data:
            issue.depends_on = tuple(entry.data["dependsOn"])
            for blocker in issue.depends_on:
                self._dependents.setdefault(blocker, set()).add(issue.stream)
        self._queue(issue, entry)

    def _grant(self, issue: Issue, entry: Entry) -> None:
        id_, fence, agent = entry.data["leaseId"], entry.data["fence"], entry.data["agentId"]
        own = self.pushed(agent)
        if issue.lease is not None:
            self._fault("double lease", entry, f"{issue.lease.id} holds {issue.stream} since {issue.lease.granted}")
        elif own is not None or entry.type == "lease_granted":
            if own is None or own.issue != issue.stream:
                self._fault("order", entry, f"{issue.stream} was handed out, and {own} was assigned to {agent}")
        elif issue.state != "queued":
            self._fault("not queued", entry, f"{issue.stream} is {issue.state}")
        elif self.open(issue) or issue.not_before > entry.at:
            self._fault("not ready", entry, f"{issue.stream} depends on {issue.depends_on} and waits until {issue.not_before}")
        else:
            head = self.head(entry.at)
            if head is not issue:
                self._fault("order", entry, f"{issue.place} was handed out before {head.place if head else None}")
        if fence <= issue.fence:
            self._fault("fence", entry, f"{issue.stream} got fence {fence} after {issue.fence}")
        if id_ in self.leases:
            self._fault("lease id", entry, f"{id_} was given before")
        self._end(issue, entry)
        issue.state, issue.fence = "held", max(fence, issue.fence)
        issue.lease = self.leases[id_] = Lease(id_, issue.stream, fence, agent, entry.sequence)

    def pushed(self, agent: str) -> Push | None:
        """What the agent's next claim must get before the queue's head; None: nothing."""
        return next((push for push in self.pushes.get(agent, ()) if push.ended is None), None)

    def _push(self, issue: Issue, entry: Entry) -> None:
        if issue.state != "queued":
            return
        push = Push(issue.stream, entry.data["agentId"], entry.sequence)
        self.pushes.setdefault(push.agent, []).append(push)
        self._end(issue, entry)
        issue.state, issue.push = "held", push

    def _follow(self, issue: Issue, entry: Entry) -> None:
        held = issue.state == "held"
        match entry.type:
            case "work_started" if held:
                pass
            case "issue_unassigned":
                if held and entry.data.get("agentId", issue.agent) == issue.agent:
                    self._queue(issue, entry)
            case "lease_expired" | "lease_released" if held:
                self._queue(issue, entry, entry.data.get("retryAt") or 0)
            case "work_failed" if held:
                self._queue(issue, entry, entry.data.get("retryAt") or 0)
            case "work_completed" if held and entry.data["state"] == "done":
                self._done(issue, entry)
            case "issue_done":
                if issue.state in ("held", "queued"):
                    self._done(issue, entry)
            case "issue_forced_done" if issue.state != "done":
                self._done(issue, entry)
            case _:
                self._fault("not expected", entry, f"{entry.type} while {issue.stream} is {issue.state}")

    def _queue(self, issue: Issue, entry: Entry, not_before: int = 0) -> None:
        was_done = issue.state == "done"
        self._end(issue, entry)
        issue.state, issue.queued, issue.not_before = "queued", entry.sequence, not_before
        self._offer(issue, entry.at)
        if was_done:
            for name in self._dependents.get(issue.stream, ()):
                self.issues[name].ready_since = entry.at

    def _offer(self, issue: Issue, now: int) -> None:
        issue.ready_since = max(now, issue.not_before)
        if issue.not_before > now:
            heapq.heappush(self._later, (issue.not_before, issue.stream))
        heapq.heappush(self._ready, issue.place)

    def _done(self, issue: Issue, entry: Entry) -> None:
        self._end(issue, entry)
        issue.state = "done"
        for name in self._dependents.get(issue.stream, ()):
            if self.issues[name].state == "queued":
                self._offer(self.issues[name], entry.at)

    def _end(self, issue: Issue, entry: Entry) -> None:
        if issue.lease is not None:
            issue.lease.ended, issue.lease.end = entry.sequence, entry.type
        if issue.push is not None:
            issue.push.ended = entry.sequence
        issue.lease = issue.push = None

    def _fault(self, rule: str, entry: Entry, what: str) -> None:
        self.faults.append(Fault(rule, f"sequence {entry.sequence}", what))
