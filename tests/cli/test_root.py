import click
import pytest

from rig.cli.root import COMMANDS, LazyGroup
from rig.cli.root import rig as command
from tests.cli.conftest import Rig


def tree(group: click.Group, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], click.Command]:
    """Every command below a group, by its words."""
    found: dict[tuple[str, ...], click.Command] = {}
    with click.Context(group) as context:
        for name in group.list_commands(context):
            below = group.get_command(context, name)
            assert below is not None
            found[(*path, name)] = below
            if isinstance(below, click.Group):
                found |= tree(below, (*path, name))
    return found


def test_help_shows_every_command_without_loading_it(rig: Rig) -> None:
    shown = rig("--help").output
    for name, (_, text) in COMMANDS.items():
        assert f"  {name}" in shown
        assert text in shown


@pytest.mark.parametrize("words", [" ".join(words) for words in tree(command)])
def test_every_command_has_a_help_and_options_with_a_meaning(rig: Rig, words: str) -> None:
    found = tree(command)[tuple(words.split())]
    assert isinstance(command, LazyGroup)
    assert found.help
    for parameter in found.params:
        if isinstance(parameter, click.Option) and parameter.name != "help":
            assert parameter.help or parameter.name == "format_", f"{words} {parameter.opts}"
    if words != "bench":
        result = rig(*words.split(), "--help")
        assert result.exit_code == 0
        assert max(map(len, result.output.splitlines())) <= 80


def test_help_names_every_command_of_a_group(rig: Rig) -> None:
    groups = {words[0]: found for words, found in tree(command).items() if isinstance(found, click.Group)}
    listed = {name: text.partition(": ")[2].rstrip(".").split(", ") for name, (_, text) in COMMANDS.items() if ": " in text}
    named = {name: set(found) for name, found in listed.items() if name in groups}
    assert len(named) >= 8
    with click.Context(command) as context:
        assert named == {name: set(groups[name].list_commands(context)) for name in named}


def test_an_unknown_command_is_a_matter_of_usage(rig: Rig) -> None:
    assert isinstance(rig("nonsense").exception, click.UsageError)


def test_the_version_is_the_packages(rig: Rig) -> None:
    import rig as package

    assert rig("--version").output == f"rig {package.__version__}\n"
