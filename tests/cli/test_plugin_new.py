"""``rig plugin new``: a project for every kind of plugin, formatted and typed, from templates that lie in the wheel."""

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from rig.cli.root import rig
from rig.cli.scaffold.names import MAX_NAME, named
from rig.cli.scaffold.project import kinds, requires, write
from rig.errors import BadRequest, Conflict

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("typed", "name"),
    [("acme", "acme"), ("Rig-Acme", "acme"), ("acme.corp__ci", "acme-corp-ci"), ("a1", "a1"), ("a" * MAX_NAME, "a" * MAX_NAME)],
)
def test_a_name_is_levelled(typed: str, name: str) -> None:
    names = named(typed)
    assert names.name == name
    assert names.distribution == f"rig-{name}"
    assert names.package == "rig_" + name.replace("-", "_")
    assert names.package.isidentifier()


@pytest.mark.parametrize(
    "typed",
    ["", "-", "1a", "../x", "a/b", "a b", "a\n", "a\0", "é", "$(x)", "a-", "-a", "rig-", "dir", "allow", "a" * (MAX_NAME + 1)],
)
def test_what_is_no_name_is_refused_and_nothing_is_written(typed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadRequest):
        named(typed)
    found = CliRunner().invoke(rig, ["plugin", "new", "--kind", "health", "--", typed])
    assert found.exit_code != 0
    assert list(tmp_path.iterdir()) == []


def test_only_an_empty_folder_and_a_free_name_are_taken(tmp_path: Path) -> None:
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine").write_text("x")
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for folder in (full, tmp_path / "file", tmp_path / "link"):
        with pytest.raises(Conflict, match="not an empty folder"):
            write(named("acme"), "health", folder)
    with pytest.raises(Conflict, match="installed already"):
        write(named("slack"), "health", tmp_path / "slack")
    with pytest.raises(Conflict, match="rig serve is a command of Rig's own"):
        write(named("serve"), "command", tmp_path / "serve")
    with pytest.raises(BadRequest, match=r"there are: .*health"):
        write(named("acme"), "../health", tmp_path / "acme")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "full", "link"]
    assert (full / "mine").read_text() == "x"


def test_the_command_says_what_it_wrote_and_what_is_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.chdir(tmp_path)
    before = os.umask(0o077)  # as ``rig`` sets it
    request.addfinalizer(lambda: os.umask(before))
    found = CliRunner().invoke(rig, ["plugin", "new", "Acme", "--kind", "health"])
    assert found.exit_code == 0, found.output
    lines = found.output.splitlines()
    assert "rig-acme/src/rig_acme/__init__.py" in lines
    assert "rig-acme/.gitignore" in lines
    assert lines[-1] == "next: cd rig-acme && pip install -e '.[dev]' && pytest && rig serve"
    project = tomllib.loads((tmp_path / "rig-acme/pyproject.toml").read_text())["project"]
    assert project["entry-points"]["rig"] == {"acme": "rig_acme"}
    modes = {oct(p.stat().st_mode & 0o777) for p in tmp_path.rglob("*") if p.is_dir()}
    assert (modes, oct((tmp_path / "rig-acme/README.md").stat().st_mode & 0o777)) == ({"0o755"}, "0o644")
    assert project["dependencies"] == ["rigtui" + requires()]


def test_a_range_of_versions_ends_before_the_next_minor_one() -> None:
    assert requires("0.1.0") == ">=0.1,<0.2"
    assert requires("1.9.3") == ">=1.9,<1.10"


@pytest.mark.parametrize("name", ["a", "a" * MAX_NAME])
def test_every_kind_is_formatted_and_lints_and_types_strictly(name: str, tmp_path: Path) -> None:
    places = []
    for kind in kinds():
        folder = tmp_path / kind
        write(named(f"{kind}-{name}"[:MAX_NAME]), kind, folder)
        assert not [p for p in folder.rglob("*") if p.is_file() and re.search(r"\$(?!SECRET:|\{steps)", p.read_text())]
        assert list((folder / "src").glob("*/py.typed"))
        for command in (["format", "--check"], ["check"]):
            done = subprocess.run(
                [sys.executable, "-m", "ruff", *command, "--no-cache"], cwd=folder, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, (kind, done.stdout, done.stderr)
        (folder / "tests/test_plugin.py").rename(tmp_path / f"test_{kind}.py")
        places.append(folder / "src")
    if len(name) > 1:
        return
    config = tmp_path / "mypy.ini"
    config.write_text(f"[mypy]\nstrict = True\nexplicit_package_bases = True\nmypy_path = {':'.join(map(str, places))}\n")
    command = [sys.executable, "-m", "mypy", "--config-file", str(config), "--cache-dir", str(tmp_path / "cache")]
    command += [str(place) for place in (*places, *tmp_path.glob("test_*.py"))]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    (hook,) = (tmp_path / "health/src").glob("*/__init__.py")
    hook.write_text(hook.read_text().replace("return [Checker(context.config)]", 'return ["Checker"]'))
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, 'has incompatible type "str"' in done.stdout) == (1, True), done.stdout


def test_the_wheel_has_the_templates(tmp_path: Path) -> None:
    code = f"import os, hatchling.build; os.chdir({str(ROOT)!r}); print(hatchling.build.build_wheel({str(tmp_path)!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    with zipfile.ZipFile(tmp_path / done.stdout.split()[-1]) as wheel:
        inside = set(wheel.namelist())
    folder = ROOT / "runtime/rig/cli/scaffold/templates"
    wanted = {f"rig/cli/scaffold/templates/{p.relative_to(folder)}" for p in folder.rglob("*") if p.is_file()}
    assert len(wanted) > len(kinds())
    assert wanted <= inside, wanted - inside
