"""``rig secret`` and ``rig erase`` on a data directory."""

from pathlib import Path

from click.testing import CliRunner

from rig.cli.root import rig
from rig.errors import NotFound, Unprocessable
from rig.store import doctor
from tests.contracts.store import fact, unit
from tests.store.test_sqlite import opened


def run(*arguments: str, value: str | None = None) -> tuple[str, BaseException | None]:
    result = CliRunner().invoke(rig, arguments, input=value)
    return result.output, result.exception


def test_a_secret_is_set_listed_and_removed_and_never_shown(tmp_path: Path) -> None:
    here = ("--data-dir", str(tmp_path))
    assert run("secret", "set", "API_KEY", *here, value="hunter2-hunter2\n") == ("API_KEY: version 1\n", None)
    assert run("secret", "set", "API_KEY", *here, value="hunter3-hunter3\n")[0] == "API_KEY: version 2\n"
    assert run("secret", "list", *here)[0] == "API_KEY\n"
    assert not any(b"hunter" in p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
    assert run("secret", "remove", "API_KEY", *here) == ("", None)
    assert isinstance(run("secret", "remove", "API_KEY", *here)[1], NotFound)
    assert isinstance(run("secret", "set", "PATH", *here, value="x")[1], Unprocessable)


async def test_a_field_is_erased_from_the_command_line(tmp_path: Path) -> None:
    store = opened(tmp_path)
    await store.log.commit(unit(fact("ISSUE_APPROVED", 1, title="t", description="a leaked secret")))
    await store.log.close()
    said, error = run("erase", "1", "--field", "description", "--reason", "leak", "--data-dir", str(tmp_path))
    assert (said, error) == ("sequence 1: description erased\n", None)
    assert not any(b"leaked" in p.read_bytes() for p in tmp_path.iterdir() if p.is_file())
    assert [f for f in doctor.examine(tmp_path) if f.level == "fail"] == []
