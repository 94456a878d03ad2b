"""Histories in the making, for tests of their judge."""

from dataclasses import dataclass, field
from typing import Any

from tests.checkers.history import Call, Limits, Verdict, check
from tests.checkers.leases import Entry

SECOND = 1_000_000
LIMITS = Limits(wait=5, expiry=2)
NAMES = {
    "start": "work_started",
    "complete": "work_completed",
    "done": "issue_done",
    "fail": "work_failed",
    "release": "issue_unassigned",
}


@dataclass
class Story:
    """A history in the making: each step takes a second, and what a client does is answered within it."""

    log: list[Entry] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    seconds: int = 0

    @property
    def at(self) -> int:
        return self.seconds * SECOND

    def event(self, issue: int, type_: str, **data: Any) -> None:
        self.log.append(Entry(len(self.log) + 1, f"acme/app#{issue}", type_, self.at, data))

    def call(self, agent: str, kind: str, **more: Any) -> None:
        more = {"got": self.seconds + 0.5, "status": 200} | more
        self.calls.append(Call(agent, kind, self.seconds - 0.4, **more))

    def approve(self, issue: int, priority: str = "normal", *depends_on: int) -> None:
        self.event(issue, "issue_approved", priority=priority, dependsOn=[f"acme/app#{n}" for n in depends_on])

    def push(self, agent: str, issue: int) -> None:
        self.event(issue, "issue_assigned", agentId=agent)

    def claim(self, agent: str, issue: int, fence: int = 1, lease: str = "", granted: bool = False) -> None:
        self.seconds += 1
        lease = lease or f"l{issue}-{fence}"
        self.event(issue, "lease_granted" if granted else "issue_assigned", agentId=agent, leaseId=lease, fence=fence)
        until = self.at + 2 * SECOND
        self.call(agent, "claim", issue=f"acme/app#{issue}", lease=lease, fence=fence, expires=until)

    def empty(self, agent: str) -> None:
        self.seconds += 1
        self.call(agent, "claim", status=204)

    def prove(self, agent: str, kind: str, issue: int, fence: int = 1, **more: Any) -> None:
        self.seconds += 1
        lease = f"l{issue}-{fence}"
        if kind in NAMES and more.get("status", 200) != 409:
            body = {"agentId": agent, "leaseId": lease, "fence": fence, "state": "done"}
            self.event(issue, NAMES[kind], **body)
        until = self.at + 2 * SECOND if kind == "heartbeat" else 0
        self.call(agent, kind, **({"issue": f"acme/app#{issue}", "lease": lease, "fence": fence, "expires": until} | more))

    def expire(self, issue: int, fence: int = 1, after: int = 3) -> None:
        self.seconds += after
        self.event(issue, "lease_expired", leaseId=f"l{issue}-{fence}", fence=fence)

    def refuse(self, agent: str, kind: str, issue: int, fence: int = 1, **more: Any) -> None:
        self.prove(agent, kind, issue, fence, **({"status": 409, "code": "stale_lease"} | more))

    def judged(self, limits: Limits = LIMITS) -> Verdict:
        return check(self.calls, self.log, limits)


def good() -> Story:
    """Two issues, the second waits for the first: a lease expires, one is failed, late writes are refused, all end done."""
    story = Story()
    story.approve(1, "high")
    story.approve(2, "critical", 1)
    story.claim("a", 1)
    story.empty("b")
    story.prove("a", "start", 1)
    story.prove("a", "heartbeat", 1)
    story.expire(1)
    story.refuse("a", "heartbeat", 1)
    story.claim("b", 1, 2)
    story.refuse("a", "complete", 1)
    story.prove("b", "fail", 1, 2)
    story.claim("a", 1, 3)
    story.prove("a", "complete", 1, 3)
    story.claim("b", 2)
    story.prove("b", "release", 2)
    story.push("a", 2)
    story.event(2, "issue_unassigned")
    story.push("b", 2)
    story.empty("a")
    story.claim("b", 2, 2, granted=True)
    story.prove("b", "done", 2, 2)
    story.refuse("b", "complete", 2, 2)
    story.empty("b")
    return story
