# SPDX-License-Identifier: Apache-2.0
"""Hosts on one network: each with its own address, processes, name and mounts, made of Linux namespaces.

The namespaces have no names: the kernel removes them, with all that runs in them, when the processes that hold them
die, and those die with the thread that started them. So a test that is killed leaves nothing behind, and the machine's
own network is not touched. Needs root, ``ip`` (Debian's iproute2) and util-linux. Knows no server.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

_SUBNET = "10.77.0"
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


class Forbidden(Exception):
    """The kernel, or what this machine has installed, allows no hosts; the message says what is missing."""


def check_allowed() -> None:
    """Raises Forbidden where no network of hosts can be made."""
    if shutil.which("ip") is None:
        raise Forbidden("there is no ip: apt-get install iproute2")
    program = [*_ALONE, "ip", "link", "add", "lan", "type", "bridge"]
    tried = subprocess.run(program, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if tried.returncode:
        raise Forbidden(f"no namespaces: {tried.stderr.strip() or tried.stdout.strip()}")


_ALONE = ("unshare", "--net", "--pid", "--fork", "--kill-child", "--mount", "--mount-proc", "--uts", "--")
_DIES_WITH_US = ("setpriv", "--pdeathsig", "KILL", "--")


def _run(*command: str) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"


class _Space:
    """Namespaces that a sleeping process holds."""

    def __init__(self, name: str) -> None:
        script = 'hostname "$1" && ip link set lo up && echo up && exec sleep infinity'
        self._holder = subprocess.Popen(
            [*_DIES_WITH_US, *_ALONE, "sh", "-c", script, "sh", name],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == "up\n", f"host {name} did not come up"
        (init,) = psutil.Process(self._holder.pid).children()
        self.pid: int = init.pid
        """The process that holds the namespaces; the first one in them."""

    def inside(self, *command: str) -> None:
        """Run a command to its end in the network of these namespaces."""
        _run("nsenter", f"--net=/proc/{self.pid}/ns/net", "--", *command)

    def close(self) -> None:
        """End all that runs here, and the namespaces with it."""
        self._holder.kill()
        self._holder.wait()
        assert self._holder.stdout is not None
        self._holder.stdout.close()


@dataclass(frozen=True, slots=True)
class Program:
    """Something that runs on a host."""

    entry: subprocess.Popen[bytes]
    """What entered the host; its one child is the program itself."""

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.entry.poll() is None

    @property
    def pid(self) -> int:
        """The program's process id, as this machine counts."""
        (child,) = psutil.Process(self.entry.pid).children()
        return child.pid

    def send(self, number: signal.Signals) -> None:
        """Signal the program alone, not what it started."""
        with contextlib.suppress(psutil.NoSuchProcess, ValueError):
            os.kill(self.pid, number)


class Host(_Space):
    """A machine of its own, as far as its programs can tell."""

    def __init__(self, lan: Lan, name: str, number: int) -> None:
        super().__init__(name)
        self.name = name
        self.address = f"{_SUBNET}.{number}"
        self._lan = lan
        self._programs: list[Program] = []
        self._port = f"port{number}"
        link = ("ip", "link", "add", self._port, "type", "veth", "peer", "name", "eth0", "netns", str(self.pid))
        lan.inside(*link)
        lan.inside("ip", "link", "set", self._port, "master", "lan", "up")
        self.inside("ip", "address", "add", f"{self.address}/24", "dev", "eth0")
        self.inside("ip", "link", "set", "eth0", "up")

    def run(
        self, command: Sequence[str], environment: Mapping[str, str], log: IO[bytes], user: tuple[int, int] = (0, 0)
    ) -> Program:
        """Start a program here, as the user and group of these numbers; what it says is appended to a log."""
        enter = ("nsenter", "--target", str(self.pid), "--net", "--pid", "--mount", "--uts")
        who = ("--setuid", str(user[0]), "--setgid", str(user[1]))
        program = Program(
            subprocess.Popen(
                [*_DIES_WITH_US, *enter, *who, "--", *command],
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A Ctrl-C is for us: we take the hosts down.
                start_new_session=True,
            )
        )
        self._programs.append(program)
        return program

    def close(self) -> None:
        """End all that runs here, the host with it."""
        super().close()
        for program in self._programs:
            program.entry.wait()

    @property
    def mark(self) -> str:
        """What the host calls itself ends with this, as a pattern of SQL."""
        return f"%/{self._pids()}"

    def processes(self) -> list[psutil.Process]:
        """All that runs here, however it was started."""
        here = self._pids()
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(OSError):
                if process.pid != self.pid and Path(f"/proc/{process.pid}/ns/pid").stat().st_ino == here:
                    found.append(process)
        return found

    def signal(self, number: signal.Signals) -> None:
        """Signal all that runs here: SIGKILL is a power cut, SIGSTOP a machine that is frozen."""
        for process in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, number)

    def cut(self) -> None:
        """Lose every packet from and to this host, without a word to anybody."""
        self._lan.inside("bridge", "link", "set", "dev", self._port, "state", "0")

    def heal(self) -> None:
        """Undo :meth:`cut`."""
        self._lan.inside("bridge", "link", "set", "dev", self._port, "state", "3")

    def small_disk(self, folder: Path, megabytes: int) -> None:
        """Give this host, and no other, a disk of its own at a folder."""
        size = f"size={megabytes}m"
        mount = ("mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder))
        _run("nsenter", "--target", str(self.pid), "--mount", "--", *mount)

    def path(self, folder: Path) -> Path:
        """What this host has at a folder, for us to see."""
        return Path(f"/proc/{self.pid}/root{folder}")

    def _pids(self) -> int:
        return Path(f"/proc/{self.pid}/ns/pid").stat().st_ino


class Lan(_Space):
    """A switch, and the hosts that are plugged into it."""

    def __init__(self) -> None:
        super().__init__("lan")
        self._numbers = itertools.count(2)
        self.hosts: list[Host] = []
        self.inside("ip", "link", "add", "lan", "type", "bridge")
        self.inside("ip", "link", "set", "lan", "up")

    def host(self, name: str) -> Host:
        """One more."""
        host = Host(self, name, next(self._numbers))
        self.hosts.append(host)
        return host

    def close(self) -> None:
        """Take everything down."""
        for host in self.hosts:
            host.close()
        super().close()


def enter_network(host: Host) -> None:
    """Have this thread, and it alone, open its sockets on a host from now on."""
    with Path(f"/proc/{host.pid}/ns/net").open("rb") as space:
        if _libc.setns(space.fileno(), _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "cannot enter the network of a host")
