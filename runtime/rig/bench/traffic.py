"""The events of the benchmarks: an issue's life as its agent reports it, a new issue every fourth event."""

KINDS = 4


def event(number: int) -> bytes:
    """The JSON of event ``number``: approval, start and usage of an issue, then a heartbeat of its agent. About 250 bytes."""
    issue, kind = number // KINDS + 1, number % KINDS
    agent = issue % 50
    if kind == 0:
        return (
            b'{"type":"ISSUE_APPROVED","repo":"acme/web","issueNumber":%d,"title":"The login form forgets what was typed",'
            b'"description":"Steps: open the form, type a name, press back. Expected: the name is still there.",'
            b'"priority":"high","labels":["bug","agent"]}' % issue
        )
    if kind == 1:
        return (
            b'{"type":"WORK_STARTED","repo":"acme/web","issueNumber":%d,"agentId":"agent-%d","branch":"agent/issue-%d",'
            b'"provider":"claude","model":"claude-sonnet-4-5"}' % (issue, agent, issue)
        )
    if kind == 2:
        return (
            b'{"type":"TOKEN_USAGE","repo":"acme/web","issueNumber":%d,"agentId":"agent-%d","model":"claude-sonnet-4-5",'
            b'"inputTokens":1200,"outputTokens":340,"cacheReadTokens":15000,"cacheCreationTokens":800,"costUsd":0.0143}'
            % (issue, agent)
        )
    return (
        b'{"type":"HEARTBEAT","agentId":"agent-%d","status":"working","currentIssue":%d,"currentRepo":"acme/web",'
        b'"activeProvider":"claude","availableProviders":["claude","codex"],"uptimeSeconds":86400,"memoryMB":512}'
        % (agent, issue)
    )


def single(number: int) -> bytes:
    """The body of one POST /api/events."""
    return event(number)


def batch(number: int, size: int) -> bytes:
    """The body of one POST /api/events/batch with ``size`` events."""
    return b"[" + b",".join(event(n) for n in range(number * size, (number + 1) * size)) + b"]"
