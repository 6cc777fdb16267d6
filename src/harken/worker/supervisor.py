# SPDX-License-Identifier: Apache-2.0
"""One process that starts the others, and starts again those that die or fall silent.

It is given command lines and knows nothing of what they do. Programs beat (:mod:`harken.worker.heartbeat`) once they
are up; one that dies, or whose heart stops, is started again, after growing pauses when that does not help; one that
was never up after several starts ends the whole, with a word why. They are stopped one after the other, in the order
given, and none outlives the supervisor, even when that is killed. Imports little, to be up at once.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import FrameType

from harken.worker.heartbeat import PIPE_VARIABLE
from harken.worker.lifeline import die_with_parent

log = logging.getLogger(__name__)

STARTS = 5
"""Starts in a row after which a program that was never up is given up."""
START_SECONDS = 120.0
"""How long a program may take to be up."""
_CALM = 30.0
"""Seconds of life after which earlier deaths are forgotten."""
_SLOWEST = 15.0
"""Seconds between two starts at most."""
_TICK = 0.2


@dataclass(frozen=True, slots=True)
class Program:
    """A program to keep running."""

    name: str
    argv: Sequence[str]
    pass_fds: tuple[int, ...] = ()
    """Descriptors that it is given, such as a listening socket, which so outlives its restarts."""


class GaveUp(Exception):
    """A program cannot be started."""


class _Ward:
    """One program: running, or waiting for its next start."""

    def __init__(self, program: Program, dead_after: float) -> None:
        self.program = program
        self.process: subprocess.Popen[bytes] | None = None
        self.pipe = -1
        self.heard = 0.0
        self._dead_after = dead_after
        self._up = False
        self._started = 0.0
        self._next_start = 0.0
        self._failures = 0
        self._silent = False

    def start_if_due(self, now: float) -> bool:
        """Start it when it is time; whether it was started."""
        if self.process is not None or now < self._next_start:
            return False
        self.pipe, theirs = os.pipe()
        parent = os.getpid()
        try:
            self.process = subprocess.Popen(
                list(self.program.argv),
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs, *self.program.pass_fds],
                env={**os.environ, PIPE_VARIABLE: str(theirs)},
                # A Ctrl-C reaches the supervisor alone, which then stops the others in order.
                start_new_session=True,
                # Safe here: this process has one thread.
                preexec_fn=lambda: die_with_parent(parent),  # noqa: PLW1509
            )
        except BaseException:
            os.close(self.pipe)
            raise
        finally:
            os.close(theirs)
        os.set_blocking(self.pipe, False)
        self._started = self.heard = now
        self._up = self._silent = False
        log.debug("%s is process %d", self.program.name, self.process.pid)
        return True

    def listen(self, now: float) -> bool:
        """Take note of its beats; whether there can be more."""
        try:
            beats = os.read(self.pipe, 4096)
        except BlockingIOError:
            return True
        if beats:
            self.heard = now
            self._up = True
        return bool(beats)

    def check(self, now: float) -> bool:
        """Kill it when it is silent for too long; whether it is gone. Raises GaveUp."""
        assert self.process is not None
        limit = self._dead_after if self._up else START_SECONDS
        if not self._silent and now - self.heard > limit:
            self._silent = True
            self.process.kill()
        code = self.process.poll()
        if code is None:
            return False
        how = f"did not answer for {limit:.0f} s and was killed" if self._silent else _ending(code)
        self._failures = self._failures + 1 if now - self._started < _CALM else 1
        if not self._up and (self._failures >= STARTS or code == os.EX_CONFIG):
            times = f" {self._failures} times" if self._failures > 1 else ""
            raise GaveUp(f"{self.program.name} cannot be started: it {how}{times} before it was up")
        pause = 0.0 if self._failures == 1 else min(_SLOWEST, 0.25 * 2**self._failures)
        self._next_start = now + pause
        log.warning("%s %s; it is started again%s", self.program.name, how, f" in {pause:.1f} s" if pause else "")
        return True

    def forget(self) -> None:
        """Give back what belongs to a process that is gone."""
        os.close(self.pipe)
        self.process = None


def _ending(code: int) -> str:
    if code < 0:
        return f"was killed by signal {-code} ({signal.strsignal(-code)})"
    return f"ended with exit code {code}"


class Supervisor:
    """Keeps programs running until it is told to stop. For the main thread of a process of its own."""

    def __init__(self, programs: Sequence[Program], *, drain: float = 10.0, dead_after: float = 5.0) -> None:
        """Take ``programs``, in the order in which they are to be stopped.

        ``drain`` is how many seconds each may take to stop, ``dead_after`` after how many without a beat one counts as
        dead.
        """
        self._wards = [_Ward(program, dead_after) for program in programs]
        self._drain = drain
        self._signals: list[int] = []
        self._selector = selectors.DefaultSelector()

    def run(self) -> None:
        """Start the programs and keep them running until SIGTERM or SIGINT; a second one ends them at once.

        Raises:
            GaveUp: a program cannot be started; the others are stopped.
        """
        woken, waker = os.pipe()
        os.set_blocking(woken, False)
        os.set_blocking(waker, False)
        before = {number: signal.signal(number, self._note) for number in (signal.SIGTERM, signal.SIGINT)}
        before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)
        old_waker = signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        self._selector.register(woken, selectors.EVENT_READ)
        try:
            self._keep(woken)
        finally:
            self._stop(woken)
            signal.set_wakeup_fd(old_waker)
            for number, handler in before.items():
                signal.signal(number, handler)
            self._selector.close()
            os.close(woken)
            os.close(waker)

    def _note(self, number: int, _: FrameType | None) -> None:
        self._signals.append(number)

    def _keep(self, woken: int) -> None:
        last = time.monotonic()
        while not self._signals:
            now = time.monotonic()
            if now - last > 5 * _TICK:
                # This process itself did not run: it cannot blame the others for silence.
                for ward in self._wards:
                    ward.heard = now
            last = now
            for ward in self._wards:
                if ward.process is not None and ward.check(now):
                    self._forget(ward)
                if ward.start_if_due(now):
                    self._selector.register(ward.pipe, selectors.EVENT_READ, ward)
            self._bury()
            self._wait(woken)

    def _bury(self) -> None:
        """Let orphans that have ended go: in a container this is process 1, which inherits what a killed worker had."""
        own = {ward.process.pid for ward in self._wards if ward.process is not None}
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
                if ended.si_pid in own:
                    break  # its exit code is its ward's to read
                os.waitpid(ended.si_pid, 0)

    def _wait(self, woken: int) -> None:
        for key, _ in self._selector.select(_TICK):
            if isinstance(key.data, _Ward):
                if not key.data.listen(time.monotonic()):
                    self._selector.unregister(key.fd)
            else:
                with contextlib.suppress(BlockingIOError):
                    os.read(woken, 4096)

    def _forget(self, ward: _Ward) -> None:
        self._unregister(ward)
        ward.forget()

    def _unregister(self, ward: _Ward) -> None:
        with contextlib.suppress(KeyError):
            self._selector.unregister(ward.pipe)

    def _stop(self, woken: int) -> None:
        """Stop all, one after the other."""
        for ward in self._wards:
            process = ward.process
            if process is None:
                continue
            # What it still beats is of no interest, and a closed pipe would end it before it has drained.
            self._unregister(ward)
            end = time.monotonic() + self._drain
            if process.poll() is None:
                process.terminate()
            while process.poll() is None and time.monotonic() < end and len(self._signals) < 2:
                self._wait(woken)
            if process.poll() is None:
                log.warning("%s did not stop in time and is killed", ward.program.name)
                process.kill()
            process.wait()
            ward.forget()
