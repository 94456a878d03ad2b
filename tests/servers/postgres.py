"""A private PostgreSQL from the programs that are installed, in a folder of its own, on a unix socket there."""

import glob
import itertools
import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

PLACES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")
"""Where distributions put what they keep off PATH."""
USER = "rig"


def programs() -> Path | None:
    """The folder with ``initdb`` and ``pg_ctl``, the newest release first; None when there is none."""
    found = [Path(folder) for place in PLACES for folder in glob.glob(place) if (Path(folder) / "initdb").exists()]
    if found:
        return max(found, key=lambda folder: [int(n) for n in re.findall(r"\d+", str(folder))])
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


class PostgresServer:
    """A server that writes to disk as a real one does (fsync is on); its locale is not "C", so that order is Rig's doing."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self.directory = Path(tempfile.mkdtemp(prefix="rig-pg-"))
        self.data = self.directory / "data"
        self._user = _other_user()
        if self._user is not None:
            os.chown(self.directory, self._user.pw_uid, self._user.pw_gid)
        self._numbers = itertools.count(1)
        self._run("initdb", "-D", self.data, "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync", *_locale(programs))
        with (self.data / "postgresql.conf").open("a") as file:
            file.write(
                f"listen_addresses = ''\nunix_socket_directories = '{self.directory}'\nshared_buffers = 32MB\n"
                "max_connections = 60\nlog_min_messages = warning\nrestart_after_crash = on\n"
            )
        self.start()

    def start(self) -> None:
        self._ctl("start", "-l", self.directory / "log")

    def stop(self, mode: str = "fast") -> None:
        self._ctl("stop", "-m", mode)

    def restart(self, mode: str = "immediate") -> None:
        """As after a crash of the server, with ``immediate``: sessions are cut, the log is read again at the start."""
        self._ctl("restart", "-m", mode, "-l", self.directory / "log")

    def url(self, database: str) -> str:
        return f"postgresql://{USER}@/{database}?host={self.directory}"

    def create_database(self, *, encoding: str = "UTF8") -> str:
        """The URL of a fresh, empty database."""
        name = f"rig{next(self._numbers)}"
        locale = " LC_COLLATE 'C' LC_CTYPE 'C' LOCALE_PROVIDER libc" if encoding != "UTF8" else ""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}'{locale}".encode())
        return self.url(name)

    def close(self) -> None:
        if (self.data / "postmaster.pid").exists():
            self.stop("immediate")
        shutil.rmtree(self.directory, ignore_errors=True)

    def _ctl(self, action: str, *arguments: str | Path) -> None:
        self._run("pg_ctl", "-D", self.data, "-w", "-t", "30", action, *arguments)

    def _run(self, program: str, *arguments: str | Path) -> None:
        user = self._user
        output = self.directory / f"{program}.out"
        with output.open("w") as out:  # a pipe would stay open as long as the server runs
            done = subprocess.run(
                [str(self._programs / program), *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
                env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
                user=user.pw_uid if user else None,
                group=user.pw_gid if user else None,
                extra_groups=[] if user else None,
                timeout=60,
                check=False,
            )
        assert done.returncode == 0, f"{program}: {output.read_text()}"


def _other_user() -> pwd.struct_passwd | None:
    """Whom the server runs as: it refuses root. None for ourselves."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise AssertionError("root cannot run PostgreSQL, and there is neither a user postgres nor nobody")


def _locale(programs: Path) -> list[str]:
    said = subprocess.run([programs / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    release = int(re.findall(r"\d+", said)[0])
    return ["--locale=C", "--locale-provider=icu", "--icu-locale=en"] if release >= 15 else ["--locale=C"]


@pytest.fixture(scope="session")
def postgres_server(missing: Callable[[str], None]) -> Iterator[PostgresServer]:
    """A running server for the whole session."""
    found = programs()
    if found is None:
        missing("PostgreSQL (initdb, pg_ctl; Debian: apt install postgresql)")
    assert found is not None
    server = PostgresServer(found)
    yield server
    server.close()


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> str:
    """The URL of a fresh, empty database."""
    return postgres_server.create_database()
