#!/usr/bin/env bash
# Every request of the conductor's API, in the order of an issue's life: queued, assigned, worked on, paid for, merged, done.
#
#   rig serve &
#   bash docs/examples/conductor.sh                       # a daemon on this machine needs no key
#   RIG_URL=https://rig.example RIG_TOKEN=rig_… bash docs/examples/conductor.sh
#
# It prints each request, what was answered, and the status. It can be run again and again; what it makes are issues of the
# repository dashecorp/rig-conductor and the agents dev-e-1 and dev-e-node.
set -euo pipefail
RIG_URL=${RIG_URL:-http://127.0.0.1:8080}

# `curl` as printed below, but that it shows the request and the status.
curl() {
    local key=()
    [ -z "${RIG_TOKEN:-}" ] || key=(-H "Authorization: Bearer $RIG_TOKEN")
    local shown=${*//$RIG_URL/}
    printf '\n> curl %s\n' "${shown//$'\n'/ }"
    command curl -sS "${key[@]}" -w '\n%{http_code}\n' "$@"
}

# An event: any type in UPPER_SNAKE, PascalCase or snake_case, and field names in any letter case.
submit() {
    curl -X POST "$RIG_URL/api/events" -H "Content-Type: application/json" -d "$1"
}

echo "# Health: does the process live, and are the systems well that it needs?"
curl "$RIG_URL/health"
curl "$RIG_URL/healthz/deep"

echo "# Submit event: an issue is approved, and queued by that"
submit '{
  "type": "ISSUE_APPROVED",
  "repo": "dashecorp/rig-conductor",
  "issueNumber": 42,
  "title": "feat: Add health check endpoint",
  "priority": "normal",
  "dependsOn": []
}'
submit '{"type": "INVALID"}'

echo "# Issues, all of them and by state"
curl "$RIG_URL/api/issues"
curl "$RIG_URL/api/issues?state=queued"

echo "# The queue, and the head of it; looking claims nothing"
curl "$RIG_URL/api/queue"
curl "$RIG_URL/api/assignments/next?agentId=dev-e-1"

echo "# An agent says that it lives, is assigned the issue and works on it"
submit '{
  "type": "HEARTBEAT",
  "agentId": "dev-e-1",
  "status": "idle",
  "activeProvider": "claude",
  "availableProviders": ["claude", "codex"],
  "providers": [
    { "name": "claude", "status": "ready", "details": "Claude Code auth configured", "active": true },
    { "name": "codex", "status": "authenticated", "details": "logged in using ChatGPT", "active": false }
  ],
  "integrations": [
    { "name": "github", "status": "ready", "details": "GitHub App configured" },
    { "name": "discord-webhook", "status": "ready", "details": "operator webhook configured" }
  ]
}'
submit '{"Type": "IssueAssigned", "Repo": "dashecorp/rig-conductor", "IssueNumber": 42, "AgentId": "dev-e-1"}'
submit '{"type": "WORK_STARTED", "repo": "dashecorp/rig-conductor", "issueNumber": 42, "agentId": "dev-e-1", "branch": "feat/42"}'
submit '{"type": "CLI_STARTED", "repo": "dashecorp/rig-conductor", "issueNumber": 42, "agentId": "dev-e-1"}'
submit '{
  "type": "TOKEN_USAGE",
  "agentId": "dev-e-1",
  "repo": "dashecorp/rig-conductor",
  "issueNumber": 42,
  "model": "claude-sonnet-4-5",
  "inputTokens": 10,
  "outputTokens": 4994,
  "cacheReadTokens": 160855,
  "cacheCreationTokens": 28927,
  "costUsd": 0.242194,
  "category": "work"
}'
submit '{"type": "CLI_COMPLETED", "repo": "dashecorp/rig-conductor", "issueNumber": 42, "agentId": "dev-e-1", "exitCode": 0}'
curl "$RIG_URL/api/agents"

echo "# Streams: what waits for each agent"
curl "$RIG_URL/api/streams"

echo "# Execution logs: summaries, filtered by a status in any letter case; cancelled is none"
curl "$RIG_URL/api/execution-logs"
curl "$RIG_URL/api/execution-logs?limit=50&status=RUNNING"
curl "$RIG_URL/api/execution-logs?status=cancelled"

echo "# The issue is merged; its trace has every event by sequence, its stream the same in another spelling"
submit '{"type": "PR_CREATED", "repo": "dashecorp/rig-conductor", "issueNumber": 42, "agentId": "dev-e-1", "prNumber": 99}'
submit '{"type": "MERGED", "repo": "dashecorp/rig-conductor", "issueNumber": 42, "prNumber": 99}'
curl "$RIG_URL/api/issues/dashecorp%2Frig-conductor%2342/trace"
curl "$RIG_URL/api/issues/trace?repo=dashecorp%2Frig-conductor&issueNumber=42"
curl "$RIG_URL/api/events/stream?id=dashecorp%2Frig-conductor%2342"
curl "$RIG_URL/api/issues/dashecorp%2Frig-conductor%23404/trace"
submit '{"type": "ISSUE_DONE", "repo": "dashecorp/rig-conductor", "issueNumber": 42}'

echo "# Token usage of another agent, on an issue that nobody queued"
submit '{
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
  "category": "work"
}'

echo "# Token usage, by agent and repository"
curl "$RIG_URL/api/usage"
curl "$RIG_URL/api/usage?agentId=dev-e-node"
curl "$RIG_URL/api/usage?repo=dashecorp%2Frig-conductor"
curl "$RIG_URL/api/usage?days=7"

echo "# What it cost: by agent and category, by day, and one issue"
curl "$RIG_URL/api/costs/summary?days=7"
curl "$RIG_URL/api/costs/daily?days=7"
curl "$RIG_URL/api/costs/issue?repo=dashecorp%2Frig-conductor&issueNumber=42"

echo "# Force done: an epic whose sub-issues were given up; a second time it is done already"
submit '{"type": "ISSUE_APPROVED", "repo": "dashecorp/rig-conductor", "issueNumber": 433, "title": "Epic"}'
submit '{"type": "MERGED", "repo": "dashecorp/rig-conductor", "issueNumber": 433}'
curl -X POST \
"$RIG_URL/api/admin/issues/force-done?repo=dashecorp%2Frig-conductor&issueNumber=433"
curl -X POST \
"$RIG_URL/api/admin/issues/force-done?repo=dashecorp%2Frig-conductor&issueNumber=433"
curl -X POST "$RIG_URL/api/admin/issues/force-done?repo=dashecorp%2Frig-conductor&issueNumber=404"
curl "$RIG_URL/api/assignments/next?agentId=dev-e-1"
