"""The decision of a claim: which events hand an issue to an agent (I8, I9). Made by the store's writer, in the batch."""

from typing import Any

from rig.model.events import NewEvent, encode
from rig.model.rows import IssueRow


def claim(row: IssueRow, *, agent: str, lease_id: str, job_id: str, seconds: int, provider: str | None) -> list[NewEvent]:
    """The events of a claim: the assignment with a fence above all before it, and a job when the issue has none yet."""
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
    events = [NewEvent(row.stream, "issue_assigned", encode(body))]
    if row.job is None:
        created = {"issue": row.stream, "source": "issue", "type": "issue", "provider": provider, "priority": row.priority}
        events.insert(0, NewEvent(job, "job_created", encode(created)))
    return events
