"""The real program in a process of its own: exit codes, closed outputs, odd surroundings (promises §3.4, row CLI)."""

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

COMMAND = (sys.executable, "-m", "rig.cli")


def rig(*arguments: str, **options: Any) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=30, check=False, **options)


def one_line_of(done: "subprocess.CompletedProcess[str]") -> str:
    """What it said on stderr, which must be one line and no traceback."""
    assert done.stderr.startswith("rig: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_help_loads_nothing_but_click_so_that_it_answers_at_once() -> None:
    told = subprocess.run(
        [sys.executable, "-X", "importtime", *COMMAND[1:], "--help"], capture_output=True, text=True, timeout=30, check=True
    )
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in told.stderr.splitlines()}
    programs = {name for name in loaded if not name.startswith("_")} - sys.stdlib_module_names - {"imported package"}
    assert programs - {"sitecustomize", "usercustomize", "zipimport"} == {"click", "rig"}


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--help"], 0),
        (["--version"], 0),
        ([], 2),
        (["nonsense"], 2),
        (["issue", "list", "--limit", "-1"], 2),
        (["api", "nonsense"], 2),
        (["serve", "--port", "70000"], 2),
        (["export"], 3),
        (["issue", "list", "--url", "http://127.0.0.1:1"], 6),
        (["issue", "list", "--url", "nonsense"], 78),
        (["serve", "--config", "missing.toml"], 78),
        (["serve", "--config", "/"], 78),
        (["serve", "--data-dir", "/proc/none"], 78),
        (["config", "check", "missing.toml"], 78),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else str(v),
)
def test_the_exit_code_says_what_became_of_it(arguments: list[str], code: int, tmp_path: Path) -> None:
    done = rig(*arguments, cwd=tmp_path, env=os.environ | {"RIG_DATA_DIR": str(tmp_path / "data")})
    assert done.returncode == code, done.stderr
    if code and arguments:
        one_line_of(done)


def test_a_fifo_is_no_configuration(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    done = rig("serve", "--config", str(tmp_path / "fifo"))
    assert done.returncode == 78
    assert "not a regular file" in one_line_of(done)


def test_escape_sequences_in_arguments_are_not_repeated() -> None:
    for arguments in (
        ["\x1b[2J\x9bnonsense"],
        ["issue", "list", "--state", "\x1b]0;x\x07"],
        ["serve", "--config", "a\x1b[2Jb"],
    ):
        assert not {"\x1b", "\x9b", "\x07"} & set(one_line_of(rig(*arguments)))


def test_arguments_that_are_not_text_are_survived() -> None:
    done = subprocess.run([*COMMAND, b"\xff\xfe"], capture_output=True, timeout=30, check=False)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    "environ",
    [
        {"RIG_URL": "\x1b[2J"},
        {"RIG_TOKEN": "a b"},
        {"RIG_URL": "http://127.0.0.1:1", "RIG_DATA_DIR": "/dev/null"},
        {"RIG__SERVER__PORT": "x", "RIG_URL": "http://127.0.0.1:1"},
        {"COLUMNS": "x", "LC_ALL": "C", "PYTHONIOENCODING": "ascii", "RIG_URL": "http://127.0.0.1:1"},
    ],
    ids=lambda e: " ".join(e),
)
def test_a_strange_environment_is_survived(environ: dict[str, str]) -> None:
    done = rig("issue", "list", env=os.environ | environ)
    assert done.returncode in (6, 78)
    one_line_of(done)


def test_a_home_is_not_needed(tmp_path: Path) -> None:
    environ = {k: v for k, v in os.environ.items() if k not in ("HOME", "XDG_DATA_HOME")}
    assert rig("issue", "list", "--url", "http://127.0.0.1:1", env=environ).returncode == 6
    done = rig("doctor", "--data-dir", str(tmp_path), env=environ, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_folder_that_is_gone_is_survived(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    script = f"cd {gone} && rmdir {gone} && exec {' '.join(COMMAND)} export --data-dir data"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode in (1, 3, 78)
    one_line_of(done)


def test_a_reader_that_has_enough_ends_it_quietly(tmp_path: Path) -> None:
    environ = os.environ | {"RIG_DATA_DIR": str(tmp_path)}
    for command in ("api", "config schema", "--help"):
        script = f"set -o pipefail; {' '.join(COMMAND)} {command} | true; echo ${{PIPESTATUS[0]}}"
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=30, check=False, env=environ)
        assert done.stderr == ""
        assert done.stdout in ("141\n", "0\n", "1\n")


def test_a_closed_output_is_survived(tmp_path: Path) -> None:
    environ = os.environ | {"RIG_DATA_DIR": str(tmp_path)}
    for redirected in (">&-", ">&- 2>&-", "<&- >&- 2>&-"):
        script = f"{' '.join(COMMAND)} api {redirected}; echo $? >&3"
        done = subprocess.run(
            ["bash", "-c", f"exec 3>&1; {script}"], capture_output=True, text=True, timeout=30, check=False, env=environ
        )
        assert done.stdout == "0\n"
        assert done.stderr == ""


def test_a_full_output_is_said(tmp_path: Path) -> None:
    script = f"{' '.join(COMMAND)} api > /dev/full"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=30, check=False, cwd=tmp_path)
    assert done.returncode == 1
    assert "no space left" in one_line_of(done)


def test_files_are_their_users_alone_whatever_the_umask(tmp_path: Path) -> None:
    script = f"umask 000; {' '.join(COMMAND)} key create x --data-dir data && {' '.join(COMMAND)} backup copy --data-dir data"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=30, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    made = [tmp_path / "data", tmp_path / "copy", *(tmp_path / "data").rglob("*"), *(tmp_path / "copy").rglob("*")]
    assert [str(path) for path in made if stat.S_IMODE(path.stat().st_mode) & 0o077] == []


def test_no_color_is_respected_on_a_terminal(tmp_path: Path) -> None:
    import pty

    def shown(environ: dict[str, str]) -> bytes:
        main, second = pty.openpty()
        process = subprocess.Popen([*COMMAND, "api"], stdout=second, stderr=second, env=os.environ | environ, cwd=tmp_path)
        os.close(second)
        text = b""
        try:
            while chunk := os.read(main, 65536):
                text += chunk
        except OSError:
            pass  # how a terminal says that its other end is closed
        os.close(main)
        assert process.wait(30) == 0
        return text

    assert b"\x1b[1m" in shown({"TERM": "xterm", "NO_COLOR": ""})
    assert b"\x1b" not in shown({"TERM": "xterm", "NO_COLOR": "1"})
    assert b"\x1b" not in shown({"TERM": "dumb", "NO_COLOR": ""})
    assert max(len(line) for line in shown({"COLUMNS": "80", "NO_COLOR": "1"}).decode().splitlines()) <= 80


def test_interrupting_ends_with_130(tmp_path: Path) -> None:
    import signal
    import socket

    with socket.socket() as listener:  # it takes the connection and never answers
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        process = subprocess.Popen([*COMMAND, "issue", "list", "--url", url], stderr=subprocess.PIPE, text=True, cwd=tmp_path)
        asking, _ = listener.accept()
        with asking:
            asking.recv(100)
            process.send_signal(signal.SIGINT)
            process.wait(10)
        _, said = process.communicate(timeout=10)
    assert process.returncode == 130
    assert said.strip() == ""
