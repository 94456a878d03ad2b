"""GitHub's REST API for issues on loopback: lists with Link and ETag, single issues, and a rate limit that is really counted."""

import hashlib
import json
import re
import threading
import time
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

LIST = re.compile(r"^/repos/([^/]+/[^/]+)/issues$")
ONE = re.compile(r"^/repos/([^/]+/[^/]+)/issues/(\d+)$")


class GitHub:
    """A context manager. ``issues`` are those of each repository by number, as GitHub shows them."""

    def __init__(self, *repositories: str, limit: int = 5000) -> None:
        self.issues: dict[str, dict[int, dict[str, Any]]] = {name: {} for name in repositories}
        self.limit = limit
        self.used = 0
        self.reset_in = 900
        self.refuse: tuple[int, dict[str, str]] | None = None
        """Status and headers of every answer, instead of a good one."""
        self.asked: list[tuple[str, int]] = []
        """Path with query, and the status of the answer."""
        self.tokens: set[str] = set()
        self.lock = threading.Lock()
        """Held while a request is answered."""
        self._last = 0

    def put(self, repo: str, number: int, **fields: Any) -> dict[str, Any]:
        """Make or change an issue; it counts as changed a second after the last change."""
        self._last = max(self._last + 1, int(time.time()))
        now = f"{datetime.fromtimestamp(self._last, UTC):%Y-%m-%dT%H:%M:%SZ}"
        made = {
            "url": f"{self.url}/repos/{repo}/issues/{number}",
            "html_url": f"https://github.com/{repo}/issues/{number}",
            "id": 1_000_000 + number,
            "number": number,
            "title": f"Issue {number}",
            "user": {"login": "octocat", "id": 1, "type": "User"},
            "labels": [],
            "state": "open",
            "locked": False,
            "assignee": None,
            "milestone": None,
            "comments": 0,
            "created_at": now,
            "closed_at": None,
            "author_association": "OWNER",
            "active_lock_reason": None,
            "body": None,
            "state_reason": None,
        }
        here = self.issues[repo]
        here[number] = {**made, **here.get(number, {}), **fields, "updated_at": now}
        return here[number]

    def answer(self, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], Any]:
        """Status, headers and JSON of a GET."""
        parts = urlsplit(path)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        if self.refuse is not None:
            return self.refuse[0], self.refuse[1], {"message": "no"}
        if self.used >= self.limit:
            return 403, {}, {"message": "API rate limit exceeded"}
        found = LIST.match(parts.path) or ONE.match(parts.path)
        if found is None or found[1] not in self.issues:
            self.used += 1
            return 404, {}, {"message": "Not Found"}
        here = self.issues[found[1]]
        said: dict[str, str] = {}
        if ONE.match(parts.path):
            shown: Any = here.get(int(found[2]))
            if shown is None:
                self.used += 1
                return 404, {}, {"message": "Not Found"}
        else:
            shown, said = self._list(here, query, parts.path)
        etag = f'W/"{hashlib.sha256(json.dumps(shown).encode()).hexdigest()}"'
        if headers.get("if-none-match") == etag:
            return 304, {"ETag": etag}, None  # which costs nothing
        self.used += 1
        return 200, {"ETag": etag, **said}, shown

    def _list(self, here: dict[int, dict[str, Any]], query: dict[str, str], path: str) -> tuple[Any, dict[str, str]]:
        assert (query["sort"], query["direction"]) == ("updated", "asc")
        chosen = [
            i for i in here.values() if query["state"] in ("all", i["state"]) and i["updated_at"] >= query.get("since", "")
        ]
        chosen.sort(key=lambda i: i["updated_at"])
        size, page = int(query["per_page"]), int(query.get("page", "1"))
        more = len(chosen) > size * page
        link = {"Link": f'<{self.url}{path}?page={page + 1}>; rel="next"'} if more else {}
        return chosen[size * (page - 1) : size * page], link

    def __enter__(self) -> Self:
        github = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                status: int
                said: dict[str, str]
                body: Any
                headers = {k.lower(): v for k, v in self.headers.items()}
                github.tokens.add(headers.get("authorization", ""))
                if self.path == "/rate_limit":
                    status, said, body = 200, {}, {}
                else:
                    with github.lock:
                        status, said, body = github.answer(self.path, headers)
                        github.asked.append((self.path, status))
                now = datetime.now(UTC)
                data = b"" if body is None else json.dumps(body).encode()
                said = {
                    "X-RateLimit-Limit": str(github.limit),
                    "X-RateLimit-Remaining": str(max(0, github.limit - github.used)),
                    "X-RateLimit-Reset": str(int(now.timestamp()) + github.reset_in),
                    "Content-Type": "application/json; charset=utf-8",
                    "Content-Length": str(len(data)),
                    **said,
                }
                self.send_response_only(status)
                self.send_header("Date", format_datetime(now, usegmt=True))
                for name, value in said.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
