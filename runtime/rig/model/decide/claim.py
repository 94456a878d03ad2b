"""The decision of a claim: which events hand an issue to an agent (I8, I9). Made by the store's writer, in the batch."""

from collections.abc import Callable
from typing import Any

import msgspec

from rig.model.events import NewEvent, encode
from rig.model.folds.streams import undelivered
from rig.model.rows import EntryRow, IssueRow, StreamRow


class Pushed(msgspec.Struct, frozen=True):
    """What an agent's own stream has for its claim."""

    issue: IssueRow | None
    """The issue of the oldest entry that still holds; None: the queue's head is next."""
    entry: int
    """Number of that entry, 0 for none."""
    skipped: tuple[int, ...]
    """Numbers of the stale entries before it."""


NOTHING_PUSHED = Pushed(None, 0, ())


def pushed(
    agent: str,
    stream: StreamRow | None,
    entry: Callable[[int], EntryRow | None],
    issue: Callable[[str], IssueRow | None],
) -> Pushed:
    """The oldest undelivered entry whose issue is still the agent's and that no lease holds; ``entry`` and ``issue`` read rows."""
    if stream is None or not stream.waiting:
        return NOTHING_PUSHED
    skipped: list[int] = []
    for number, row in undelivered(stream, entry):
        found = issue(row.issue)
        if found is not None and found.entry == number and (found.state, found.agent, found.lease) == ("assigned", agent, None):
            return Pushed(found, number, tuple(skipped))
        skipped.append(number)
    return Pushed(None, 0, tuple(skipped))


def claim(
    row: IssueRow,
    *,
    agent: str,
    lease_id: str,
    job_id: str,
    seconds: int,
    provider: str | None,
    entry: int = 0,
    skipped: tuple[int, ...] = (),
) -> list[NewEvent]:
    """The events of a claim: the grant with a fence above all before it, and a job when the issue has none yet.

    ``entry`` is the pushed assignment that it delivers; 0: it takes the issue from the queue, and assigns it.
    """
    job = row.job or job_id
    body: dict[str, Any] = {}
    if row.repo is not None:
        body |= {"repo": row.repo, "issueNumber": row.number}
    else:
        body["identifier"] = row.stream
    body |= {
        "agentId": agent,
        "attempt": row.attempt,
        "leaseId": lease_id,
        "fence": row.fence + 1,
        "jobId": job,
        "leaseSeconds": seconds,
    }
    if provider is not None:
        body["provider"] = provider
    if entry:
        body["entry"] = entry
    meta = encode({"skipped": skipped}) if skipped else b"{}"
    events = [NewEvent(row.stream, "lease_granted" if entry else "issue_assigned", encode(body), meta)]
    if row.job is None:
        created = {"issue": row.stream, "source": "issue", "type": "issue", "provider": provider, "priority": row.priority}
        events.insert(0, NewEvent(job, "job_created", encode(created)))
    return events
