"""Whether providers are logged in: the real programs are asked, and no token is spent."""

from pathlib import Path
from typing import Any

import pytest

from rig import CheckResult, HealthContext, NothingToCheck, ProviderSetup
from rig_claude.health import ClaudeLogin
from rig_codex.config import UNCONFINED
from rig_codex.health import CodexLogin
from tests.acceptance.daemon import Daemon, running


async def _well() -> str | None:
    return None


def context(folder: Path, name: str = "", **setup: Any) -> HealthContext:
    """What a checker is told where a provider is set up so; no provider without a name."""
    known = {name: ProviderSetup(setup.pop("settings", {}), **setup)} if name else {}
    return HealthContext(_well, _well, lambda: 0.0, folder, lambda: known)


@pytest.fixture(params=["claude", "codex"])
def checker(request: pytest.FixtureRequest) -> ClaudeLogin | CodexLogin:
    return ClaudeLogin() if request.param == "claude" else CodexLogin()


async def test_what_is_not_set_up_is_not_watched(checker: ClaudeLogin | CodexLogin, tmp_path: Path) -> None:
    assert not checker.critical
    assert await checker.check(context(tmp_path)) == NothingToCheck()


async def test_a_program_that_is_not_installed_is_said(checker: ClaudeLogin | CodexLogin, tmp_path: Path) -> None:
    name = checker.name.partition(":")[2]
    result = await checker.check(context(tmp_path, name, settings={"command": str(tmp_path / "nothing")}))
    assert isinstance(result, CheckResult)
    assert result.status == "Unreachable"
    assert (result.reason or "").startswith("the program is not installed: npm install -g @")


async def test_a_secret_that_is_missing_is_named(checker: ClaudeLogin | CodexLogin, tmp_path: Path) -> None:
    told = context(tmp_path, checker.name.partition(":")[2], granted=("MY_KEY",), missing=("MY_KEY",))
    assert await checker.check(told) == CheckResult("Unreachable", "there is no secret for MY_KEY")


@pytest.mark.parametrize("granted", ["ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN", "CLAUDE_CODE_USE_BEDROCK"])
async def test_the_real_claude_says_whether_it_would_be_logged_in(claude: str, tmp_path: Path, granted: str) -> None:
    settings = {"command": claude, "base_url": "http://127.0.0.1:9"}  # nothing listens there: nothing is asked of a model

    async def found(*names: str) -> CheckResult | NothingToCheck:
        checker = ClaudeLogin()
        result: CheckResult | NothingToCheck = NothingToCheck()
        for _ in range(20):  # a busy machine may take longer than a check
            result = await checker.check(context(tmp_path, "claude", settings=settings, granted=names))
            if isinstance(result, CheckResult) and "not answered yet" not in (result.reason or ""):
                break
        return result

    assert await found() == CheckResult("Unreachable", "not logged in: grant ANTHROPIC_API_KEY in [providers.claude] env")
    assert await found(granted) == CheckResult()


async def test_the_real_codex_runs_and_has_the_key_that_its_sessions_name(codex: str, tmp_path: Path) -> None:
    async def found(**settings: str) -> CheckResult | NothingToCheck:
        checker = CodexLogin()
        result: CheckResult | NothingToCheck = NothingToCheck()
        for _ in range(20):
            told = context(tmp_path, "codex", settings={"command": codex, **settings}, granted=("OPENAI_API_KEY",))
            result = await checker.check(told)
            if isinstance(result, CheckResult) and "not answered yet" not in (result.reason or ""):
                break
        return result

    assert await found() == CheckResult()
    assert await found(env_key="OTHER_KEY") == CheckResult("Unreachable", "no key: grant OTHER_KEY in [providers.codex] env")


async def test_a_program_that_says_something_else_degrades(tmp_path: Path) -> None:
    for name, text in (("claude", "exit 2"), ("codex", "exit 2")):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)
    settings = {"command": str(tmp_path / "claude")}
    result = await ClaudeLogin().check(context(tmp_path, "claude", settings=settings))
    assert result == CheckResult("Degraded", "the program does not say whether it is logged in (exit 2)")
    told = context(tmp_path, "codex", settings={"command": str(tmp_path / "codex")}, granted=("OPENAI_API_KEY",))
    assert await CodexLogin().check(told) == CheckResult("Unreachable", "the program does not run: exit 2")


@pytest.mark.parametrize("sandbox", [None, "read-only", "danger-full-access"])
async def test_a_machine_that_cannot_confine_codex_is_said_unless_it_need_not(tmp_path: Path, sandbox: str | None) -> None:
    program = tmp_path / "codex"
    program.write_text('#!/bin/sh\n[ "$1" != sandbox ]\n')
    program.chmod(0o755)
    settings = {"command": str(program), **({"sandbox": sandbox} if sandbox else {})}
    told = context(tmp_path, "codex", settings=settings, granted=("OPENAI_API_KEY",))
    expected = CheckResult() if sandbox == "danger-full-access" else CheckResult("Unreachable", UNCONFINED)
    assert await CodexLogin().check(told) == expected


def dependency(daemon: Daemon, name: str) -> Any:
    rows = daemon.ask("GET", "/healthz/deep").json["dependencies"]
    return next((row for row in rows if row["name"] == name), None)


def test_a_daemon_shows_the_providers_that_it_works_with(claude: str, tmp_path: Path) -> None:
    """Also that the overlay counts at once, and that a granted value is nowhere."""
    config = f"""
[providers.claude]
command = "{claude}"
env = {{ ANTHROPIC_API_KEY = "$SECRET:ANTHROPIC_API_KEY" }}
"""
    with running(tmp_path, config=config) as daemon:
        row = dependency(daemon, "provider:claude")
        assert (row["status"], row["critical"]) == ("Unreachable", False)
        assert row["reason"] == "there is no secret for ANTHROPIC_API_KEY"
        assert dependency(daemon, "provider:codex") is None
        assert daemon.ask("GET", "/healthz/deep").json["overall"] == "Degraded"
        key = "sk-ant-of-the-test"
        daemon.ask("PATCH", "/api/v1/config/overlay", {"path": "providers.claude.env", "value": {"ANTHROPIC_API_KEY": key}})
        daemon.wait_for(lambda: dependency(daemon, "provider:claude")["status"] == "Ok")
        assert key not in daemon.ask("GET", "/healthz/deep").body.decode()
        assert key not in daemon.log.read_text()
