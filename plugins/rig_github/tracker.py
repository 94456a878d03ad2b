"""The tracker ``github``: issues of repositories by GitHub's API, in the order of their changes.

A page begins at the instant that the last one ended with, so that an issue which changes while others are read is met again and never
skipped. An ETag makes a poll without news cost nothing of the rate limit.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout
from gidgethub import GitHubException, HTTPException
from gidgethub.aiohttp import GitHubAPI

from rig import PollContext, TrackedIssue, TrackerPage, TrackerUnavailable
from rig.payload import integer, text
from rig_github.config import GitHubConfig
from rig_github.mapping import about, closing, distrust

API = "https://api.github.com"
PAGE = 100
SECONDS = 25.0
"""How long one request may take."""
LARGEST = 32 * 1024 * 1024
"""Bytes of an answer."""
SECONDARY = 60
"""Seconds to rest after a secondary limit that names none, as GitHub asks for."""

_INSTANT = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")


class _Api(GitHubAPI):
    """GitHub's API with the headers of its last answer, and without redirects."""

    said: Mapping[str, str] = {}

    async def _request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b""
    ) -> tuple[int, Mapping[str, str], bytes]:
        async with self._session.request(method, url, headers=headers, data=body, allow_redirects=False) as answer:
            self.said = {name.lower(): value for name, value in answer.headers.items()}
            content = (
                await answer.content.read(LARGEST + 1) if (answer.content_length or 0) <= LARGEST else b" " * (LARGEST + 1)
            )
            while len(content) <= LARGEST and (more := await answer.content.read(LARGEST)):
                content += more
            if len(content) > LARGEST:
                raise TrackerUnavailable(f"an answer of GitHub is longer than {LARGEST} bytes")
            return answer.status, answer.headers, content


class GitHubIssues:
    """Reads the issues of `plugins.github.repositories`, one page of one repository at a time."""

    name = "github"

    def __init__(self, config: GitHubConfig) -> None:
        self._config = config
        self._url = config.api_url or API
        self._context: PollContext | None = None
        """The last question: what is fetched is judged by the same rules."""

    async def poll(self, context: PollContext) -> TrackerPage:
        """Open issues at first, then all that change."""
        self._context = context
        places = _places(context.cursor)
        left = [repo for repo in self._config.repositories if not places.get(repo, {}).get("read")]
        if not left:
            left, places = list(self._config.repositories), {repo: _unread(place) for repo, place in places.items()}
        repo = left[0]
        place = dict(places.get(repo, {}))
        state = "all" if place.get("full") else "open"
        query = f"state={state}&sort=updated&direction=asc&per_page={PAGE}"
        query += f"&since={place['since']}" if place.get("since") else ""
        query += f"&page={place['page']}" if place.get("page") else ""
        faults: dict[str, str] = {}
        try:
            found, said = await self._get(f"/repos/{repo}/issues?{query}", place.get("etag", ""))
        except _Absent as error:  # the other repositories are read all the same
            found, said, faults[repo] = None, {}, f"{repo}: {error.message}"
        if found is not None and not isinstance(found, list):
            raise TrackerUnavailable("GitHub's answer is no list of issues")
        listed = [one for one in found or () if isinstance(one, dict)]
        place = place if found is None else _after(place, listed, said)
        full = found is not None and len(listed) == PAGE
        place["read"] = not full
        places = {name: places[name] for name in self._config.repositories if name in places} | {repo: place}
        issues = [one for entry in listed if (one := self._issue(repo, entry, context)) is not None]
        return TrackerPage(issues, json.dumps(places), more=full or len(left) > 1, faults=faults, wait=self._wait(said))

    async def fetch(self, ids: Sequence[str]) -> Sequence[TrackedIssue]:
        """One request each; what is deleted or was moved away is left out."""
        context, found = self._context, []
        if context is None:
            raise TrackerUnavailable("nothing was polled yet")
        for id in ids:
            repo, _, number = id.rpartition("#")
            if repo not in self._config.repositories or not number.isdecimal():
                continue
            try:
                one, _ = await self._get(f"/repos/{repo}/issues/{int(number)}", "")
            except _Absent:
                continue
            if isinstance(one, dict) and (issue := self._issue(repo, one, context)) is not None:
                found.append(issue)
        return found

    def _issue(self, repo: str, found: Mapping[str, Any], context: PollContext) -> TrackedIssue | None:
        number = integer(found, "number")
        if number is None or "pull_request" in found:
            return None
        named = f"{repo}#{number}"
        fields = about(found)
        return TrackedIssue(
            id=named,
            identifier=named,
            state=text(found, "state", 50),
            phase="active"
            if text(found, "state", 50) != "closed"
            else "done"
            if closing(found) == "completed"
            else "cancelled",
            title=fields["title"],
            description=fields["description"],
            url=fields["url"],
            labels=tuple(fields["labels"]),
            priority=fields["priority"],
            hold=distrust(found, context.trusted_associations, context.required_labels, self._config),
            version=text(found, "updated_at", 50),
            created=text(found, "created_at", 50),
        )

    # Asking

    async def _get(self, path: str, etag: str) -> tuple[Any, Mapping[str, str]]:
        """(JSON, headers); None instead of the JSON when nothing has changed since ``etag``."""
        token = self._config.token.get_secret_value() if self._config.token is not None else None
        async with ClientSession(timeout=ClientTimeout(total=SECONDS)) as session:
            api = _Api(session, "rig", oauth_token=token, base_url=self._url)
            try:
                found = await api.getitem(path, extra_headers={"If-None-Match": etag} if etag else None)
            except HTTPException as error:
                if error.status_code == 304:
                    return None, api.said
                raise _refusal(int(error.status_code), api.said) from None
            except TimeoutError:
                raise TrackerUnavailable(f"GitHub did not answer within {SECONDS:g} s") from None
            except (GitHubException, ClientError, OSError, ValueError) as error:
                raise TrackerUnavailable(f"GitHub was not reached: {type(error).__name__}") from None
            if not isinstance(found, list | dict):
                raise TrackerUnavailable("GitHub's answer is no JSON")
            return found, api.said

    def _wait(self, said: Mapping[str, str]) -> float | None:
        """Seconds until the limit is reset where no more than the reserve is left of it."""
        left = said.get("x-ratelimit-remaining", "")
        if not left.isdecimal() or int(left) > self._config.reserve:
            return None
        return float(_until_reset(said) or 0) or None


class _Absent(TrackerUnavailable):
    """What was asked for is not there, or not to be seen."""


def _refusal(status: int, said: Mapping[str, str]) -> TrackerUnavailable:
    """What an error of GitHub means: when to ask again, in words that hold no address and no secret."""
    if status in (301, 302, 307, 308, 404, 410):
        return _Absent(
            f"http {status}: GitHub shows no such repository or issue; is its name right, and may the token read it?"
        )
    after = said.get("retry-after", "")
    if status in (403, 429):
        if after.isdecimal():
            return TrackerUnavailable(f"http {status}: GitHub asks to be left alone", retry_after=int(after))
        if said.get("x-ratelimit-remaining") == "0":
            return TrackerUnavailable(f"http {status}: the rate limit is used up", retry_after=_until_reset(said))
        if status == 429:
            return TrackerUnavailable("http 429: too many requests", retry_after=SECONDARY)
        return TrackerUnavailable("http 403: the token may not read this, or a secondary limit holds", retry_after=SECONDARY)
    if status == 401:
        return TrackerUnavailable("http 401: the token is not valid")
    return TrackerUnavailable(f"http {status}", retry_after=int(after) if after.isdecimal() else None)


def _until_reset(said: Mapping[str, str]) -> int | None:
    """Seconds until the limit is reset, by GitHub's own clock; None when it does not say."""
    reset = said.get("x-ratelimit-reset", "")
    try:
        now = parsedate_to_datetime(said.get("date", "")).timestamp()
    except (ValueError, TypeError):
        return None
    return max(1, int(reset) - int(now) + 1) if reset.isdecimal() else None


def _places(cursor: str) -> dict[str, dict[str, Any]]:
    """Repository to how far it was read; nothing of a cursor that is none of ours."""
    try:
        found = json.loads(cursor or "{}")
    except (ValueError, RecursionError):
        return {}
    return {r: p for r, p in found.items() if isinstance(p, dict)} if isinstance(found, dict) else {}


def _unread(place: Mapping[str, Any]) -> dict[str, Any]:
    return {**place, "read": False}


def _after(place: Mapping[str, Any], listed: Sequence[Mapping[str, Any]], said: Mapping[str, str]) -> dict[str, Any]:
    """Where to go on after a page that was not empty of news."""
    since = str(place.get("since", ""))
    changed = [at for one in listed if _INSTANT.match(at := text(one, "updated_at", 30))]
    last = max([since, *changed])
    after: dict[str, Any] = {"since": last, "full": bool(place.get("full")), "began": place.get("began") or _instant(said)}
    if len(listed) == PAGE:
        if last == since:  # a hundred changes in one second
            after["page"] = int(place.get("page") or 1) + 1
        return after
    if not after["full"]:  # what was closed while the open ones were read is among the changes since the beginning
        after["full"] = True
        after["since"] = min(last or after["began"], after["began"]) if after["began"] else last
    elif last == since:
        after["etag"] = said.get("etag", "")  # the same question comes next
    return after


def _instant(said: Mapping[str, str]) -> str:
    try:
        return f"{parsedate_to_datetime(said.get('date', '')).astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    except (ValueError, TypeError):
        return ""
