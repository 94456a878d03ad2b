"""The fold of the agents' assignment streams: a consumer group's semantics, folded from the log (R0-54 … R0-57).

Each ISSUE_ASSIGNED is an entry of the stream of its agent. A claim delivers it, and WORK_STARTED or the end of the agent's
hold acknowledges it. What has to be said about an entry is in the events themselves, so that no fold searches for one.
"""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from msgspec.structs import replace

from rig.model.events import Event
from rig.model.rows import EntryRow, IssueRow, StreamRow
from rig.model.states import WORKING
from rig.model.tables import ENTRIES, STREAMS, Tables

BOUND = 1000
"""Live entries of a stream; an older one is trimmed away."""


def entry_key(agent: str, number: int) -> str:
    """The key of an entry in ``ENTRIES``."""
    return f"{agent}\n{number:016d}"


def undelivered(stream: StreamRow, entry: Callable[[int], EntryRow | None]) -> Iterator[tuple[int, EntryRow]]:
    """Entries that no claim has returned yet, oldest first, by their number; ``entry`` reads one."""
    left = stream.waiting
    for number in range(max(stream.read, stream.added - BOUND) + 1, stream.added + 1):
        if not left:
            return
        row = entry(number)
        if row is not None and not row.delivered:
            left -= 1
            yield number, row


def follow(before: IssueRow | None, after: IssueRow, event: Event, body: dict[str, Any], tables: Tables) -> IssueRow:
    """Keep the stream of an issue's agent in step with an event that applied; returns the issue's row with its entry."""
    kind = event.type
    if kind == "issue_assigned":
        return replace(after, entry=add(event, body, tables))
    if kind == "lease_granted":
        _deliver(body["agentId"], body["entry"], event, tables)
    elif kind == "work_started":
        _acknowledge(body["agentId"], after, event, tables, read=True)
    elif before is not None and before.agent is not None and before.state in WORKING and after.state not in WORKING:
        _acknowledge(before.agent, before, event, tables)
    return after


def add(event: Event, body: dict[str, Any], tables: Tables) -> int:
    """Append an assignment, also one that its issue's state does not allow; a claim delivers its own at once.

    Returns the entry's number in the stream.
    """
    agent = body["agentId"]
    stream = tables.get(STREAMS, agent) or StreamRow()
    claimed = bool(body.get("leaseId"))
    number = stream.added + 1
    trimmed = number > BOUND and _trim(agent, number - BOUND, tables)
    waiting = stream.waiting + 1 - trimmed - (1 + _skip(agent, event, tables) if claimed else 0)
    tables.put(
        ENTRIES, entry_key(agent, number), EntryRow(issue=event.stream, at=event.at, delivered=claimed, sequence=event.sequence)
    )
    tables.put(
        STREAMS,
        agent,
        StreamRow(
            added=number,
            read=number if claimed else stream.read,
            waiting=waiting,
            pending=stream.pending + claimed,
            consumed=stream.consumed or claimed,
            lost=(stream.lost or trimmed) and waiting > 0,
            sequence=event.sequence,
        ),
    )
    return number


def _trim(agent: str, number: int, tables: Tables) -> bool:
    """Drop an entry for its age; whether nobody had read it. What was delivered stays until it is acknowledged."""
    key = entry_key(agent, number)
    oldest = tables.get(ENTRIES, key)
    if oldest is None or oldest.delivered:
        return False
    tables.delete(ENTRIES, key)
    return True


def _skip(agent: str, event: Event, tables: Tables) -> int:
    """Read and acknowledge the stale entries that a claim's ``meta`` names; how many there were."""
    if event.meta == b"{}":
        return 0
    keys = [entry_key(agent, number) for number in _meta(event.meta).skipped]
    there = [key for key in keys if tables.get(ENTRIES, key) is not None]
    for key in there:
        tables.delete(ENTRIES, key)
    return len(there)


class _Meta(msgspec.Struct):
    skipped: tuple[int, ...] = ()


_meta = msgspec.json.Decoder(_Meta).decode


def _deliver(agent: str, number: int, event: Event, tables: Tables) -> None:
    """A claim returned an entry that was pushed before."""
    key = entry_key(agent, number)
    stream, entry = tables.get(STREAMS, agent), tables.get(ENTRIES, key)
    if stream is None or entry is None or entry.delivered:
        return
    waiting = stream.waiting - 1 - _skip(agent, event, tables)
    tables.put(ENTRIES, key, replace(entry, delivered=True))
    tables.put(
        STREAMS,
        agent,
        replace(
            stream,
            read=number,
            waiting=waiting,
            pending=stream.pending + 1,
            consumed=True,
            lost=stream.lost and waiting > 0,
            sequence=event.sequence,
        ),
    )


def _acknowledge(agent: str, row: IssueRow, event: Event, tables: Tables, *, read: bool = False) -> None:
    """Drop the entry by which an agent holds an issue; ``read``: also one that it took up without a claim."""
    key = entry_key(agent, row.entry)
    stream, entry = tables.get(STREAMS, agent), tables.get(ENTRIES, key)
    if stream is None or entry is None or entry.issue != row.stream or not (entry.delivered or read):
        return
    tables.delete(ENTRIES, key)
    if entry.delivered:
        changed = replace(stream, pending=stream.pending - 1, sequence=event.sequence)
    else:
        waiting = stream.waiting - 1
        changed = replace(stream, waiting=waiting, consumed=True, lost=stream.lost and waiting > 0, sequence=event.sequence)
    tables.put(STREAMS, agent, changed)
