"""The program's requests for permission: the question that a human is shown, and the answer in the protocol's words. Pure."""

import json
import shlex
from collections.abc import Mapping
from typing import Any

Message = Mapping[str, Any]

APPROVALS = {
    "item/commandExecution/requestApproval": "run a command",
    "item/fileChange/requestApproval": "change files",
    "item/permissions/requestApproval": "have more permissions",
    "execCommandApproval": "run a command",
    "applyPatchApproval": "change files",
}
"""Requests that mean: may I? All others are something else and are never approved."""

ASKS_USER = "item/tool/requestUserInput"
"""The agent has questions of its own."""

MAX_SHOWN = 3_000
"""Characters of a command or change that are shown."""


CUT = frozenset({"item/fileChange/requestApproval", "applyPatchApproval"})
"""Approvals of which a part may be shown: changes of files can be looked at later."""


def question(method: str, params: Message, change: str = "") -> str | None:
    """What to ask for an approval; ``change`` is what is known of the files that would be changed.

    None when a command, or permissions, are too long to be shown, so that nobody could judge them.
    """
    match method:
        case "item/commandExecution/requestApproval":
            shown = str(params.get("command") or "")
            if network := params.get("networkApprovalContext"):
                shown = f"{shown}\nnetwork: {_json(network)}".strip()
        case "execCommandApproval":
            command = params.get("command")
            shown = shlex.join(map(str, command)) if isinstance(command, list) else ""
        case "applyPatchApproval":
            shown = _json(params.get("fileChanges"))
        case "item/permissions/requestApproval":
            shown = _json(params.get("permissions"))
        case _:
            shown = "\n".join(filter(None, [change, _root(params.get("grantRoot"))]))
    if len(repr(shown)) > MAX_SHOWN and method not in CUT:  # what is not printable is shown escaped
        return None
    shown = shown if len(shown) <= MAX_SHOWN else f"{shown[:MAX_SHOWN]}…"
    parts = [f"codex wants to {APPROVALS[method]}:", shown]
    if folder := params.get("cwd"):
        parts.append(f"in {folder}")
    if reason := params.get("reason"):
        parts.append(f"because: {str(reason)[:500]}")
    return "\n".join(part for part in parts if part)


def decision(method: str, params: Message, approved: bool) -> dict[str, Any]:
    """The answer to an approval request."""
    match method:
        case "item/permissions/requestApproval":
            asked = params.get("permissions")
            return {"permissions": asked if approved and isinstance(asked, dict) else {}, "scope": "turn"}
        case "execCommandApproval" | "applyPatchApproval":
            return {"decision": "approved" if approved else {"denied": {"rejection": "it was refused"}}}
        case _:
            return {"decision": "accept" if approved else "decline"}


def refusal(method: str) -> dict[str, Any] | None:
    """The answer to a request that is no approval and that the protocol lets one decline; None: it has to be an error."""
    match method:
        case "mcpServer/elicitation/request":
            return {"action": "decline", "content": None}
        case "item/tool/call":
            return {"success": False, "contentItems": [{"type": "inputText", "text": "there is no such tool"}]}
        case _:
            return None


def _root(root: Any) -> str:
    return f"and anything else in {root} from now on" if root else ""


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1, default=str)
