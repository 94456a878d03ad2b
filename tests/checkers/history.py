"""What clients saw of leases, held against the log: times by one monotonic clock, positions by the log, nothing by trust.

An answer was decided between its request and itself: after every event whose answer had come before the request, and before
every event whose request came after the answer. Those are the prefixes of the log that may explain it.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise

from tests.checkers.leases import Book, Entry, Fault, Lease

GRANTS = ("issue_assigned", "lease_granted")
"""What a claim leaves: of the queue's head, of what was assigned to the agent before."""
WRITES = {
    "claim": "issue_assigned",
    "start": "work_started",
    "complete": "work_completed",
    "done": "issue_done",
    "fail": "work_failed",
    "release": "issue_unassigned",
}
"""What a client does to the event that it leaves; a heartbeat leaves none."""


@dataclass(frozen=True)
class Call:
    """One thing that a client did, repeats of a lost request included. Times are monotonic seconds."""

    agent: str
    kind: str
    sent: float
    got: float | None = None
    """None: the client never learnt what became of it."""
    status: int | None = None
    code: str = ""
    issue: str = ""
    lease: str = ""
    fence: int = 0
    expires: int = 0
    """Microseconds until which the lease was promised to live."""
    forged: bool = False
    """Whether agent, lease and fence never belonged together."""

    def __str__(self) -> str:
        return f"{self.kind} of {self.agent} ({self.issue} {self.lease} fence {self.fence}, {self.status})"


@dataclass(frozen=True)
class Limits:
    """How long things may take. ``down`` and ``grace`` are spans of microseconds: without a daemon, and without expiries."""

    wait: float
    """Seconds for which the head of the queue may stand there while somebody asks."""
    expiry: float
    """Seconds after its promised end by which a lease must have ended."""
    down: tuple[tuple[int, int], ...] = ()
    grace: tuple[tuple[int, int], ...] = ()


@dataclass
class Verdict:
    """What was found, and how much there was to look at."""

    faults: list[Fault]
    grants: int = 0
    pushed: int = 0
    """Grants of what had been assigned to the agent before."""
    ended: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    longest_wait: float = 0.0
    """Seconds that the head of the queue stood there while nothing was handed out, at most."""


def check(calls: Sequence[Call], log: Iterable[Entry], limits: Limits) -> Verdict:
    """Every fault of a history that is over: each issue of it must be done."""
    return _Trial(calls, list(log), limits).verdict()


class _Trial:
    def __init__(self, calls: Sequence[Call], log: list[Entry], limits: Limits) -> None:
        self.calls, self.log, self.limits = calls, log, limits
        self.book = Book()
        self.found = Verdict(self.book.faults)
        self.idle = [1]
        """By prefix of the log: 1 when nothing could be claimed after it."""

    def verdict(self) -> Verdict:
        self._read_log()
        self._match_writes()
        self._place()
        for call in self.calls:
            self._explain(call)
        self._one_holder_at_any_time()
        self._expiries()
        for issue in self.book.issues.values():
            if issue.state != "done":
                self._fault("unfinished", issue.stream, f"is {issue.state} in the end")
        self.found.ended.update(lease.end or "live" for lease in self.book.leases.values())
        self.found.answers.update(f"{call.kind} {call.status or 'lost'}" for call in self.calls)
        return self.found

    def _fault(self, rule: str, where: object, what: str) -> None:
        self.book.faults.append(Fault(rule, str(where), what))

    def _read_log(self) -> None:
        last_grant = 0
        for entry in self.log:
            issue = self.book.issues.get(entry.stream)
            ready_since = issue.ready_since if issue is not None else 0
            self.book.apply(entry)
            if entry.type in GRANTS and "leaseId" in entry.data:
                self.found.grants += 1
                self.found.pushed += entry.type == "lease_granted"
            if entry.type == "issue_assigned" and "leaseId" in entry.data:
                since = max(ready_since, last_grant)
                waited = (entry.at - since - _overlap(since, entry.at, self.limits.down)) / 1e6
                self.found.longest_wait = max(waited, self.found.longest_wait)
                if waited > self.limits.wait:
                    self._fault("starved", f"sequence {entry.sequence}", f"{entry.stream} was next for {waited:.1f} s")
                last_grant = entry.at
            self.idle.append(self.book.head(entry.at) is None)

    def _match_writes(self) -> None:
        """Acknowledged writes are in the log, no more of them than were asked for, and none that was refused."""
        stored = Counter((_written(e), e.data.get("leaseId"), e.data.get("fence")) for e in self.log if e.data.get("leaseId"))
        asked: dict[tuple[str, str, int], list[int]] = defaultdict(lambda: [0, 0])
        lost_claims: Counter[str] = Counter()
        claimed: set[str] = set()
        for call in self.calls:
            if call.kind == "claim" and call.status is None:
                lost_claims[call.agent] += 1
            elif call.kind in WRITES and call.status in (200, None):
                asked[WRITES[call.kind], call.lease, call.fence][call.status is None] += 1
                if call.kind == "claim":
                    claimed.add(call.lease)
        for key, (done, _) in asked.items():
            if stored[key] < done:
                self._fault("lost", f"{key[0]} of {key[1]}", f"{done} were acknowledged and {stored[key]} are in the log")
        for (type_, lease_id, fence), times in stored.items():
            if type_ in WRITES.values() and type_ != "issue_assigned":
                wanted = sum(asked.get((type_, str(lease_id), int(fence or 0)), (0, 0)))
                if times > wanted:
                    self._fault("not asked for", f"{type_} of {lease_id}", f"{times} are in the log, {wanted} were asked for")
        for lease in self.book.leases.values():
            if lease.id not in claimed:
                lost_claims[lease.agent] -= 1
        for agent, left in lost_claims.items():
            if left < 0:
                self._fault("not asked for", agent, f"{-left} leases more than it claimed")

    def _place(self) -> None:
        """Give acknowledged writes their sequences, and with them every instant a first and a last prefix that it may be."""
        places: dict[tuple[str, str, int], list[int]] = defaultdict(list)
        for entry in self.log:
            if entry.data.get("leaseId"):
                places[_written(entry), entry.data["leaseId"], entry.data["fence"]].append(entry.sequence)
        self.placed: dict[int, int] = {}
        for number, call in enumerate(self.calls):
            if call.status == 200 and call.kind in WRITES:
                at = places.get((WRITES[call.kind], call.lease, call.fence), [])
                if len(at) == 1:
                    self.placed[number] = at[0]
        known = [(self.calls[n], at) for n, at in self.placed.items()]
        by_end = sorted((call.got or 0.0, at) for call, at in known)
        self._ends = [time for time, _ in by_end]
        self._floor = [0, *accumulate((at for _, at in by_end), max)]
        by_start = sorted(((call.sent, at) for call, at in known), reverse=True)
        self._starts = [-time for time, _ in by_start]
        self._ceiling = [len(self.log) + 1, *accumulate((at for _, at in by_start), min)]
        self._idle_before = [0, *accumulate(self.idle)]

    def _prefixes(self, call: Call) -> range:
        """Lengths of the log that may have been all there was when the call was decided."""
        assert call.got is not None
        first = self._floor[bisect_left(self._ends, call.sent)]
        beyond = self._ceiling[bisect_left(self._starts, -call.got)]
        return range(first, max(beyond, first + 1))

    def _explain(self, call: Call) -> None:
        if call.got is None:
            return
        may = self._prefixes(call)
        if call.kind == "claim":
            if call.status == 204 and self._idle_before[may.stop] == self._idle_before[may.start]:
                self._fault("told empty", call, f"there was something to claim after each of {may.start} … {may.stop - 1}")
            elif call.status == 204 and any(
                p.stands_at(may.start) and p.stands_at(may.stop - 1) for p in self.book.pushes.get(call.agent, ())
            ):
                self._fault("told empty", call, f"an issue was assigned to it from {may.start} to {may.stop - 1}")
            elif call.status == 200:
                self._granted_as_told(call)
            elif call.status != 204:
                self._fault("answer", call, call.code)
            return
        if call.status not in (200, 409) or (call.status == 409 and call.code != "stale_lease"):
            self._fault("answer", call, call.code)
            return
        lease = self.book.leases.get(call.lease)
        rightful = lease is not None and not call.forged and (lease.fence, lease.agent) == (call.fence, call.agent)
        if call.status == 200 and not (rightful and lease is not None and _alive_at_some(lease, may)):
            self._fault("stale accepted", call, f"the lease was not alive after any of {may.start} … {may.stop - 1}")
        if call.status == 409 and rightful and lease is not None and lease.lives_at(may.start) and lease.lives_at(may.stop - 1):
            self._fault("live refused", call, f"the lease was alive from {lease.granted} to {lease.ended}")

    def _granted_as_told(self, call: Call) -> None:
        lease = self.book.leases.get(call.lease)
        if lease is not None and (lease.issue, lease.fence, lease.agent) != (call.issue, call.fence, call.agent):
            self._fault("answer", call, f"the log says {lease.issue} with fence {lease.fence} for {lease.agent}")

    def _one_holder_at_any_time(self) -> None:
        """By the clients' clock alone: from the answer of its claim to the last request that it proved, a lease was held.

        And by the log's order: what was answered before something else was asked stands before it.
        """
        spans: dict[str, dict[str, list[float]]] = defaultdict(dict)
        for call in self.calls:
            if call.kind == "claim" and call.status == 200 and call.got is not None:
                spans[call.issue][call.lease] = [call.got, call.got]
        for call in self.calls:
            span = spans.get(call.issue, {}).get(call.lease)
            if call.kind != "claim" and call.status == 200 and span is not None:
                span[1] = max(span[1], call.sent)
        for issue, leases in spans.items():
            held = sorted((begin, end, lease) for lease, (begin, end) in leases.items())
            for (_, end, one), (begin, _, other) in pairwise(held):
                if begin < end:
                    self._fault("two holders", issue, f"{one} was proven {end - begin:.3f} s after {other} was held")
        for number, at in self.placed.items():
            call = self.calls[number]
            if not self._floor[bisect_left(self._ends, call.sent)] < at <= self._before_next(call):
                self._fault("real time", call, f"is at {at} in the log, which other answers contradict")

    def _before_next(self, call: Call) -> int:
        assert call.got is not None
        return self._ceiling[bisect_left(self._starts, -call.got)] - 1

    def _expiries(self) -> None:
        promised: Counter[str] = Counter()
        vague: set[str] = set()
        for call in self.calls:
            if call.kind in ("claim", "heartbeat") and call.status == 200:
                promised[call.lease] = max(promised[call.lease], call.expires)
            elif call.kind == "heartbeat" and call.status is None:
                vague.add(call.lease)
        for entry in self.log:
            if entry.type != "lease_expired" or not (due := promised[entry.data.get("leaseId", "")]):
                continue
            if entry.at < due:
                self._fault("early expiry", f"sequence {entry.sequence}", f"{(due - entry.at) / 1e6:.3f} s before its time")
            for begin, end in sorted((*self.limits.grace, *self.limits.down)):
                due = end if begin <= due <= end else due
            late = (entry.at - due) / 1e6
            if late > self.limits.expiry and entry.data["leaseId"] not in vague:
                self._fault("late expiry", f"sequence {entry.sequence}", f"{late:.1f} s after its time")


def _written(entry: Entry) -> str:
    """The type of an event, the same for both kinds of grants."""
    return "issue_assigned" if entry.type in GRANTS else entry.type


def _alive_at_some(lease: Lease, may: range) -> bool:
    return lease.granted < may.stop and (lease.ended is None or lease.ended > may.start)


def _overlap(begin: int, end: int, spans: Iterable[tuple[int, int]]) -> int:
    return sum(max(0, min(end, until) - max(begin, since)) for since, until in spans)
