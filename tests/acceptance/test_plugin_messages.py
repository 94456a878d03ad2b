"""A real daemon and the ``rig`` command say what is wrong with a plugin, or with a call of one, and what to do."""

from pathlib import Path

from tests.acceptance.daemon import running

MISSPELT = """
import rig


@rig.hookimpl
def rig_befor_dispatch(context):
    return None
"""
CRASHES = """
import rig


@rig.hookimpl
def rig_register_operations(context):
    async def crash(request):
        raise ValueError("a long story of what went wrong in the middle of the night")

    return [rig.PluginOperation("crash", "Crash", crash)]
"""


def test_a_plugin_that_is_not_loaded_and_a_table_of_none_are_in_the_log(tmp_path: Path) -> None:
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    (plugins / "drafts.py").write_text(MISSPELT)
    config = "[plugins.draft]\nnote = 'x'\n"
    with running(tmp_path / "daemon", config=config, arguments=("--plugins-dir", str(plugins))) as daemon:
        said = daemon.log.read_text()
        health = daemon.ask("GET", "/healthz/deep").json["dependencies"]
    error = "there is no hook rig_befor_dispatch; is rig_before_dispatch meant? (drafts.py:5)"
    assert f"the plugin drafts is not loaded: load_error: {error}" in said
    assert "the configuration has [plugins.draft], and no such plugin is installed" in said
    reasons = {d["name"]: d["reason"] for d in health}
    assert reasons["plugin:drafts"] == "load_error: there is no hook rig_befor_dispatch; is rig_before_dispatch meant?"


def test_names_in_the_configuration_that_no_plugin_has_are_in_the_log(tmp_path: Path) -> None:
    source = '[[webhook_sources]]\nname = "gh"\ntype = "githb"\nsecret = "x"\n'
    with running(tmp_path / "daemon", config=f'[dispatch]\nenabled = true\nprovider = "claud"\n{source}') as daemon:
        said = daemon.log.read_text()
    assert "webhook source gh: no plugin reads the type githb; there are: github, gitlab, hmac, linear, standard" in said
    assert "dispatch.provider: there is no provider 'claud'; there are: claude, codex" in said


def test_a_call_that_goes_wrong_is_explained_in_full_at_80_columns(tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "night.py").write_text(CRASHES)
    with running(tmp_path / "daemon", arguments=("--plugins-dir", str(tmp_path / "plugins"))) as daemon:
        assert daemon.rig("x", "night").stdout.splitlines()[1].split() == ["night", "crash", "GET", "read", "Crash"]
        assert "night crash" in daemon.rig("x", "-o", "id").stdout.splitlines()
        refused = daemon.rig("x", "night", "crash", "--post")
        assert (refused.returncode, refused.stderr) == (2, "rig: /x/night/crash is a GET: call it without --post\n")
        failed = daemon.rig("x", "night", "crash")
        assert (failed.returncode, "plugin night failed in x/night/crash: ValueError (trace" in failed.stderr) == (1, True)
        shown = daemon.rig("plugin", "trace", "night", "-F").stdout
    assert "ValueError: a long story of what went wrong in the middle of the night (night.py:8)" in shown.replace("\n", " ")
    assert max(map(len, shown.splitlines())) <= 80
