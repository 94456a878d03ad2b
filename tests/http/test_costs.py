"""Usage and costs over HTTP: every endpoint tells the same money for every window and filter (R0-43 … R0-53, I35)."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rig.model.costs import PICO, dollars
from rig.model.rows import Tokens
from rig.prices import PriceBook
from rig_genai_prices.source import GenaiPrices
from tests.http.edge import Edge, MakeEdge, open_edge

HOUR, DAY = 3_600_000_000, 86_400_000_000
BOOK = PriceBook(sources=lambda: [GenaiPrices()])
SEED = {
    "type": "TOKEN_USAGE",
    "agentId": "dev-e-node",
    "repo": "dashecorp/rig-conductor",
    "issueNumber": 148,
    "model": "claude-sonnet-4-5",
    "inputTokens": 10,
    "outputTokens": 4994,
    "cacheReadTokens": 160855,
    "cacheCreationTokens": 28927,
    "costUsd": 0.242194,
    "category": "work",
}


@pytest.fixture
async def edge(make_edge: MakeEdge) -> Edge:
    return await make_edge(deps={"price": BOOK.cost})


async def spend(edge: Edge, **usage: Any) -> None:
    status, body = await edge.post(
        "/api/events", {"type": "TOKEN_USAGE", "agentId": "a", "model": "claude-sonnet-4-5", **usage}
    )
    assert status == 200, body


@pytest.mark.rule("R0-44", "R0-47", "R0-52")
async def test_the_seeds_usage_is_recomputed_and_the_endpoints_agree(edge: Edge) -> None:
    await edge.post("/api/events", SEED)
    (usage,) = (await edge.get("/api/usage?days=7"))[1]
    assert usage == {
        "agentId": "dev-e-node",
        "totalInputTokens": 10,
        "totalOutputTokens": 4994,
        "totalCacheReadTokens": 160855,
        "totalCacheCreationTokens": 28927,
        "totalCostUsd": 0.231673,
        "byRepo": [
            {
                "repo": "dashecorp/rig-conductor",
                "inputTokens": 10,
                "outputTokens": 4994,
                "cacheReadTokens": 160855,
                "cacheCreationTokens": 28927,
                "costUsd": 0.231673,
            }
        ],
    }
    _, summary = await edge.get("/api/costs/summary")
    assert (summary["period"], summary["totalCostUsd"]) == ("7d", 0.231673)
    assert summary["agents"][0]["categories"] == {"work": 0.231673}
    _, daily = await edge.get("/api/costs/daily?days=3")
    assert daily["period"] == "3d"
    assert [(e["agentId"], e["costUsd"]) for e in daily["entries"]] == [("dev-e-node", 0.231673)]
    _, issue = await edge.get("/api/costs/issue?repo=dashecorp%2Frig-conductor&issueNumber=148")
    assert (issue["issueId"], issue["totalCostUsd"]) == ("dashecorp/rig-conductor#148", 0.231673)
    (line,) = issue["lines"]
    assert (line["reportedUsd"], line["computedUsd"], line["countedUsd"], line["rule"]) == (
        0.242194,
        0.231673,
        0.231673,
        "recomputed",
    )
    assert line["unitPrices"] == {"input": 3.0, "output": 15.0, "cacheRead": 0.3, "cacheCreation": 3.75, "cacheCreation1h": 6.0}
    assert line["priceSource"].startswith("genai-prices ")


@pytest.mark.rule("R0-43")
async def test_a_line_without_tokens_costs_nothing_whatever_it_says(edge: Edge) -> None:
    await spend(edge, costUsd=5)
    assert (await edge.get("/api/usage"))[1][0]["totalCostUsd"] == 0
    assert (await edge.get("/api/costs/daily"))[1]["entries"] == []


@pytest.mark.rule("R0-45", "R0-46", "R0-49")
async def test_without_cache_tokens_the_agents_word_counts(edge: Edge) -> None:
    await spend(edge, agentId="old", inputTokens=1000, costUsd=0.5)
    await spend(edge, agentId="zero", inputTokens=1000, cacheReadTokens=0, cacheCreationTokens=0, costUsd=0.25)
    await spend(edge, agentId="mute", inputTokens=1000, cacheReadTokens=0, cacheCreationTokens=0)
    assert {u["agentId"]: u["totalCostUsd"] for u in (await edge.get("/api/usage"))[1]} == {
        "old": 0.5,
        "zero": 0.25,
        "mute": 0.003,
    }


async def test_a_model_without_a_price_is_shown_and_counts_as_reported(edge: Edge) -> None:
    """Conventions §13: never silently 0."""
    await spend(edge, model="house-model", inputTokens=10, cacheReadTokens=5, costUsd=0.75)
    await spend(edge, inputTokens=1_000_000)
    _, summary = await edge.get("/api/costs/summary")
    assert summary["totalCostUsd"] == 3.75
    assert summary["unpriced"] == {"eventCount": 1, "costUsd": 0.75}
    _, lines = await edge.get("/api/costs/lines?limit=1")
    assert (lines["total"], lines["lines"][0]["rule"], lines["lines"][0]["computedUsd"]) == (2, "unpriced", None)


@pytest.mark.rule("R0-48")
async def test_filters_narrow_and_combine(edge: Edge) -> None:
    for agent, repo, cost in (("a", "o/x", 1), ("a", "o/y", 2), ("b", "o/x", 4)):
        await spend(edge, agentId=agent, repo=repo, issueNumber=1, inputTokens=1, costUsd=cost)

    async def total(query: str) -> float:
        return sum(float(u["totalCostUsd"]) for u in (await edge.get(f"/api/usage?{query}"))[1])

    assert await total("") == 7
    assert await total("agentId=a") == 3
    assert await total("repo=o%2Fx") == 5
    assert await total("repo=o%2Fx&agentId=a&days=7") == 1
    assert await total("agentId=nobody") == 0


@pytest.mark.rule("R0-50")
async def test_a_display_tenant_is_chosen_without_case_and_old_lines_are_the_first_ones(edge: Edge) -> None:
    await spend(edge, inputTokens=1, costUsd=1)
    await spend(edge, inputTokens=1, costUsd=2, tenantId="Acme")
    await spend(edge, inputTokens=1, costUsd=4, tenantId="Default")

    async def total(query: str) -> float:
        return float((await edge.get(f"/api/costs/summary?{query}"))[1]["totalCostUsd"])

    assert await total("") == 7
    assert await total("tenantId=aCME") == 2
    assert await total("tenantId=default") == 5
    assert await total("tenantId=nobody") == 0
    for path in ("/api/usage", "/api/costs/summary", "/api/costs/daily"):
        assert (await edge.get(f"{path}?tenantId=Unknown"))[0] == 400


@pytest.mark.rule("R0-53")
@pytest.mark.parametrize("days", ["0", "-1", "x", "1.5", "36501", "99999999999999999999"])
async def test_a_bad_window_is_400(edge: Edge, days: str) -> None:
    for path in ("/api/usage", "/api/costs/summary", "/api/costs/daily"):
        status, body = await edge.get(f"{path}?days={days}")
        assert (status, body["code"]) == (400, "bad_request")


async def test_an_unknown_issue_has_no_costs_and_a_known_one_without_usage_has_none_yet(edge: Edge) -> None:
    await edge.approve(1)
    assert (await edge.get("/api/costs/issue?repo=acme%2Fweb&issueNumber=2"))[0] == 404
    status, body = await edge.get("/api/costs/issue?repo=acme%2Fweb&issueNumber=1")
    assert (status, body["totalCostUsd"], body["lines"]) == (200, 0, [])
    assert (await edge.get("/api/costs/issue?repo=acme%2Fweb"))[0] == 400


async def test_the_same_usage_sent_twice_with_one_key_counts_once(edge: Edge) -> None:
    """I35."""
    for _ in range(2):
        await edge.post("/api/events", SEED, headers={"Idempotency-Key": "once"})
    assert (await edge.get("/api/costs/summary"))[1]["agents"][0]["eventCount"] == 1


async def test_amounts_are_summed_before_they_are_rounded(edge: Edge) -> None:
    """6.3: three lines of 0.4 millionths each show as nothing, together as one."""
    for _ in range(3):
        await spend(edge, repo="o/x", issueNumber=1, inputTokens=1, costUsd=0.0000004)
    _, lines = await edge.get("/api/costs/lines?issue=o%2Fx%231&limit=2")
    assert [line["countedUsd"] for line in lines["lines"]] == [0, 0]
    assert (lines["total"], lines["totalCostUsd"]) == (3, 0.000001)
    assert (await edge.get("/api/costs/lines"))[1]["totalCostUsd"] == 0.000001
    assert (await edge.get("/api/costs/summary"))[1]["totalCostUsd"] == 0.000001


@pytest.mark.parametrize(
    "usage",
    [{"costUsd": -0.01}, {"costUsd": 1_000_001}, {"costUsd": "NaN"}, {"inputTokens": 10**10 + 1}, {"outputTokens": -1}],
)
async def test_a_line_that_no_ledger_can_hold_is_refused(edge: Edge, usage: dict[str, Any]) -> None:
    """I35."""
    status, body = await edge.post("/api/events", {"type": "TOKEN_USAGE", "agentId": "a", "model": "m", **usage})
    assert (status, body["details"]["field"]) == (400, next(iter(usage)))
    for text in (b"NaN", b"Infinity", b"1e999"):
        raw = b'{"type":"TOKEN_USAGE","agentId":"a","model":"m","inputTokens":1,"costUsd":%s}' % text
        async with edge.client.post("/api/events", data=raw, headers={"Content-Type": "application/json"}) as answer:
            assert answer.status == 400
    assert (await edge.get("/api/usage"))[1] == []


async def test_the_dearest_lines_there_may_be_are_counted_to_the_last_digit(edge: Edge) -> None:
    """Nine million dollars in picodollars are more than 64 bits hold."""
    for _ in range(30):
        await spend(edge, inputTokens=1, costUsd=999_999.999999)
    assert (await edge.get("/api/costs/summary?days=1"))[1]["totalCostUsd"] == 29_999_999.99997
    edge.clock.advance(2 * 86_400)
    await spend(edge, inputTokens=1, costUsd=999_999.999999)
    assert (await edge.get("/api/usage?days=1"))[1][0]["totalCostUsd"] == 999_999.999999
    assert (await edge.get("/api/usage"))[1][0]["totalCostUsd"] == 30_999_999.999969


USAGE = st.fixed_dictionaries(
    {
        "agentId": st.sampled_from(["a", "b"]),
        "model": st.sampled_from(["claude-sonnet-4-5", "claude-opus-4-1", "gpt-5", "house-model"]),
        "inputTokens": st.integers(0, 10**9),
        "outputTokens": st.integers(0, 10**6),
    },
    optional={
        "repo": st.sampled_from(["o/x", "o/y"]),
        "cacheReadTokens": st.integers(0, 10**6),
        "cacheCreationTokens": st.integers(0, 10**6),
        "costUsd": st.sampled_from([0, 0.1, 0.242194, 1e-7, 123456.789]),
        "category": st.sampled_from(["work", "review"]),
        "tenantId": st.sampled_from(["Acme", "default"]),
    },
)
PAUSE = st.sampled_from([0, 1, HOUR - 1, HOUR, HOUR + 1, DAY - 1, DAY, DAY + 1, 7 * HOUR, 3 * DAY])


def naive(
    lines: list[tuple[int, dict[str, Any]]], now: int, days: int | None, **chosen: str
) -> list[tuple[int, dict[str, Any], int]]:
    """(time, line, picodollars) of what a window and filters choose, one line after the other."""
    found = []
    for at, line in lines:
        tokens = Tokens(*(line.get(n, 0) for n in ("inputTokens", "outputTokens", "cacheReadTokens", "cacheCreationTokens")))
        cost = BOOK.cost(line["model"], tokens, line.get("costUsd"))["counted"]
        fits = all(line.get(k, "default" if k == "tenantId" else None) in (v, v.title()) for k, v in chosen.items())
        if fits and (days is None or at >= now - days * DAY):
            found.append((at, line, cost))
    return found


async def agree(edge: Edge, ledger: list[tuple[int, dict[str, Any]]]) -> None:
    posted = []
    for pause, line in ledger:
        edge.clock.advance(pause / 1e6)
        issue = {"issueNumber": 1} if "repo" in line else {}
        await spend(edge, **{**line, **issue})
        posted.append((edge.clock.now(), line))
    now = edge.clock.now()
    for days in (None, 1, 2, 4, 30):
        window = f"days={days}" if days else ""
        for chosen in ({}, {"agentId": "a"}, {"repo": "o/x"}, {"agentId": "b", "repo": "o/y"}, {"tenantId": "acme"}):
            query = "&".join([window, *(f"{k}={v.replace('/', '%2F')}" for k, v in chosen.items())])
            expected: dict[tuple[str, str | None], int] = {}
            for _, line, cost in naive(posted, now, days, **chosen):
                key = (line["agentId"], line.get("repo"))
                expected[key] = expected.get(key, 0) + cost
            usage = (await edge.get(f"/api/usage?{query}"))[1]
            got = {(u["agentId"], r["repo"]): r["costUsd"] for u in usage for r in u["byRepo"]}
            assert got == {key: dollars(cost) for key, cost in expected.items()}, query
            for agent in usage:
                assert agent["totalCostUsd"] == dollars(sum(c for (a, _), c in expected.items() if a == agent["agentId"]))
        if days is None:
            continue
        for chosen in ({}, {"tenantId": "acme"}):
            query = "&".join([window, *(f"{k}={v}" for k, v in chosen.items())])
            lines = naive(posted, now, days, **chosen)
            total = sum(cost for _, _, cost in lines)
            summary = (await edge.get(f"/api/costs/summary?{query}"))[1]
            assert summary["totalCostUsd"] == dollars(total)
            by_category: dict[tuple[str, str], int] = {}
            by_day: dict[tuple[str, str], int] = {}
            for at, line, cost in lines:
                category = (line["agentId"], line.get("category", "work"))
                by_category[category] = by_category.get(category, 0) + cost
                day = (datetime.fromtimestamp(at // 10**6, UTC).date().isoformat(), line["agentId"])
                by_day[day] = by_day.get(day, 0) + cost
            assert {(a["agentId"], c): v for a in summary["agents"] for c, v in a["categories"].items()} == {
                key: dollars(cost) for key, cost in by_category.items()
            }
            daily = (await edge.get(f"/api/costs/daily?{query}"))[1]["entries"]
            assert [(e["date"], e["agentId"], e["costUsd"]) for e in daily] == [
                (*key, dollars(cost)) for key, cost in sorted(by_day.items()) if cost
            ]
    for repo in ("o/x", "o/y"):
        own = [(line, cost) for _, line, cost in naive(posted, now, None, repo=repo)]
        if not own:
            continue
        issue = (await edge.get(f"/api/costs/issue?repo={repo.replace('/', '%2F')}&issueNumber=1&limit=500"))[1]
        assert issue["totalCostUsd"] == dollars(sum(cost for _, cost in own))
        assert issue["lineCount"] == len(own)
        exact = sum(Decimal(str(line["countedUsd"])) for line in issue["lines"])
        assert abs(exact - Decimal(sum(cost for _, cost in own)) / PICO) <= Decimal("0.000001") * len(own)


@pytest.mark.rule("R0-47", "R0-48", "R0-50", "R0-51", "R0-53")
@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(PAUSE, USAGE), max_size=12))
def test_random_ledgers_agree_across_all_endpoints(ledger: list[tuple[int, dict[str, Any]]]) -> None:
    """I35, B3: to the last of the six places, for every window and filter."""

    async def run() -> None:
        async with open_edge(deps={"price": BOOK.cost}) as edge:
            await agree(edge, ledger)

    asyncio.run(run())
