"""The demo itself: deliver the issues, follow what becomes of them, and tell it."""

import asyncio
import json
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rig.cli import tables
from rig.cli.demo.deliveries import REPO, WISHES, payload, signed
from rig.cli.output import heading, say
from rig.cli.tables import Column
from rig.cli.words import money, short, tokens
from rig.errors import WaitedTooLong
from rig.wire.story import tell

if TYPE_CHECKING:
    from rig.client import Client

SECONDS = 90.0
"""How long the issues may take all together."""
LEISURELY = 5.0
"""How much longer agents take where one watches them on the dashboard."""
TOLD = ("issue_approved", "issue_assigned", "work_started", "execution_progressed", "work_completed", "work_failed")
ENDED = frozenset({"done", "failed"})

COLUMNS = (
    Column("ISSUE", lambda row: f"#{row['issueNumber']}"),
    Column("TITLE", "title", gives=2),
    Column("STATE", "state"),
    Column("BRANCH", "branch", gives=1),
    Column("COMMIT", lambda row: short(row["commit"])),
    Column("TOKENS", lambda row: tokens(row["tokens"]), right=True),
    Column("COST", lambda row: money(row["totalCostUsd"]), right=True),
)


@dataclass
class Play:
    """One showing; ``begin`` is when it began, by the loop's clock."""

    begin: float
    states: dict[str, str] = field(default_factory=dict)
    silent: bool = False
    """Whether nothing is printed, because the dashboard has the terminal."""
    pace: float = 1.0
    """How much longer than written the agents' turns take."""

    def line(self, text: str, issue: str = "") -> None:
        """A line of progress, with the seconds since the beginning."""
        if self.silent:
            return
        since = asyncio.get_running_loop().time() - self.begin
        number = f"#{issue.rpartition('#')[2]}" if issue else ""
        say(tables.cut(f"{since:5.1f} s  {number:<3} {text}", tables.width()))

    async def run(self, client: "Client", secret: str) -> list[dict[str, Any]]:
        """Deliver every issue and follow them all to their end; their rows. Raises WaitedTooLong."""
        since = await client.newest()
        for wish in WISHES:
            body = payload(wish, self.pace)
            await client.call("receive_webhook", source="github", body=body, headers=signed(body, secret))
            self.line("delivered: issues.labeled, signed", f"{REPO}#{wish.number}")
        try:
            async with asyncio.timeout(SECONDS):
                await self._follow(client, since)
        except TimeoutError:
            left = ", ".join(f"{i} is {s}" for i, s in sorted(self.states.items()) if s not in ENDED)
            raise WaitedTooLong(f"after {SECONDS:g} s {left or 'nothing had begun'}") from None
        return await _rows(client)

    async def _follow(self, client: "Client", since: int) -> None:
        async with aclosing(client.events(since)) as frames:
            async for frame in frames:
                event = json.loads(frame.data)
                if frame.event in TOLD and event["streamId"].startswith(f"{REPO}#"):
                    self.line(_told(frame.event, event["data"]), event["streamId"])
                if frame.event in ("work_completed", "work_failed"):
                    self.states = {r["streamId"]: r["state"] for r in await client.call("list_issues")}
                    if len(self.states) == len(WISHES) and set(self.states.values()) <= ENDED:
                        return


def _told(kind: str, data: Mapping[str, Any]) -> str:
    """Shorter than the trace tells it: the table below repeats branch and commit."""
    if kind == "work_completed":
        return f"done, commit {short(data.get('commit'))}"
    return tell(kind, data)


async def _rows(client: "Client") -> list[dict[str, Any]]:
    """Every issue with the commit of its last execution."""
    issues: list[dict[str, Any]] = await client.call("list_issues")
    for execution in reversed(await client.call("list_execution_logs", limit=500)):
        detail = await client.call("get_execution_log", id=execution["id"])
        for row in issues:
            if row["streamId"] == detail["issueId"]:
                row |= {"commit": detail["commit"], "executionId": detail["id"]}
    return [{"commit": None, "executionId": None} | row for row in issues]


def show(rows: list[dict[str, Any]]) -> None:
    """The final table."""
    head, *body = tables.lines(tables.cells(rows, COLUMNS), COLUMNS, tables.width())
    say()
    say(heading(head))
    for line in body:
        say(line)
    done = sum(row["state"] == "done" for row in rows)
    total = sum(sum(row["tokens"].values()) for row in rows)
    say()
    say(f"{done} of {len(WISHES)} issues done: {total:,} tokens, {money(sum(row['totalCostUsd'] for row in rows))}")
