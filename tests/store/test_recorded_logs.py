"""Logs of every release: they verify, and fold to the same bytes whatever the chunk, the hash seed and the time zone (I5)."""

import gzip
import os
import subprocess
import sys
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import pytest

from rig.model.events import Event
from rig.store.chain import Walker
from rig.store.rebuild import digests, fold_into, scratch_store
from rig.store.schema import FOLDS_VERSION
from rig.store.transfer import export_line, import_line

LOGS = Path(__file__).parent.parent / "fixtures" / "logs"
RELEASES = {"0.1.0": 2}
"""Release to the version of the folds that its recorded digests were made by; `python -m tests.store.test_recorded_logs` makes them anew."""


def recorded(release: str) -> list[Event]:
    return [import_line(line) for line in gzip.decompress((LOGS / f"{release}.ndjson.gz").read_bytes()).splitlines()]


def chunks(events: list[Event], size: int) -> Iterable[list[Event]]:
    rest = iter(events)
    while part := list(islice(rest, size)):
        yield part


def folded(events: list[Event], size: int, scratch: Path) -> str:
    """A line for each read model, as ``rig rebuild`` prints them."""
    with scratch_store(scratch) as connection:
        fold_into(connection, chunks(events, size))
        return "".join(f"{d.table} {d.rows} {d.sha256}\n" for d in digests(connection))


@pytest.mark.parametrize("release", RELEASES)
def test_a_recorded_log_verifies_and_exports_as_it_was(release: str) -> None:
    events = recorded(release)
    assert Walker().walk(events) is None
    lines = gzip.decompress((LOGS / f"{release}.ndjson.gz").read_bytes()).splitlines()
    assert [export_line(event) for event in events] == lines


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_a_recorded_log_folds_to_the_same_bytes_for_any_chunk(release: str, size: int, tmp_path: Path) -> None:
    found = folded(recorded(release), size, tmp_path / "fold.db")
    assert found == folded(recorded(release), 3, tmp_path / "other.db")
    if RELEASES[release] == FOLDS_VERSION:
        assert found == (LOGS / f"{release}.sha256").read_text()


@pytest.mark.parametrize(("seed", "zone"), [("0", "UTC"), ("1", "Asia/Kathmandu"), ("4242", "America/St_Johns")])
def test_neither_hash_seed_nor_time_zone_change_a_byte(seed: str, zone: str, tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from tests.store.test_recorded_logs import folded, recorded; "
        "sys.stdout.write(folded(recorded('0.1.0'), 50, Path(sys.argv[1])))"
    )
    found = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "fold.db")],
        env=os.environ | {"PYTHONHASHSEED": seed, "TZ": zone},
        cwd=Path(__file__).parent.parent.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout == folded(recorded("0.1.0"), 50, tmp_path / "here.db")


if __name__ == "__main__":
    import tempfile

    for release in RELEASES:
        with tempfile.TemporaryDirectory() as scratch:
            (LOGS / f"{release}.sha256").write_text(folded(recorded(release), 10_000, Path(scratch) / "fold.db"))
