"""What a webhook source is told of the store: which issue a branch or a pull request belongs to."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rig.clock import ManualClock
from rig.config import Settings
from rig.http.hooks import ConfiguredHooks
from rig.ids import SeededIds
from rig.model.tables import Query
from rig.plugin.contexts import WebhookSettings
from rig.store.memory import open_memory
from rig.store.opening import open_sqlite
from rig.store.sql import select
from rig.store.verify import DATABASE
from tests.contracts.store import TENANT, fact, unit


class NoSecrets:
    def get(self, tenant: str, name: str) -> str | None:
        return None


def told(store: Any) -> WebhookSettings:
    return ConfiguredHooks(Settings, {}, NoSecrets(), store).settings(TENANT)


@pytest.mark.parametrize(
    ("repo", "branch", "pull", "number"),
    [
        ("acme/app", "rig/cart", None, 9),
        ("acme/app", "rig/cart", 7, 9),
        ("acme/app", None, 6, 8),
        ("acme/app", "rig/other", 7, None),
        ("acme/app", None, None, None),
        ("acme/web", "rig/cart", 7, None),
    ],
)
async def test_a_branch_or_else_a_pull_request_belongs_to_the_newest_issue_that_has_it(
    repo: str, branch: str | None, pull: int | None, number: int | None
) -> None:
    store = open_memory(clock=ManualClock(), ids=SeededIds(1))
    for known in (8, 9):
        await store.commit(
            unit(fact("ISSUE_APPROVED", known), fact("PR_CREATED", known, prNumber=known - 2, branch="rig/cart"))
        )
    found = told(store).issue_of(repo, branch, pull)
    await store.close()
    assert found == number


class Vault:
    """A vault that can be filled."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    def get(self, tenant: str, name: str) -> str | None:
        return self.values.get(name)


async def test_a_secret_that_is_missing_is_told_once_with_its_source(caplog: pytest.LogCaptureFixture) -> None:
    sources = [{"name": "ci", "type": "hmac", "secret": "$SECRET:CI"}, {"name": "gh", "type": "github", "secret": "x"}]
    settings = Settings.model_validate({"webhook_sources": sources})
    vault = Vault()
    store = open_memory(clock=ManualClock(), ids=SeededIds(1))
    hooks = ConfiguredHooks(lambda: settings, {}, vault, store)
    said = "webhook source ci: there is no secret CI to check its deliveries with; `rig secret set` stores it"
    assert [hooks.secrets() for _ in range(3)] == [("x",)] * 3
    assert [record.getMessage() for record in caplog.records] == [said]
    vault.values["CI"] = "hush"
    assert hooks.secrets() == ("hush", "x")
    vault.values.clear()
    assert hooks.secrets() == ("x",)
    assert [record.getMessage() for record in caplog.records] == [said, said]
    await store.close()


class Asked:
    """A store without an issue that notes what it is asked for."""

    @contextmanager
    def snapshot(self) -> Iterator["Asked"]:
        yield self

    def page(self, query: Query[Any]) -> list[tuple[str, Any]]:
        self.query = query
        return []


@pytest.mark.parametrize(("branch", "pull"), [("rig/cart", None), (None, 7)])
async def test_only_issues_of_the_repository_are_looked_through_for_it(
    tmp_path: Path, branch: str | None, pull: int | None
) -> None:
    store = Asked()
    assert told(store).issue_of("acme/app", branch, pull) is None
    await open_sqlite(tmp_path, clock=ManualClock(), ids=SeededIds(1)).log.close()
    sql, arguments = select(store.query)
    database = sqlite3.connect(tmp_path / DATABASE)
    plan = [detail for *_, detail in database.execute(f"EXPLAIN QUERY PLAN {sql}", arguments)]
    database.close()
    assert len(plan) == 1, "nothing is sorted"
    assert "(tenant=? AND repo=?)" in plan[0]
