"""``import rig``: everything for plugin authors, at no cost until it is used."""

import subprocess
import sys

import rig


def test_every_public_name_is_there() -> None:
    for name in rig.__all__:
        assert getattr(rig, name) is not None
    assert set(rig.__all__) <= set(dir(rig))
    assert set(rig._HOME_OF) | {"__version__"} == set(rig.__all__)


def test_importing_rig_imports_nothing_else() -> None:
    code = (
        "import sys; before = set(sys.modules); import rig; print(sorted(m for m in set(sys.modules) - before if m != 'rig'))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert found == "[]"


def test_importing_a_plugin_imports_none_of_its_code() -> None:
    names = (
        "rig_checks",
        "rig_claude",
        "rig_codex",
        "rig_command",
        "rig_github",
        "rig_gitlab",
        "rig_linear",
        "rig_mock",
        "rig_webhooks",
    )
    code = f"import sys; import {', '.join(names)}; print(*sorted(m for m in sys.modules if m.startswith('rig_')))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.split() == list(names)
