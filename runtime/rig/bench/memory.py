"""Many issues (A8): 100,000 exist, 1,000 are touched; the daemon's memory follows the second number, not the first."""

import asyncio
from time import perf_counter

from rig.bench.children import Child, daemon, data_of, store_key
from rig.bench.report import Line, Section, Target
from rig.bench.settings import Settings
from rig.model.events import NewEvent, encode
from rig.store.log import Log
from rig.store.opening import open_sqlite
from rig.store.units import Unit

ISSUES = 100_000
TOUCHED = 1_000
CHUNK = 1_000


async def memory(settings: Settings) -> Section:
    """Force issues done: the first time a command of their actor with a commit, then again, which the actor only answers."""
    issues = ISSUES // 10 if settings.quick else ISSUES
    home = settings.fresh("many")
    data_of(home).mkdir(parents=True)
    log = open_sqlite(data_of(home)).log
    key = (await store_key(log)).text
    await _fill(log, issues)
    await log.close()
    async with daemon(home) as child:
        before = child.rss
        first = await _touch(child, key, issues)
        again = await _touch(child, key, issues)
        after = child.rss
    lines = (
        Line("touched the first time (one commit)", "ms", tuple(first)),
        Line("touched again", "ms", tuple(again)),
        Line("resident set before", "MB", (before,)),
        Line("start with that many issues", "s", (child.ready,)),
    )
    return Section(
        "memory",
        f"{issues:,} issues exist, {TOUCHED:,} are touched over HTTP, one after another",
        lines,
        (
            Target("resident set afterwards", after, "≤", 300, "MB"),
            Target("a touched issue answers, median", lines[1].median, "≤", 5, "ms"),
        ),
    )


async def _fill(log: Log, issues: int) -> None:
    for start in range(0, issues, CHUNK):
        await log.commit_many([_issue(n) for n in range(start, start + CHUNK)])


def _issue(number: int) -> Unit:
    body = {"repo": "acme/web", "issueNumber": number + 1, "title": f"Issue {number + 1} of many", "labels": ["agent"]}
    return Unit("default", (NewEvent(f"acme/web#{number + 1}", "issue_approved", encode(body)),), operation="post_event")


async def _touch(child: Child, key: str, issues: int) -> list[float]:
    """Milliseconds of each request, over one connection."""
    reader, writer = await asyncio.open_connection(child.host, child.port)
    times = []
    try:
        for number in range(TOUCHED):
            path = f"/api/admin/issues/force-done?repo=acme/web&issueNumber={number * (issues // TOUCHED) + 1}"
            head = f"POST {path} HTTP/1.1\r\nHost: {child.host}:{child.port}\r\nAuthorization: Bearer {key}\r\nContent-Length: 0\r\n\r\n"
            began = perf_counter()
            writer.write(head.encode())
            answer = await reader.readuntil(b"\r\n\r\n")
            length = int(answer.partition(b"ontent-Length: ")[2].partition(b"\r")[0])
            body = await reader.readexactly(length)
            times.append((perf_counter() - began) * 1e3)
            if not answer.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(f"a touched issue was refused: {answer!r} {body!r}")
    finally:
        writer.close()
        await writer.wait_closed()
    return times
