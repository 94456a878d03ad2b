"""``rig issue``: see issues, make them, end them."""

from collections.abc import Mapping
from typing import Any

import click

from rig.cli.output import Output, limited, listing, output, say
from rig.cli.remote import Remote, remote
from rig.cli.tables import Column
from rig.cli.words import ago, moment, money, tokens, word
from rig.clock import SystemClock
from rig.errors import BadRequest
from rig.wire.story import tell

STATES = ("queued", "assigned", "in_progress", "in_review", "deploying", "done", "failed")
ABOUT = ("title", "url", "priority", "labels", "dependsOn", "parent", "agentId", "executionId", "branch", "commit", "prUrl")
"""What events say of an issue; the newest one counts."""


@click.group()
def issue() -> None:
    """Issues: what is to be done, and what became of it."""


@issue.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only issues in this state.")
@limited
@listing
@remote
def list_(remote: Remote, output: Output, limit: int, state: str | None) -> None:
    """List issues."""
    now = SystemClock().now()
    columns = (
        Column("ISSUE", "streamId", gives=2, tail=True),
        Column("STATE", _state),
        Column("PRIORITY", "priority"),
        Column("AGENT", "assignedAgent", gives=1),
        Column("TOKENS", lambda row: tokens(row.get("tokens")), right=True),
        Column("COST", lambda row: money(row.get("totalCostUsd")), right=True),
        Column("AGE", lambda row: ago(row.get("updatedAt"), now), right=True),
        Column("TITLE", "title", gives=2),
    )
    output.rows(remote.rows("list_issues", output.reach(limit), state=state), columns, lambda row: row["streamId"], limit)


def _state(row: Mapping[str, Any]) -> str:
    return "cancelled" if row.get("cancelled") else word(row.get("state"))


@issue.command()
@click.argument("id")
@output
@remote
def show(remote: Remote, output: Output, id: str) -> None:
    """Show an issue: owner/repo#42, or an identifier such as ENG-123."""
    trace = remote.call("get_issue_trace", id=id)
    about: dict[str, Any] = {}
    for event in trace["events"]:
        if event.get("applied", True) and isinstance(event["data"], dict):
            about |= {name: event["data"][name] for name in ABOUT if event["data"].get(name) not in (None, "", [])}
    shown = {name: value for name, value in trace.items() if name != "events"} | about
    facts: dict[str, object] = {
        "issue": trace["issueId"],
        "state": trace["currentState"],
        **about,
        "tokens": tokens(trace["tokens"]),
        "cost": money(trace["totalCostUsd"]),
        "events": trace["eventCount"],
    }
    if trace["events"]:
        facts |= {"first": moment(trace["events"][0]["at"]), "last": moment(trace["events"][-1]["at"])}
    output.one(shown, facts, trace["issueId"])


@issue.command()
@click.argument("id")
@listing
@remote
def trace(remote: Remote, output: Output, id: str) -> None:
    """Tell an issue's history, event by event."""
    columns = (
        Column("SEQ", "sequence", right=True),
        Column("AT", lambda row: moment(row["at"])[5:]),
        Column("TYPE", "type", gives=1),
        Column("WHAT HAPPENED", _told, gives=2, wraps=True),
    )
    found = remote.call("get_issue_trace", id=id)
    output.rows(found["events"], columns, lambda row: row["sequence"])
    if output.format == "table":
        spent = f"{tokens(found['tokens'])} tokens, {money(found['totalCostUsd'])}"
        say(f"{word(found['issueId'])} is {word(found['currentState'])}; {spent}")


def _told(event: Mapping[str, Any]) -> str:
    cost = (event.get("cost") or {}).get("countedUsd")
    text = tell(event["type"], event["data"], cost)
    return text if event.get("applied", True) else f"not applied ({word(event.get('reason'))}): {text}"


@issue.command()
@click.argument("id")
@click.option("--title", help="What it is about.")
@click.option("--description", help="What is to be done: the agent's prompt.")
@click.option("--priority", type=click.Choice(["critical", "high", "normal", "low"]), help="Default: normal.")
@click.option("--label", "labels", multiple=True, metavar="TEXT", help="May be given several times.")
@click.option("--depends-on", multiple=True, metavar="ISSUE", help="Waits until that one is done. May be given several times.")
@click.option("--parent", metavar="ISSUE", help="The issue that this is a part of.")
@output
@remote
def create(remote: Remote, output: Output, id: str, **fields: Any) -> None:
    """Create and queue an issue: owner/repo#42, or an identifier such as ENG-123."""
    repo, number = _named(id)
    given: dict[str, Any] = {"repo": repo, "issueNumber": number} if repo else {"identifier": id}
    given |= {"title": fields["title"], "description": fields["description"], "priority": fields["priority"]}
    given |= {"labels": list(fields["labels"]) or None, "dependsOn": list(fields["depends_on"]) or None}
    made = remote.call("create_issue", **given, parent=fields["parent"])
    output.one(made, {"issue": made["streamId"], "state": made["state"]}, made["streamId"])


@issue.command()
@click.argument("id")
@click.option("--reason", metavar="TEXT", help="Why, for the record.")
@output
@remote
def abort(remote: Remote, output: Output, id: str, reason: str | None) -> None:
    """End the work on an issue, running or not."""
    done = remote.call("abort_issue", id=id, reason=reason)
    output.one(done, {"issue": id, "status": done["status"]}, id)


@issue.command()
@click.argument("id")
@click.argument("text")
@output
@remote
def steer(remote: Remote, output: Output, id: str, text: str) -> None:
    """Say TEXT to the agent at work on an issue, in the middle of its work."""
    done = remote.call("steer_issue", id=id, message=text)
    output.one(done, {"issue": id, "status": done["status"], "reason": done["reason"]}, done["steer_id"])


@issue.command("force-done")
@click.argument("id")
@click.option("--reason", metavar="TEXT", help="Why, for the record.")
@output
@remote
def force_done(remote: Remote, output: Output, id: str, reason: str | None) -> None:
    """Declare an issue done, whatever its state and sub-issues."""
    repo, number = _named(id)
    if repo is None:
        raise BadRequest("force-done takes issues of a repository: owner/repo#42")
    done = remote.call("force_done", repo=repo, issueNumber=number, reason=reason)
    output.one(done, {"issue": id, "state": "done", "before": done.get("previousState", "done")}, id)


def _named(id: str) -> tuple[str | None, int | None]:
    from rig.model.identity import split_issue

    return split_issue(id)
