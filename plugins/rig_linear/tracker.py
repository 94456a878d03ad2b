"""The tracker ``linear``: issues by Linear's GraphQL API, those that changed last first."""

import json
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout

from rig import PollContext, TrackedIssue, TrackerPage, TrackerUnavailable
from rig.payload import integer, labels, node, nodes, text
from rig_linear.config import LinearConfig
from rig_linear.source import ENDS, IDENTIFIER, PRIORITIES

SECONDS = 25.0
"""How long one request may take."""
PAGE = 50
"""Issues of a page, as the query says."""
LARGEST = 32 * 1024 * 1024
"""Bytes of an answer."""

QUERY = """
query Issues($filter: IssueFilter, $after: String, $archived: Boolean) {
  issues(filter: $filter, first: 50, after: $after, orderBy: updatedAt, includeArchived: $archived) {
    nodes {
      id identifier title description url priority createdAt updatedAt archivedAt
      state { name type }
      labels(first: 20) { nodes { name } }
      parent { identifier }
      inverseRelations(first: 20) { nodes { type issue { identifier state { type } } } }
    }
    pageInfo { hasNextPage endCursor }
  }
}
"""


class LinearIssues:
    """Reads the issues of `plugins.linear.teams` and `projects`."""

    name = "linear"

    def __init__(self, config: LinearConfig) -> None:
        self._config = config

    async def poll(self, context: PollContext) -> TrackerPage:
        """Issues that are not closed at first, then all that have changed. Changes while pages are read come with the next round."""
        place = _place(context.cursor)
        since, after = place["since"], place["after"]
        wanted: dict[str, Any] = {"updatedAt": {"gte": since}} if since else {"state": {"type": {"nin": [*ENDS]}}}
        found, said = await self._ask({"filter": self._scope(wanted), "after": after or None, "archived": bool(since)})
        listed = nodes(found, "nodes")
        newest = max([place["newest"], *(text(one, "updatedAt", 50) for one in listed)])
        page = node(found, "pageInfo")
        end = text(page, "endCursor", 1_000)
        more = page.get("hasNextPage") is True and bool(end) and end != after
        place = {"since": since, "after": end, "newest": newest} if more else {"since": newest, "after": "", "newest": newest}
        issues = [one for entry in listed if (one := self._issue(entry)) is not None]
        return TrackerPage(issues, json.dumps(place), more=more, wait=self._wait(said))

    async def fetch(self, ids: Sequence[str]) -> Sequence[TrackedIssue]:
        """One request for all, as a page holds more than Rig asks for; what is archived or deleted is left out."""
        found: list[TrackedIssue] = []
        for start in range(0, len(ids), PAGE):
            some = list(ids[start : start + PAGE])
            answer, _ = await self._ask({"filter": self._scope({"id": {"in": some}}), "after": None, "archived": False})
            found += [one for entry in nodes(answer, "nodes") if (one := self._issue(entry)) is not None and one.id in some]
        return found

    def _scope(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        scope: dict[str, Any] = dict(wanted)
        if self._config.teams:
            scope["team"] = {"key": {"in": list(self._config.teams)}}
        if self._config.projects:
            scope["project"] = {"slugId": {"in": list(self._config.projects)}}
        return scope

    def _issue(self, found: Mapping[str, Any]) -> TrackedIssue | None:
        named, id = text(found, "identifier", 100), text(found, "id", 200)
        if not id or not IDENTIFIER.match(named):
            return None
        state = node(found, "state")
        kind, phase, why = text(state, "type", 50), "inactive", ""
        if text(found, "archivedAt", 50):
            phase = "cancelled"
        elif kind in ENDS:
            phase = "done" if ENDS[kind][0] == "ISSUE_DONE" else "cancelled"
        elif kind in self._config.queued_types:
            phase = "active"
        else:
            why = f"an issue whose state is of type {kind or 'unknown'} is not to be done yet"
        blockers = (
            node(relation, "issue")
            for relation in nodes(node(found, "inverseRelations"), "nodes")
            if relation.get("type") == "blocks"
        )
        waits = [text(b, "identifier", 100) for b in blockers if text(node(b, "state"), "type", 50) not in ENDS]
        parent = text(node(found, "parent"), "identifier", 100)
        return TrackedIssue(
            id=id,
            identifier=named,
            state=text(state, "name", 100),
            phase=phase,  # type: ignore[arg-type]  # one of the four
            title=text(found, "title", 1_000),
            description=text(found, "description", 262_144),
            url=text(found, "url", 1_000),
            labels=tuple(labels({"labels": nodes(node(found, "labels"), "nodes")})),
            priority=PRIORITIES.get(integer(found, "priority") or 0),
            depends_on=tuple(b for b in waits if IDENTIFIER.match(b)),
            parent=parent if IDENTIFIER.match(parent) else None,
            why=why,
            version=text(found, "updatedAt", 50),
            created=text(found, "createdAt", 50),
        )

    # Asking

    async def _ask(self, variables: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, str]]:
        """(the connection, headers). Raises TrackerUnavailable; its texts hold no address and no key."""
        assert self._config.api_key is not None
        key = self._config.api_key.get_secret_value()
        headers = {"Authorization": key if key.startswith("lin_api_") else f"Bearer {key}", "User-Agent": "rig"}
        try:
            async with (
                ClientSession(timeout=ClientTimeout(total=SECONDS)) as session,
                session.post(
                    self._config.endpoint, json={"query": QUERY, "variables": variables}, headers=headers, allow_redirects=False
                ) as answer,
            ):
                said = {name.lower(): value for name, value in answer.headers.items()}
                body, status = bytearray(), answer.status
                async for chunk in answer.content.iter_chunked(65536):
                    body += chunk
                    if len(body) > LARGEST:
                        raise TrackerUnavailable(f"an answer of Linear is longer than {LARGEST} bytes")
        except TimeoutError:
            raise TrackerUnavailable(f"Linear did not answer within {SECONDS:g} s") from None
        except (ClientError, OSError, ValueError) as error:
            raise TrackerUnavailable(f"Linear was not reached: {type(error).__name__}") from None
        return _connection(status, bytes(body), said), said

    def _wait(self, said: Mapping[str, str]) -> float | None:
        """Seconds until the limit is reset of which too little is left: requests, or points of complexity for ten such queries."""
        cost = int(said["x-complexity"]) if said.get("x-complexity", "").isdecimal() else 0
        waits = []
        for kind, least in (("requests", self._config.reserve), ("complexity", 10 * cost)):
            left = said.get(f"x-ratelimit-{kind}-remaining", "")
            if left.isdecimal() and int(left) <= least and (rest := _until_reset(kind, said)):
                waits.append(float(rest))
        return max(waits, default=None)


def _connection(status: int, body: bytes, said: Mapping[str, str]) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    found = found if isinstance(found, dict) else {}
    codes = [text(node(error, "extensions"), "code", 100).upper() for error in nodes(found, "errors")]
    after = said.get("retry-after", "")
    if "RATELIMITED" in codes or status == 429:
        rests = [
            rest
            for kind in ("requests", "complexity")
            if said.get(f"x-ratelimit-{kind}-remaining") == "0" and (rest := _until_reset(kind, said))
        ]
        wait = int(after) if after.isdecimal() else max(rests, default=60)
        raise TrackerUnavailable("the rate limit of Linear is used up", retry_after=wait)
    if status in (401, 403) or "AUTHENTICATION_ERROR" in codes:
        raise TrackerUnavailable(f"http {status}: Linear does not accept the key")
    if codes:
        raise TrackerUnavailable(f"http {status}: Linear refuses the query: {codes[0].lower() or 'no code'}")
    if status != 200:
        raise TrackerUnavailable(f"http {status}", retry_after=int(after) if after.isdecimal() else None)
    issues = node(node(found, "data"), "issues")
    if not isinstance(issues.get("nodes"), list):
        raise TrackerUnavailable("Linear's answer is no list of issues")
    return issues


def _until_reset(kind: str, said: Mapping[str, str]) -> int | None:
    """Seconds until a limit is reset, by Linear's own clock; None when it does not say."""
    reset = said.get(f"x-ratelimit-{kind}-reset", "")  # milliseconds since 1970
    try:
        now = parsedate_to_datetime(said.get("date", "")).timestamp()
    except (ValueError, TypeError):
        return None
    return max(1, int(int(reset) / 1000 - now) + 1) if reset.isdecimal() else None


def _place(cursor: str) -> dict[str, str]:
    """How far it was read; the beginning for a cursor that is none of ours."""
    try:
        found = json.loads(cursor or "{}")
    except (ValueError, RecursionError):
        found = {}
    found = found if isinstance(found, dict) else {}
    return {name: text(found, name, 1_000) for name in ("since", "after", "newest")}
