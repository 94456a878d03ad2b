"""What is installed: the wheel's names, every plugin's registration, and what an import costs."""

import ast
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import entry_points
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

IMPORT_NAMES = {"python-liquid": "liquid", "pyyaml": "yaml"}
"""Distributions whose package has another name than theirs."""


@pytest.fixture(scope="module")
def project(repository: Path) -> dict[str, Any]:
    return tomllib.loads((repository / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def plugin_folders(repository: Path) -> list[str]:
    return sorted(folder.parent.name for folder in (repository / "plugins").glob("rig_*/__init__.py"))


@pytest.fixture(scope="module")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    target = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(target), str(repository)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    with zipfile.ZipFile(next(target.glob("*.whl"))) as archive:
        return archive.namelist()


def test_the_wheel_has_the_packages_and_nothing_else(wheel: list[str], plugin_folders: list[str]) -> None:
    top = {name.partition("/")[0] for name in wheel}
    assert {name for name in top if not name.endswith(".dist-info")} == {"rig", "rigtui", *plugin_folders}
    assert any(name.endswith("licenses/LICENSE") for name in wheel)
    assert {"rig/http/pages/docs.html", "rig/http/pages/start.js"} <= set(wheel)


def test_every_package_says_that_it_is_typed(wheel: list[str], plugin_folders: list[str]) -> None:
    assert [name for name in ("rig", "rigtui", *plugin_folders) if f"{name}/py.typed" not in wheel] == []


def test_every_plugin_folder_is_packaged_registered_and_kept_apart(project: dict[str, Any], plugin_folders: list[str]) -> None:
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert sorted(p for p in packages if p.startswith("plugins/")) == [f"plugins/{name}" for name in plugin_folders]
    assert sorted(project["project"]["entry-points"]["rig"].values()) == plugin_folders
    assert {point.module for point in entry_points(group="rig")} >= set(plugin_folders)
    linter = project["tool"]["importlinter"]
    assert set(plugin_folders) <= set(linter["root_packages"])
    contracts = {contract["name"]: contract for contract in linter["contracts"]}
    assert contracts["plugins see only the public names of rig"]["source_modules"] == plugin_folders


FILES_ONLY = {"flask_swagger_ui"}
"""Packages of which Rig reads files and imports nothing."""


def test_what_is_imported_is_depended_on_and_the_other_way_round(repository: Path, project: dict[str, Any]) -> None:
    lines = [*project["project"]["dependencies"], *project["project"]["optional-dependencies"]["postgres"]]
    names = [canonicalize_name(Requirement(line).name) for line in lines]
    assert (
        _imported(repository) - {"rig", "rigtui", "pytest"}
        == {IMPORT_NAMES.get(n, n.replace("-", "_")) for n in names} - FILES_ONLY
    )


def _imported(repository: Path) -> set[str]:
    """Top-level names that the packages import, without the standard library and without each other."""
    found = set()
    for root in ("runtime", "plugins", "rigtui"):
        for path in (repository / root).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                    names = [node.module]
                found |= {name.partition(".")[0] for name in names}
    return {name for name in found - sys.stdlib_module_names if not name.startswith("rig_")}


def test_programs_of_rigs_own_take_no_module_from_the_working_directory(repository: Path) -> None:
    """Only ``rig plugin test`` does: its author runs it where the plugin lies."""
    found = set()
    for root in ("runtime", "plugins", "rigtui"):
        for path in (repository / root).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                words = node.elts if isinstance(node, ast.List | ast.Tuple) else node.args if isinstance(node, ast.Call) else []
                if ("sys.executable", "'-m'") in pairwise(map(ast.unparse, words)):
                    found.add(path.relative_to(repository).as_posix())
    assert found == {"runtime/rig/cli/conformance.py"}


def loaded_by(code: str) -> set[str]:
    code += "\nimport sys; print('\\n'.join(sorted({name.partition('.')[0] for name in sys.modules})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    return set(done.stdout.splitlines())


HEAVY = {
    "aiohttp",
    "cryptography",
    "genai_prices",
    "liquid",
    "msgspec",
    "pluggy",
    "psutil",
    "pydantic",
    "pykka",
    "sqlite_utils",
    "textual",
}


def test_importing_rig_costs_nothing() -> None:
    assert loaded_by("import rig") & (HEAVY | {"asyncio", "click"}) == set()


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys, rig.cli; sys.argv = ['rig', '--help']\ntry: rig.cli.main()\nexcept SystemExit as end: assert not end.code"
    )
    assert loaded_by(code) & HEAVY == set()


def test_a_plugin_is_found_without_loading_its_code(plugin_folders: list[str]) -> None:
    heavy = HEAVY - {"pluggy", "msgspec"}
    for name in plugin_folders:
        assert loaded_by(f"import {name}") & heavy == set(), name
