"""A real daemon says in its log which plugins it could not load, and which tables are nobody's."""

from pathlib import Path

from tests.acceptance.daemon import running

MISSPELT = """
import rig


@rig.hookimpl
def rig_befor_dispatch(context):
    return None
"""


def test_a_plugin_that_is_not_loaded_and_a_table_of_none_are_in_the_log(tmp_path: Path) -> None:
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    (plugins / "drafts.py").write_text(MISSPELT)
    config = "[plugins.draft]\nnote = 'x'\n"
    with running(tmp_path / "daemon", config=config, arguments=("--plugins-dir", str(plugins))) as daemon:
        said = daemon.log.read_text()
    error = "there is no hook rig_befor_dispatch; is rig_before_dispatch meant? (drafts.py:5)"
    assert f"the plugin drafts is not loaded: load_error: {error}" in said
    assert "the configuration has [plugins.draft], and no such plugin is installed" in said
