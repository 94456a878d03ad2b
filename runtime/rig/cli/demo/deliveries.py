"""The demo's issues, and GitHub's signed deliveries that bring them."""

import hashlib
import hmac
import json
import re
from copy import deepcopy
from dataclasses import dataclass
from importlib.resources import files
from typing import Any
from uuid import UUID

REPO = "demo/todo"


@dataclass(frozen=True)
class Wish:
    """An issue of the demo: what it says, and the script that the provider ``mock`` plays for it."""

    number: int
    title: str
    label: str
    wish: str
    script: str

    def body(self, pace: float = 1.0) -> str:
        """The issue's text; the script, its delays ``pace`` times as long, rides along in a block that only ``mock`` reads."""
        script = re.sub(r"(?<=delay_ms = )\d+", lambda delay: str(int(int(delay[0]) * pace)), self.script.strip())
        return f"{self.wish}\n\n```rig-mock\n{script}\n```\n"


WISHES = (
    Wish(
        1,
        "Fix typo",
        "priority:low",
        'The README says "Teh".',
        """
[[turn]]
delay_ms = 250
text = "Reading README.md"
[[turn]]
delay_ms = 350
text = "One word to correct."
write = { "README.md" = "# Todo\\n\\nThe smallest list of things to do.\\n" }
""",
    ),
    Wish(
        2,
        "Add undo",
        "priority:normal",
        "It should be possible to take back what was added last.",
        """
[[turn]]
delay_ms = 300
text = "Reading todo.py and its test"
[[turn]]
delay_ms = 450
text = "An `undo` beside `add`, and a test for it."
append = { "todo.py" = "\\n\\ndef undo(items):\\n    return items[:-1]\\n" }
[[turn]]
delay_ms = 300
text = "The test first failed, now it passes."
append = { "test_todo.py" = "\\n\\ndef test_undo_takes_back_the_last_item():\\n    assert todo.undo([1, 2]) == [1]\\n" }
""",
    ),
    Wish(
        3,
        "Fix crash",
        "priority:critical",
        "`first` of an empty list raises IndexError; it should give None.",
        """
[[turn]]
delay_ms = 300
text = "Reading todo.py"
[[turn]]
delay_ms = 500
text = "`first` looks before it takes."
write = { "todo.py" = "def add(items, item):\\n    return [*items, item]\\n\\n\\ndef first(items):\\n    return items[0] if items else None\\n" }
""",
    ),
    Wish(
        4,
        "Add tests",
        "priority:high",
        "Nothing tests `first` yet.",
        """
[[turn]]
delay_ms = 250
text = "Reading test_todo.py"
[[turn]]
delay_ms = 400
text = "A test for `first`."
append = { "test_todo.py" = "\\n\\ndef test_first_is_the_oldest_item():\\n    assert todo.first([1, 2]) == 1\\n" }
""",
    ),
)


def payload(wish: Wish, pace: float = 1.0) -> bytes:
    """The body of an ``issues`` delivery, action ``labeled``, as GitHub sends it; ``pace`` is that of its script."""
    template: dict[str, Any] = json.loads(files(__package__).joinpath("issues.labeled.json").read_bytes())
    issue = template["issue"]
    for name, value in issue.items():
        if isinstance(value, str):
            issue[name] = value.replace("/issues/0", f"/issues/{wish.number}")
    label = template["label"]
    label |= {"name": wish.label, "url": label["url"].replace("NAME", wish.label.replace(":", "%3A"))}
    issue |= {"id": issue["id"] + wish.number, "number": wish.number, "title": wish.title, "body": wish.body(pace)}
    issue["labels"] = [deepcopy(label)]
    return json.dumps(template).encode()


def signed(body: bytes, secret: str) -> dict[str, str]:
    """The headers that GitHub sends with ``body`` when the webhook's secret is ``secret``."""
    return {
        "Content-Type": "application/json",
        "User-Agent": "GitHub-Hookshot/demo",
        "X-GitHub-Event": "issues",
        "X-GitHub-Delivery": str(UUID(bytes=hashlib.sha256(body).digest()[:16])),
        "X-Hub-Signature-256": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest(),
    }
