"""Which models there are, as the unmodified programs say, through a real daemon."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.daemon import running


@pytest.mark.parametrize("name", ["claude", "codex"])
def test_the_models_are_those_that_the_program_names(tmp_path: Path, name: str, require: Callable[[str], str]) -> None:
    found = Path(os.environ.get("RIG_TEST_NODE_MODULES") or "/nonexistent") / ".bin" / name
    program = str(found) if found.exists() else require(name)
    config = f"""
[dispatch]
provider = "{name}"
[providers.{name}]
command = "{program}"
base_url = "http://127.0.0.1:9"
env = {{ OPENAI_API_KEY = "canary-of-a-key", ANTHROPIC_API_KEY = "canary-of-a-key" }}
"""
    with running(tmp_path, config=config) as daemon:
        listed = daemon.ask("GET", "/api/v1/models").json
        assert (listed["provider"], listed["source"], listed["reason"]) == (name, "program", None)
        assert len(listed["models"]) > 1
        assert [m["is_default"] for m in listed["models"]].count(True) == 1
        assert all(m["id"] and m["display_name"] for m in listed["models"])
        assert daemon.ask("GET", f"/api/v1/models?provider={name}").json == listed
        mock = daemon.ask("GET", "/api/v1/models?provider=mock").json
        assert (mock["source"], [m["id"] for m in mock["models"]]) == ("configured", ["claude-sonnet-4-5"])
        assert daemon.ask("GET", "/api/v1/models?provider=nobody").status == 404
        chosen = daemon.ask("PATCH", "/api/v1/config/overlay", {"path": f"providers.{name}.model", "value": "my-own"})
        assert chosen.status == 200
        again = daemon.ask("GET", "/api/v1/models").json
        assert [m["id"] for m in again["models"] if m["is_default"]] == ["my-own"]
        assert [m["id"] for m in again["models"]][1:] == [m["id"] for m in listed["models"]]
        daemon.ask("PATCH", "/api/v1/config/overlay", {"path": f"providers.{name}.command", "value": "/nonexistent/program"})
        gone = [daemon.ask("GET", "/api/v1/models").json for _ in range(8)][-1]
        assert (gone["source"], [m["id"] for m in gone["models"]]) == ("configured", ["my-own"])
        assert gone["reason"] == "program can't be asked: No such file or directory"
        state = {row["name"]: row["state"] for row in daemon.ask("GET", "/api/v1/plugins").json}[name]
        assert state == "enabled", "asking in vain is no fault of the plugin"
        assert daemon.stop() == 0
