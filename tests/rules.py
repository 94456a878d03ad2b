"""``pytest --rules PREFIX``: a table of the contract's rules, the tests that prove each, and how they went."""

from collections import defaultdict

import pytest


class RulesReport:
    """Collects the outcome of every test that is marked with a rule."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._tests: dict[str, list[str]] = {}
        self._outcomes: dict[str, str] = {}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            rules = [rule for mark in item.iter_markers("rule") for rule in mark.args]
            if rules:
                self._tests[item.nodeid] = rules

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.nodeid in self._tests and (report.when == "call" or report.outcome != "passed"):
            self._outcomes[report.nodeid] = report.outcome

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        proofs: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for test, rules in self._tests.items():
            for rule in rules:
                if rule.startswith(self._prefix) and test in self._outcomes:
                    proofs[rule][test.partition("[")[0]].append(self._outcomes[test])
        terminalreporter.section("rules")
        for rule in sorted(proofs, key=lambda r: (r.partition("-")[0], int(r.partition("-")[2]))):
            for test, outcomes in proofs[rule].items():
                worst = "passed" if set(outcomes) == {"passed"} else ", ".join(sorted(set(outcomes)))
                terminalreporter.write_line(f"| {rule} | `{test}` | {worst} |")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rules", metavar="PREFIX", help="print which test proves which rule of the contract, e.g. R0")


def pytest_configure(config: pytest.Config) -> None:
    prefix = config.getoption("--rules")
    if prefix:
        config.pluginmanager.register(RulesReport(prefix), "rules-report")
