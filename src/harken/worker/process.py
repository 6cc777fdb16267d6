# SPDX-License-Identifier: Apache-2.0
"""A child process as its parent sees it: started, asked, timed, killed.

Knows how to talk to one child, not what for.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import Pipe

from harken.worker.deadline import Deadline, held_up
from harken.worker.protocol import Answer, Grace, Hello, Progress, Refusal, Request, Step

START_SECONDS = 60.0
"""How long a child may take to say hello."""
LEAVE_SECONDS = 2.0
"""How long a child that was told to leave may take before it is killed."""
_LARGEST_KEPT = 2**25
"""Bytes of a single piece of memory that glibc can keep."""


class ChildDied(Exception):
    """A child died or was killed while it was asked; ``how`` says it for people.

    ``hung`` when it was killed because it did not answer in time.
    """

    def __init__(self, how: str, *, hung: bool = False) -> None:
        super().__init__(how)
        self.how = how
        self.hung = hung


@dataclass(frozen=True, slots=True)
class ChildSettings:
    """How children are started."""

    name: str
    threads: int = 1
    """What native libraries are told that they may use."""
    natives: str = "harken.worker.natives"
    """The module with the native code."""
    nice: int = 0
    """By how much it steps back for other processes that want the same core."""
    kept: int = 2**20
    """Bytes of freed memory that it may keep for what it does next; giving all back costs recognisers a third more."""


class Child:
    """A running child. One thread asks; any thread may kill."""

    def __init__(self, settings: ChildSettings) -> None:
        """Start it. Raises OSError when the system starts no process; see :meth:`greet` for the rest."""
        self._lock = threading.Lock()
        self._deadline: Deadline | None = None
        self._hung = False
        self._connection, theirs = Pipe()
        try:
            self._process = subprocess.Popen(
                [
                    sys.executable, "-m", "harken.worker.child", "--fd", str(theirs.fileno()),
                    "--parent", str(os.getpid()), "--name", settings.name, "--natives", settings.natives,
                    "--nice", str(settings.nice),
                ],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env={**_memory_limits(settings.kept), **os.environ, **_thread_limits(settings.threads)},
            )  # fmt: skip
        except BaseException:
            self._connection.close()
            raise
        finally:
            theirs.close()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def check(self) -> None:
        """Raise ChildDied when it does not run any more."""
        if self._process.poll() is not None:
            raise ChildDied(self._how())

    def greet(self, timeout: float = START_SECONDS) -> None:
        """Wait until it is up. Raises ChildDied."""
        hello = self._exchange(None, timeout)
        assert isinstance(hello, Hello)

    def ask(self, request: Request, timeout: float, on_progress: Callable[[float], None] | None = None) -> object:
        """The value of its answer; ``on_progress`` is called meanwhile, in this thread, when the child tells it.

        Raises:
            HarkenError: it refused; it is fine.
            ChildDied: it died, or took over ``timeout`` seconds of its own time, or for one of the steps that it told,
                and was killed; see :class:`Deadline`.
        """
        reply = self._exchange(request, timeout, on_progress)
        if isinstance(reply, Refusal):
            raise reply.error()
        assert isinstance(reply, Answer)
        return reply.value

    def _exchange(
        self, request: Request | None, timeout: float, on_progress: Callable[[float], None] | None = None
    ) -> object:
        self._begin(timeout)
        try:
            if request is not None:
                self._connection.send(request)
            while True:
                match reply := self._connection.recv():
                    case Grace():
                        self._spare(reply.seconds)
                    case Step():
                        self._begin(timeout)
                    case Progress():
                        if on_progress is not None:
                            on_progress(reply.done)
                    case _:
                        break
        except (EOFError, OSError) as error:
            raise ChildDied(self._how(), hung=self._hung) from error
        finally:
            with self._lock:
                self._deadline = None
        if self._hung:
            # It answered while it was being killed: whatever it is asked next must not be blamed.
            raise ChildDied(self._how(), hung=True)
        return reply

    def kill_if_late(self) -> None:
        """Kill it when its time is over; what waits for its answer then sees it die. For a watching thread."""
        with self._lock:
            now = time.monotonic()
            if self._deadline is None or not self._deadline.due(now):
                return
            if self._deadline.late(now, held_up(self.pid)):
                self._deadline = None
                self._hung = True
                self.kill()

    def kill(self) -> None:
        """Kill it, whatever it does."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    def leave(self) -> None:
        """Have it leave, kill it if it does not, and collect it."""
        self._connection.close()
        try:
            self._process.wait(LEAVE_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()

    def _begin(self, timeout: float) -> None:
        """Have its time begin, unless it was killed for the last one."""
        with self._lock:
            if not self._hung:
                self._deadline = Deadline(timeout, time.monotonic(), held_up(self.pid))

    def _spare(self, seconds: float) -> None:
        with self._lock:
            if self._deadline is not None:
                self._deadline.spare(seconds)

    def _how(self) -> str:
        try:
            code = self._process.wait(LEAVE_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            code = self._process.wait()
        if self._hung:
            return "it did not answer in time and was killed"
        if code < 0:
            return f"it was killed by signal {-code} ({signal.strsignal(-code)})"
        return f"it left with exit code {code}"


def _thread_limits(threads: int) -> dict[str, str]:
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
    return dict.fromkeys(names, str(threads))


def _memory_limits(kept: int) -> dict[str, str]:
    """For glibc, which otherwise keeps what each thread once used: a third of a recogniser, and more by the hour."""
    return {
        "MALLOC_ARENA_MAX": "1",
        "MALLOC_MMAP_THRESHOLD_": str(min(kept, _LARGEST_KEPT)),
        "MALLOC_TRIM_THRESHOLD_": str(kept),
    }
