"""Linear's GraphQL API for issues on loopback: filters, cursors, newest change first, and limits in headers."""

import json
import threading
import time
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

FIELDS = ("identifier", "updatedAt", "archivedAt", "state", "labels", "inverseRelations", "hasNextPage", "endCursor")


class Linear:
    """A context manager. ``issues`` are by id, as the API shows them."""

    def __init__(self) -> None:
        self.issues: dict[str, dict[str, Any]] = {}
        self.asked: list[dict[str, Any]] = []
        """Variables of every query."""
        self.keys: set[str] = set()
        self.left = {"requests": 5000, "complexity": 3_000_000}
        self.reset_in = 900
        self.refuse: tuple[int, dict[str, str], Any] | None = None
        self._last = 0.0

    def put(self, number: int, **fields: Any) -> dict[str, Any]:
        """Make or change an issue of the team ENG."""
        self._last = max(self._last + 0.001, time.time())
        now = f"{datetime.fromtimestamp(self._last, UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"
        id = f"00000000-0000-4000-8000-{number:012}"
        made: dict[str, Any] = {
            "id": id,
            "identifier": f"ENG-{number}",
            "title": f"Issue {number}",
            "description": None,
            "url": f"https://linear.app/acme/issue/ENG-{number}",
            "priority": 0,
            "createdAt": now,
            "archivedAt": None,
            "state": {"name": "Todo", "type": "unstarted"},
            "labels": {"nodes": []},
            "parent": None,
            "inverseRelations": {"nodes": []},
            "team": "ENG",
        }
        self.issues[id] = {**made, **self.issues.get(id, {}), **fields, "updatedAt": now}
        return self.issues[id]

    def answer(self, body: Any) -> Any:
        """The connection that a query asks for."""
        assert all(field in body["query"] for field in FIELDS)
        asked = body["variables"]
        self.asked.append(asked)
        wanted = asked["filter"]
        found = [i for i in self.issues.values() if self._matches(i, wanted) and (asked["archived"] or not i["archivedAt"])]
        found.sort(key=lambda i: i["updatedAt"], reverse=True)
        start = int(asked["after"] or 0)
        page = found[start : start + 50]
        more = len(found) > start + 50
        shown = [{name: value for name, value in i.items() if name != "team"} for i in page]
        return {"nodes": shown, "pageInfo": {"hasNextPage": more, "endCursor": str(start + len(page)) if page else None}}

    def _matches(self, issue: dict[str, Any], wanted: dict[str, Any]) -> bool:
        unknown = wanted.keys() - {"updatedAt", "state", "id", "team"}
        assert not unknown, unknown
        return (
            issue["updatedAt"] >= wanted.get("updatedAt", {}).get("gte", "")
            and issue["state"]["type"] not in wanted.get("state", {}).get("type", {}).get("nin", ())
            and issue["id"] in wanted.get("id", {}).get("in", (issue["id"],))
            and issue["team"] in wanted.get("team", {}).get("key", {}).get("in", (issue["team"],))
        )

    def __enter__(self) -> Self:
        linear = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                linear.keys.add(self.headers.get("Authorization", ""))
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                now = datetime.now(UTC)
                linear.left["requests"] -= 1
                linear.left["complexity"] -= 500
                said = {"Content-Type": "application/json", "X-Complexity": "500"}
                for kind, left in linear.left.items():
                    said[f"X-RateLimit-{kind.title()}-Remaining"] = str(max(0, left))
                    said[f"X-RateLimit-{kind.title()}-Reset"] = str(int((now.timestamp() + linear.reset_in) * 1000))
                status, more, answer = linear.refuse or (200, {}, {"data": {"issues": linear.answer(body)}})
                data = json.dumps(answer).encode()
                self.send_response_only(status)
                for name, value in {"Date": format_datetime(now, usegmt=True), **said, **more}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/graphql"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
