"""Which process is at the other end of a loopback connection, and does it belong to a running attempt (conventions §7).

A process may leave its group and clean its environment, but not its ancestry: what it can reach at worst is to be adopted by
process 1. So a peer counts as a stranger to the attempts only when its oldest ancestor is older than all of them.
"""

import os
import struct
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from pathlib import Path

from rig.work.environment import MARKER
from rig.work.group import start_time

UNKNOWN = ""
"""Some attempts run and nobody can say whether the peer belongs to one."""

_PROC = Path("/proc")
_REMEMBERED = 1024
_SECONDS = 2.0


class AttemptPeers:
    """Answers ``rig.http``'s question about a peer, remembering each connection for a moment.

    ``groups`` gives the running executions with their process groups (0 while none has started).
    """

    def __init__(self, groups: Callable[[], Mapping[str, int]]) -> None:
        self._groups = groups
        self._known: OrderedDict[tuple[str, int], tuple[float, str | None]] = OrderedDict()

    def __call__(self, peer: tuple[str, int]) -> str | None:
        """The execution that the peer belongs to, ``UNKNOWN`` when that can't be told, None when it belongs to none."""
        groups = self._groups()
        if not groups:
            return None
        now = time.monotonic()
        known = self._known.get(peer)
        if known is not None and now - known[0] < _SECONDS:
            return known[1]
        found = self._look(peer, groups)
        self._known[peer] = (now, found)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return found

    def _look(self, peer: tuple[str, int], groups: Mapping[str, int]) -> str | None:
        if not _PROC.joinpath("net/tcp").exists():
            return UNKNOWN
        found = [_whose(inode, uid, groups) for inode, uid in _sockets_of(peer)]
        if not found:
            return UNKNOWN
        # A port may serve connections to several places at once: the answer that trusts least counts.
        return next((f for f in found if f), UNKNOWN if UNKNOWN in found else None)


def _whose(inode: str, uid: int, groups: Mapping[str, int]) -> str | None:
    if uid != os.getuid() and uid != 0:
        return None  # another user's process is none that we started
    pid = _owner(inode)
    return UNKNOWN if pid is None else belongs(pid, groups)


def belongs(pid: int, groups: Mapping[str, int]) -> str | None:
    """The execution that a process comes from, by group, session, environment or ancestry; ``UNKNOWN`` as above."""
    oldest_attempt = min((s for g in groups.values() if (s := start_time(g)) is not None), default=None)
    eldest = pid
    while pid > 1:
        for execution, group in groups.items():
            if group > 1 and _in_group(pid, group):
                return execution
        if (marked := _marker(pid)) in groups:
            return marked
        if pid == os.getpid():
            return UNKNOWN if eldest != pid else None
        eldest = pid
        pid = _parent(pid)
    started = start_time(eldest)
    if started is None or (oldest_attempt is not None and started >= oldest_attempt):
        return UNKNOWN
    return None


def _in_group(pid: int, group: int) -> bool:
    try:
        return os.getpgid(pid) == group or os.getsid(pid) == group
    except OSError:
        return False


def _marker(pid: int) -> str | None:
    try:
        for entry in (_PROC / str(pid) / "environ").read_bytes().split(b"\0"):
            if entry.startswith(MARKER.encode() + b"="):
                return entry.partition(b"=")[2].decode(errors="replace")
    except OSError:
        pass
    return None


def _parent(pid: int) -> int:
    try:
        return int((_PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return 0


def _sockets_of(peer: tuple[str, int]) -> list[tuple[str, int]]:
    """(inode, uid) of the live sockets whose own end is ``peer``; what lingers after a connection has no inode."""
    wanted = {_hex(peer[0], peer[1])}
    address = ip_address(peer[0])
    if address.version == 4:
        wanted.add(_hex(f"::ffff:{peer[0]}", peer[1]))
    elif address.ipv4_mapped is not None:
        wanted.add(_hex(str(address.ipv4_mapped), peer[1]))
    found = []
    for table in ("net/tcp", "net/tcp6"):
        try:
            lines = (_PROC / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[1] in wanted and fields[9] != "0":
                found.append((fields[9], int(fields[7])))
    return found


def _hex(address: str, port: int) -> str:
    packed = ip_address(address).packed
    words = struct.unpack(f">{len(packed) // 4}I", packed)
    return "".join(f"{int.from_bytes(w.to_bytes(4, 'big'), 'little'):08X}" for w in words) + f":{port:04X}"


def _owner(inode: str) -> int | None:
    """The process that holds a socket; newest processes first, since a client is usually young."""
    wanted = f"socket:[{inode}]"
    for pid in sorted((int(p) for p in os.listdir(_PROC) if p.isdigit()), reverse=True):
        try:
            with os.scandir(_PROC / str(pid) / "fd") as open_files:
                if any(os.readlink(file.path) == wanted for file in open_files):
                    return pid
        except OSError:
            continue
    return None
