"""A wrong or missing master key stops the start and touches nothing (I22)."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rig.errors import ConfigError, WrongKey
from rig.vault.master import CHECK_FILE, open_vault

OTHER = "ab" * 32


def everything(folder: Path) -> dict[str, tuple[bytes, int, int]]:
    files = [path for path in folder.iterdir() if path.is_file()]
    return {path.name: (path.read_bytes(), path.stat().st_mode, path.stat().st_mtime_ns) for path in files}


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return tmp_path / "master.key"


def test_the_first_start_makes_a_key_that_only_its_owner_reads(tmp_path: Path, key_file: Path) -> None:
    sealed = open_vault(tmp_path, key_file, {}).seal("t", "A", 1, b"value")
    assert key_file.stat().st_mode & 0o777 == 0o600
    assert len(bytes.fromhex(key_file.read_text())) == 32
    before = everything(tmp_path)
    assert open_vault(tmp_path, key_file, {}).open("t", "A", 1, sealed) == b"value"
    assert everything(tmp_path) == before
    assert sorted(before) == ["master.key", CHECK_FILE]


def test_the_variable_goes_before_the_file_and_makes_none(tmp_path: Path, key_file: Path) -> None:
    vault = open_vault(tmp_path, key_file, {"RIG_MASTER_KEY": OTHER})
    assert not key_file.exists()
    key_file.write_text(OTHER.upper() + "\n")
    key_file.chmod(0o600)
    assert open_vault(tmp_path, key_file, {}).key_id == vault.key_id


def test_another_key_is_refused_and_nothing_changes(tmp_path: Path, key_file: Path) -> None:
    open_vault(tmp_path, key_file, {})
    before = everything(tmp_path)
    with pytest.raises(WrongKey, match="RIG_MASTER_KEY is not the one"):
        open_vault(tmp_path, key_file, {"RIG_MASTER_KEY": OTHER})
    assert everything(tmp_path) == before


def test_a_missing_key_is_not_made_again_while_values_are_sealed(tmp_path: Path, key_file: Path) -> None:
    open_vault(tmp_path, key_file, {})
    key_file.unlink()
    before = everything(tmp_path)
    with pytest.raises(WrongKey, match="put it back"):
        open_vault(tmp_path, key_file, {})
    assert everything(tmp_path) == before


def test_a_damaged_check_is_refused(tmp_path: Path, key_file: Path) -> None:
    open_vault(tmp_path, key_file, {})
    for text in ("not hex", "", "01" * 40):
        (tmp_path / CHECK_FILE).write_text(text)
        with pytest.raises(WrongKey):
            open_vault(tmp_path, key_file, {})


@pytest.mark.parametrize("text", ["", "ab", "zz" * 32, "ab" * 31, "ab" * 33, "\0" * 64])
def test_a_text_that_is_no_key_is_refused_without_repeating_it(tmp_path: Path, key_file: Path, text: str) -> None:
    key_file.write_text(text)
    key_file.chmod(0o600)
    with pytest.raises(ConfigError, match="64 hex digits") as refused:
        open_vault(tmp_path, key_file, {})
    assert not text or text not in refused.value.message
    assert everything(tmp_path).keys() == {"master.key"}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_key_that_others_may_read_is_refused(tmp_path: Path, key_file: Path, mode: int) -> None:
    open_vault(tmp_path, key_file, {})
    key_file.chmod(mode)
    with pytest.raises(ConfigError, match="chmod 600"):
        open_vault(tmp_path, key_file, {})


def test_a_key_file_that_is_none_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "link").symlink_to("nowhere")
    for name, reason in (("pipe", "regular file"), (".", "regular file"), ("link", "64 hex digits")):
        with pytest.raises(ConfigError, match=reason):
            open_vault(tmp_path, tmp_path / name, {})
    with pytest.raises(ConfigError, match="cannot be written"):
        open_vault(tmp_path, Path("/proc/none/master.key"), {})


def test_starts_at_the_same_time_agree_on_one_key(tmp_path: Path, key_file: Path) -> None:
    code = "import sys; from pathlib import Path; from rig.vault.master import open_vault\n"
    code += "sys.stdin.read(); d = Path(sys.argv[1]); print(open_vault(d, d / 'master.key', {}).key_id.hex())"
    command = [sys.executable, "-c", code, str(tmp_path)]
    starts = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    for start in starts:
        assert start.stdin is not None
        start.stdin.close()
        start.stdin = None
    assert len({start.communicate(timeout=30)[0] for start in starts}) == 1
    assert all(start.returncode == 0 for start in starts)


def test_a_start_killed_while_it_makes_the_key_leaves_a_start_that_works(tmp_path: Path) -> None:
    code = """
import os, signal, sys
from pathlib import Path
from rig.vault import private
from rig.vault.master import open_vault
left = int(sys.argv[2])
def counted(real):
    def call(*arguments):
        global left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        return real(*arguments)
    return call
for name in ("fsync", "link", "unlink"):
    setattr(os, name, counted(getattr(os, name)))
d = Path(sys.argv[1])
open_vault(d, d / "master.key", {})
"""
    killed = 0
    for point in range(12):
        folder = tmp_path / str(point)
        folder.mkdir()
        done = subprocess.run([sys.executable, "-c", code, str(folder), str(point)], timeout=30, check=False)
        killed += done.returncode == -signal.SIGKILL
        vault = open_vault(folder, folder / "master.key", {})
        assert open_vault(folder, folder / "master.key", {}).key_id == vault.key_id
    assert killed == 8
