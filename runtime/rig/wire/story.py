"""What an event means, in words for people who follow an issue. Pure."""

from collections.abc import Mapping
from typing import Any

from rig.wire.words import money, short, tokens, word

COUNTS = ("inputTokens", "outputTokens", "cacheReadTokens", "cacheCreationTokens")


def tell(kind: str, data: Mapping[str, Any] | None, cost: float | None = None) -> str:
    """A sentence about an event of type ``kind``; ``cost`` is what its tokens count as, in dollars."""
    data = data or {}
    agent = word(data.get("agentId"))
    match kind:
        case "issue_approved":
            priority = data.get("priority")
            return "queued" + (f", priority {word(priority)}" if priority else "")
        case "issue_assigned":
            return f"assigned to {agent}, attempt {word(data.get('attempt', 1))}"
        case "lease_granted":
            return f"{agent} has taken it up, lease {word(data.get('fence'))}"
        case "work_started":
            model = data.get("model")
            return f"{agent} starts" + (f" with {word(model)}" if model else "")
        case "token_usage":
            total = tokens({name: data[name] for name in COUNTS if isinstance(data.get(name), int)})
            return f"{total} tokens" + (f", {money(cost)}" if cost is not None else "")
        case "execution_progressed":
            return word(data.get("message") or data.get("kind"))
        case "work_completed":
            return f"{word(data.get('state') or 'done')}: {short(data.get('commit'))} on {word(data.get('branch'))}"
        case "work_failed" | "agent_stuck":
            again = data.get("retryAt")
            return f"failed: {word(data.get('reason'))}" + (", tries again" if again else "")
        case "question_asked":
            return f"{agent} asks: {word(data.get('question'))}"
        case "question_answered":
            return f"answered: {word(data.get('answer'))}"
        case "steer_requested":
            return f"told: {word(data.get('message'))}"
        case "steer_delivered":
            return f"{agent} has been told"
        case "branch_created":
            return f"branch {word(data.get('branch'))}"
        case "pr_created":
            return f"pull request {word(data.get('prUrl') or data.get('prNumber'))}"
        case "log_sealed":
            lines = data.get("lines")
            return f"{word(lines)} log {'line' if lines == 1 else 'lines'} kept"
    reason = data.get("reason")
    return kind.replace("_", " ") + (f": {word(reason)}" if reason else "")
