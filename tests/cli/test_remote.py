"""Commands that ask a daemon, against the real edge."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import click
import pytest
from click.testing import Result

from rig import errors
from rig.errors import NotFound
from rig.model.events import NewEvent, encode
from rig.store.units import Unit
from tests.cli.conftest import Rig
from tests.http.edge import OPERATOR_TOKEN, Edge, Line, open_edge

Ask = Callable[..., Awaitable[Result]]


@pytest.fixture
async def edge(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Edge]:
    async with open_edge() as edge:
        monkeypatch.setenv("RIG_URL", str(edge.client.make_url("")))
        monkeypatch.setenv("RIG_TOKEN", OPERATOR_TOKEN)
        await edge.approve(1, 2, 3)
        yield edge


@pytest.fixture
def ask(edge: Edge, rig: Rig) -> Ask:
    """Runs a command on a thread, as the daemon runs on this one."""

    async def run(*arguments: str, **options: str) -> Result:
        return await asyncio.to_thread(rig, *arguments, **options)

    return run


async def at_work(edge: Edge, number: int = 1) -> None:
    """``worker`` works on an issue, in execution ``e-1``."""
    body = {"agentId": "worker", "executionId": "e-1", "repo": "acme/web", "issueNumber": number, "branch": "rig/x"}
    for kind in ("issue_assigned", "work_started"):
        await edge.store.commit(Unit("default", (NewEvent(f"acme/web#{number}", kind, encode(body)),)))


async def test_issues_are_listed_for_people_and_for_scripts(ask: Ask) -> None:
    table = (await ask("issue", "list")).output.splitlines()
    assert table[0].split() == ["ISSUE", "STATE", "PRIORITY", "AGENT", "TOKENS", "COST", "AGE", "TITLE"]
    assert len(table) == 4
    assert (await ask("issue", "list", "-o", "id")).output.splitlines() == ["acme/web#1", "acme/web#2", "acme/web#3"]
    assert len(json.loads((await ask("issue", "list", "-o", "json")).output)) == 3
    lines = (await ask("issue", "list", "-o", "ndjson", "--limit", "2")).output.splitlines()
    assert [json.loads(line)["issueNumber"] for line in lines] == [1, 2]
    assert (await ask("issue", "list", "-o", "id", "--filter", "issue 2")).output == "acme/web#2\n"
    assert (await ask("issue", "list", "-o", "id", "--filter", "issue 3", "--limit", "1")).output == "acme/web#3\n"
    assert (await ask("issue", "list", "-o", "id", "--filter", "issue", "--limit", "1")).output == "acme/web#1\n"
    assert (await ask("issue", "list", "-o", "id", "--state", "done")).output == ""


async def test_a_list_is_read_page_by_page(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rig.cli.remote.PAGE", 2)
    assert len((await ask("issue", "list", "-o", "id", "--limit", "0")).output.splitlines()) == 3


async def test_an_issue_is_made_shown_told_and_ended(ask: Ask) -> None:
    made = await ask(
        "issue", "create", "acme/web#9", "--title", "Nine", "--label", "a", "--depends-on", "acme/web#1", "-o", "id"
    )
    assert made.output == "acme/web#9\n"
    shown = json.loads((await ask("issue", "show", "acme/web#9", "-o", "json")).output)
    assert (shown["title"], shown["labels"], shown["dependsOn"], shown["currentState"]) == (
        "Nine",
        ["a"],
        ["acme/web#1"],
        "queued",
    )
    assert "title   Nine" in " ".join((await ask("issue", "show", "acme/web#9")).output.split("  "))
    assert (await ask("issue", "create", "ENG-5", "-o", "id")).output == "ENG-5\n"
    assert isinstance((await ask("issue", "create", "ENG-5")).exception, errors.AlreadyExists)
    assert "cancelled" in (await ask("issue", "abort", "ENG-5", "--reason", "no need")).output
    assert "done" in (await ask("issue", "force-done", "acme/web#9")).output
    assert isinstance((await ask("issue", "force-done", "ENG-5")).exception, errors.BadRequest)
    told = (await ask("issue", "trace", "acme/web#9")).output
    assert "queued" in told
    assert "issue_forced_done" in told
    assert told.splitlines()[-1] == "acme/web#9 is done; 0 tokens, $0.00"
    assert isinstance((await ask("issue", "trace", "acme/web#404")).exception, errors.NotFound)


async def test_why_a_job_failed_is_not_said_of_the_try_that_is_at_work(ask: Ask, edge: Edge) -> None:
    claimed = (await edge.post("/api/assignments/claim", {"agentId": "ada"}))[1]
    job, lease = claimed["jobId"], claimed["lease"]["id"]
    ended = {"repo": "acme/web", "issueNumber": 1, "leaseId": lease, "fence": 1, "agentId": "ada", "reason": "on holiday"}
    await edge.store.commit(Unit("default", (NewEvent("acme/web#1", "lease_expired", encode(ended)),)))
    for command in (("job", "list"), ("job", "show", job)):
        assert "on holiday" in (await ask(*command)).output
    again = [(await edge.post("/api/assignments/claim", {"agentId": "bob"}))[1]["jobId"] for _ in range(3)]
    assert job in again
    for command in (("job", "list"), ("job", "show", job)):
        told = (await ask(*command)).output
        assert "active" in told
        assert "on holiday" not in told


async def test_a_trace_says_the_whole_reason(ask: Ask) -> None:
    reason = "nobody could say which of the four tables of orders is the one that the shop still reads"
    await ask("issue", "create", "acme/web#9")
    await ask("api", "post_event", "type=ISSUE_CANCELLED", "repo=acme/web", "issueNumber=9", f"reason={reason}")
    told = (await ask("issue", "trace", "acme/web#9")).output
    assert reason in " ".join(told.split())
    assert max(map(len, told.splitlines())) <= 80


async def test_the_queue_agents_and_jobs_are_listed(ask: Ask, edge: Edge) -> None:
    await at_work(edge)
    assert (await ask("queue", "list", "-o", "id")).output.splitlines() == ["acme/web#2", "acme/web#3"]
    agents = (await ask("agent", "list")).output.splitlines()
    assert agents[1].split()[:4] == ["worker", "working", "no", "acme/web#1"]
    assert (await ask("job", "list", "-o", "id")).output == ""
    claimed = await edge.post("/api/assignments/claim", {"agentId": "other"})
    job = claimed[1]["jobId"]
    assert (await ask("job", "list", "-o", "id")).output == f"{job}\n"
    assert "acme/web#2" in (await ask("job", "show", job)).output
    assert (await ask("job", "cancel", job)).exit_code == 0
    assert isinstance((await ask("job", "cancel", job)).exception, errors.BadRequest)
    assert isinstance((await ask("job", "show", "ir-00000000")).exception, errors.NotFound)


async def test_what_an_agent_holds_is_queued_again_when_it_is_released(ask: Ask, edge: Edge) -> None:
    await at_work(edge)
    released = json.loads((await ask("agent", "release", "worker", "-o", "json")).output)
    assert released == {"agentId": "worker", "released": ["acme/web#1"]}
    assert "acme/web#1" in (await ask("queue", "list", "-o", "id")).output
    assert isinstance((await ask("agent", "release", "worker")).exception, errors.Conflict)
    assert isinstance((await ask("agent", "release", "nobody")).exception, errors.NotFound)


async def test_logs_are_harmless_text_or_ndjson(ask: Ask, edge: Edge) -> None:
    await at_work(edge)
    edge.logs.lines["e-1"] = [Line(1, 0, "stdout", "one\x1b[2J"), Line(2, 0, "stdout", "two")]
    assert (await ask("logs", "e-1")).output == "one\ntwo\n"
    assert (await ask("logs", "e-1", "--follow", "--after", "1")).output == "two\n"
    assert json.loads((await ask("logs", "e-1", "-o", "ndjson", "--after", "1")).output)["text"] == "two"
    assert isinstance((await ask("logs", "none")).exception, errors.NotFound)


async def test_any_operation_is_called_by_its_name(ask: Ask) -> None:
    assert "create_issue" in (await ask("api", "-o", "id")).output.split()
    made = await ask("api", "create_issue", "repo=acme/web", "issueNumber=77", 'title="42"', 'labels=["a"]')
    assert json.loads(made.output)["streamId"] == "acme/web#77"
    listed = await ask("api", "list_issues", "limit=1", "-o", "ndjson")
    assert json.loads(listed.output)[0]["streamId"] == "acme/web#1"
    batch = await ask("api", "post_events", "--body", "-", input='[{"type":"HEARTBEAT","agentId":"a"}]')
    assert json.loads(batch.output)[0]["streamId"] == "a"
    assert (await ask("api", "get_metrics")).output.startswith("# HELP")
    assert (await ask("api", "get_next_assignment", "agentId=a")).exit_code == 0
    for wrong in (
        ["nope"],
        ["create_issue", "x"],
        ["list_issues", "x=1"],
        ["stream_events", "x=1"],
        ["stream_events", "since=x"],
    ):
        assert isinstance((await ask("api", *wrong)).exception, errors.BadRequest), wrong


async def test_keys_are_made_through_the_daemon_that_is_named(ask: Ask, edge: Edge) -> None:
    text = (await ask("key", "create", "ci", "--scope", "read", "--scope", "orchestrator:write")).output.strip()
    status, _ = await edge.get("/api/issues", headers={"Authorization": f"Bearer {text}"})
    assert status == 200
    (row,) = json.loads((await ask("key", "list", "-o", "json")).output)
    assert row["scopes"] == ["orchestrator:read", "orchestrator:write"]
    assert text not in (await ask("key", "list")).output
    assert row["id"] in (await ask("key", "revoke", row["prefix"])).output
    assert isinstance((await ask("key", "revoke", row["prefix"])).exception, errors.NotFound)
    assert isinstance((await ask("key", "create", "x", "--scope", "root")).exception, click.BadParameter)
    assert (await edge.get("/api/issues", headers={"Authorization": f"Bearer {text}"}))[0] == 401


async def test_another_tenant_sees_its_own(ask: Ask) -> None:
    assert (await ask("issue", "list", "-o", "id", "--tenant", "acme")).output == ""


async def test_the_configuration_in_force_and_the_plugins_are_the_daemons(ask: Ask) -> None:
    assert "dispatch.enabled  false  default" in (await ask("config", "show")).output
    assert json.loads((await ask("config", "show", "-o", "json")).output) == {"dispatch": {"enabled": False}}
    assert (await ask("plugin", "list")).output.startswith("PLUGIN")


async def test_a_wrong_token_is_a_matter_of_authority(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIG_TOKEN", "wrong")
    assert isinstance((await ask("issue", "list")).exception, errors.Unauthorized)


async def test_a_trace_is_a_tree_with_durations(ask: Ask, edge: Edge) -> None:
    await at_work(edge)
    edge.clock.advance(90)
    done = {"repo": "acme/web", "issueNumber": 1, "agentId": "worker"}
    await edge.store.commit(Unit("default", (NewEvent("acme/web#1", "issue_done", encode(done)),)))
    lines = (await ask("trace", "acme/web#1")).output.splitlines()
    assert lines[0].split() == ["SPAN", "KIND", "STATUS", "AFTER", "TOOK", "TOKENS", "COST"]
    assert [line.split("  ")[0] for line in lines[1:]] == ["acme/web#1", "├ queue", "└ attempt 1", ""]
    assert "└ worker works" in lines[4]
    assert lines[4].split()[-6:-2] == ["execution", "completed", "0ms", "1m30s"]
    whole = json.loads((await ask("trace", "e-1", "-o", "json")).output)
    assert (await ask("trace", whole["traceId"])).output.splitlines() == lines
    assert (await ask("trace", "-o", "id")).output.splitlines()[0] == whole["traceId"]
    assert len((await ask("trace", "acme/web#1", "-o", "ndjson", "--filter", "worker")).output.splitlines()) == 1
    assert isinstance((await ask("trace", "acme/web#99")).exception, errors.NotFound)


async def test_what_needs_a_person_is_listed_and_answered(edge: Edge, ask: Ask) -> None:
    body = {"repo": "acme/web", "issueNumber": 2, "reason": "not \x1b[31mtrusted"}
    await edge.store.commit(Unit("default", (NewEvent("acme/web#2", "issue_needs_human", encode(body)),)))
    table = (await ask("attention")).output
    assert table.splitlines()[0].split() == ["ID", "ISSUE", "AGE", "QUESTION"]
    assert "\x1b[31m" not in table
    assert "(approve, deny)" in " ".join(" ".join(line.split()) for line in table.splitlines())
    assert (await ask("attention", "-o", "id")).output == "approval:acme/web#2\n"
    for wrong in (("answer", "approval:acme/web#2"), ("answer", "approval:acme/web#2", "yes", "--deny")):
        assert isinstance((await ask(*wrong)).exception, errors.BadRequest)
    assert isinstance((await ask("answer", "approval:acme/web#2", "perhaps")).exception, errors.Unprocessable)
    done = (await ask("answer", "approval:acme/web#2", "--approve")).output
    assert "queued" in done
    assert isinstance((await ask("answer", "approval:acme/web#2", "--approve")).exception, errors.Conflict)
    assert (await ask("attention", "-o", "ndjson")).output == ""


async def test_a_cost_is_explained_line_by_line_and_summed_up(ask: Ask) -> None:
    await ask("api", "post_event", "type=TOKEN_USAGE", "agentId=a", "model=m", "repo=o/r", "issueNumber=7", "inputTokens=1000")
    told = await ask("cost", "explain", "o/r#7")
    assert "input" in told.output
    assert "counts $0.001000: computed: tokens times prices" in told.output
    assert "\n    computed $0.001000" in told.output
    assert "1 line, $0.001000" in told.output
    summed = await ask("cost", "summary", "--days", "1")
    assert "$0.001000 in 1d" in summed.output
    assert "  1,000  " in summed.output
    assert isinstance((await ask("cost", "explain", "o/r#8")).exception, NotFound)


async def test_why_names_the_reasons_with_their_events(edge: Edge, ask: Ask) -> None:
    await edge.approve(4, dependsOn=["acme/web#1"])
    table = (await ask("why", "acme/web#4")).output
    assert table.splitlines()[0].split() == ["SEQ", "CODE", "WHY"]
    assert "depends_on" in table
    assert "acme/web#1, which is queued" in table
    assert table.splitlines()[-1] == "acme/web#4 is queued"
    (reason,) = json.loads((await ask("why", "acme/web#4", "-o", "json")).output)
    assert reason["sequence"] == 4
    assert isinstance((await ask("why", "acme/web#9")).exception, errors.NotFound)
