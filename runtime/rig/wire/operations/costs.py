"""What was spent: usage, costs, and the lines that they are sums of."""

from rig.wire.operations.operation import LIMIT, NUMBER, OFFSET, READ, REPO, Operation, Parameter

_DAYS = Parameter("days", "window: the last so many times 24 hours", "integer", minimum=1, maximum=36_500)
_WEEK = Parameter("days", "window: the last so many times 24 hours", "integer", minimum=1, maximum=36_500, default=7)
_TENANT = Parameter("tenantId", "only usage of this display tenant, in any letter case")

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "get_usage",
        "GET",
        ("/api/usage",),
        "Tokens and dollars by agent and repository; without days of all time",
        "costs",
        READ,
        response="Usage",
        query=(Parameter("agentId", "only this agent"), Parameter("repo", "only this repository"), _DAYS, _TENANT),
    ),
    Operation(
        "get_cost_summary",
        "GET",
        ("/api/costs/summary",),
        "Dollars by agent and category",
        "costs",
        READ,
        response="CostSummary",
        query=(_WEEK, _TENANT),
        mcp=True,
    ),
    Operation(
        "get_daily_costs",
        "GET",
        ("/api/costs/daily",),
        "Dollars by UTC day and agent",
        "costs",
        READ,
        response="DailyCosts",
        query=(_WEEK, _TENANT),
    ),
    Operation(
        "get_issue_costs",
        "GET",
        ("/api/costs/issue",),
        "What an issue cost, by agent and category, with the lines",
        "costs",
        READ,
        response="IssueCosts",
        query=(REPO, NUMBER, LIMIT, OFFSET),
    ),
    Operation(
        "list_cost_lines",
        "GET",
        ("/api/costs/lines",),
        "Lines of the ledger with what each was counted as, and why",
        "costs",
        READ,
        response="CostLines",
        query=(
            Parameter("issue", "only lines of this issue"),
            Parameter("execution", "only lines of this execution"),
            Parameter("sequence", "only the line of this event", "integer", minimum=1),
            LIMIT,
            OFFSET,
        ),
    ),
)
