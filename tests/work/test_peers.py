"""Who is at the other end of a loopback connection."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rig.work.environment import MARKER
from rig.work.peers import UNKNOWN, AttemptPeers

pytestmark = pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="only Linux tells whose a socket is")

CONNECT = "import socket, sys; s = socket.create_connection(('127.0.0.1', int(sys.argv[1]))); print(s.getsockname()[1], flush=True); input()"


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as found:
        yield found


def connected(listener: socket.socket, **environ: str) -> "tuple[subprocess.Popen[str], int]":
    """A process in a group of its own that holds a connection, and its port."""
    command = [sys.executable, "-c", CONNECT, str(listener.getsockname()[1])]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, start_new_session=True, env=os.environ | environ)
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def test_a_peer_is_told_by_its_group_or_its_environment(listener: socket.socket) -> None:
    process, port = connected(listener)
    marked, marked_port = connected(listener, **{MARKER: "e-2"})
    with process, marked:
        peers = AttemptPeers(lambda: {"e-1": process.pid, "e-2": 0})
        assert peers(("127.0.0.1", port)) == "e-1"
        assert peers(("127.0.0.1", marked_port)) == "e-2"
        process.communicate("\n")
        marked.communicate("\n")


def test_while_nothing_runs_every_peer_is_a_stranger_to_it(listener: socket.socket) -> None:
    assert AttemptPeers(dict)(("127.0.0.1", 1)) is None


def test_what_lingers_of_an_old_connection_from_the_same_port_hides_no_peer() -> None:
    """A port in TIME_WAIT stands in the table before its new owner, without an inode."""
    with socket.create_server(("127.0.0.1", 0)) as old, socket.create_server(("127.0.0.1", 0)) as new:
        first = socket.socket()
        first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        first.bind(("127.0.0.1", 0))
        port = first.getsockname()[1]
        first.connect(old.getsockname())
        first.close()
        old.accept()[0].close()
        with socket.socket() as second:
            second.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            second.bind(("127.0.0.1", port))
            second.connect(new.getsockname())
            group = os.getpgid(0)
            assert AttemptPeers(lambda: {"e-1": group})(("127.0.0.1", port)) == "e-1"


def test_a_socket_that_nobody_holds_is_unknown(listener: socket.socket) -> None:
    assert AttemptPeers(lambda: {"e-1": os.getpgid(0)})(("127.0.0.1", 1)) == UNKNOWN
