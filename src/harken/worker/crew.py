# SPDX-License-Identifier: Apache-2.0
"""A fixed number of children that are kept alive, each served by a thread of this process.

They are started at once, or when they are first needed, and then leave when they have had nothing to do for a while.
A child that dies or hangs is replaced. When none can be started any more, that is said once, and tried again ever more
slowly. Knows nothing of what the children do.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from harken.worker.process import Child, ChildDied, ChildSettings

log = logging.getLogger(__name__)

W = TypeVar("W")

STARTS = 5
"""Children in a row that may die before they are up, until it is a failure."""
_SLOWEST = 30.0
"""Seconds between two starts at most."""
_IDLE = 0.5
"""Seconds after which a child without work is looked at."""
_WATCH = 0.1
"""Seconds between two looks at whether children are late."""


class Work(Protocol[W]):
    """What a crew works on. Called by several threads at once."""

    def begin(self, child: Child) -> None:
        """Prepare a child that has just come up. Raises ChildDied."""

    def take(self, child: Child, timeout: float) -> W | None:
        """Something for this child to do, if there is any within ``timeout`` seconds. Raises ChildDied."""

    def do(self, child: Child, work: W) -> None:
        """Have the child do it. Raises ChildDied, nothing else."""

    def lost(self, child: Child, work: W | None, death: ChildDied) -> None:
        """The child is gone, and with it what it was doing."""


@dataclass(frozen=True, slots=True)
class OnCall:
    """Children are started when they are needed only."""

    needed: Callable[[float, int], bool]
    """Waits up to so many seconds for more to do than so many children, those at work among them, can take up; whether
    there is."""
    idle: float
    """Seconds without anything to do after which a child leaves, and gives its memory back."""


class Crew(Generic[W]):
    """Children at work, from construction to :meth:`close`."""

    def __init__(
        self,
        size: int,
        settings: ChildSettings,
        work: Work[W],
        on_failure: Callable[[str], None],
        on_call: OnCall | None = None,
    ) -> None:
        """Start ``size`` children, or as many as are needed when they are ``on_call``.

        ``on_failure`` is called in some thread when they cannot be started: once, or each time that they were needed.
        """
        self._on_call = on_call
        self._settings = settings
        self._work = work
        self._on_failure = on_failure
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._calling = threading.Lock()
        """Held while it is decided whether one more child is needed."""
        self._children: dict[int, Child] = {}
        self._failed_starts = 0
        self._ready = threading.Event()
        self.failure: str | None = None
        """Why no child can be started, while that is so."""
        self._threads = [
            threading.Thread(target=self._serve, args=(seat,), name=f"{settings.name}-{seat}", daemon=True)
            for seat in range(size)
        ]
        self._watcher = threading.Thread(target=self._watch, name=f"{settings.name}-watch", daemon=True)
        for thread in (*self._threads, self._watcher):
            thread.start()

    def wait_ready(self, timeout: float) -> bool:
        """Wait until the first child is up, or none can be started; whether one is up."""
        self._ready.wait(timeout)
        return self.failure is None and self._ready.is_set()

    def pids(self) -> list[int]:
        """Process ids of the children."""
        with self._lock:
            return [child.pid for child in self._children.values()]

    def close(self) -> None:
        """Stop all children, whatever they do, and wait for their threads."""
        self._closed.set()
        with self._lock:
            for child in self._children.values():
                child.kill()
        for thread in (*self._threads, self._watcher):
            thread.join()

    def _serve(self, seat: int) -> None:
        while not self._closed.is_set():
            child = self._start(seat)
            if child is None:
                continue
            work: W | None = None
            worked = time.monotonic()
            try:
                while not self._closed.is_set():
                    work = self._work.take(child, _IDLE)
                    if work is not None:
                        self._work.do(child, work)
                        work = None
                        worked = time.monotonic()
                    elif self._on_call is not None and time.monotonic() - worked > self._on_call.idle:
                        self._work.lost(child, None, ChildDied("it had nothing to do"))
                        break
                    else:
                        child.check()
            except ChildDied as death:
                if not self._closed.is_set():
                    log.warning("%s %d is replaced: %s", self._settings.name, child.pid, death.how)
                self._work.lost(child, work, death)
            except Exception:
                log.exception("%s %d is replaced", self._settings.name, child.pid)
                self._work.lost(child, work, ChildDied("harken itself failed, see the log"))
            finally:
                self._end(seat, child)

    def _start(self, seat: int) -> Child | None:
        child: Child | None = None
        try:
            with self._calling:
                if self._on_call is not None and not self._on_call.needed(_IDLE, len(self._children)):
                    return None
                child = Child(self._settings)
                with self._lock:
                    self._children[seat] = child
            if self._closed.is_set():
                child.kill()
            child.greet()
            self._work.begin(child)
        except (OSError, ChildDied) as error:
            if child is not None:
                self._end(seat, child)
            self._not_started(error.how if isinstance(error, ChildDied) else f"the system starts no process: {error}")
            return None
        with self._lock:
            self._failed_starts = 0
            self.failure = None
        self._ready.set()
        return child

    def _not_started(self, how: str) -> None:
        if self._closed.is_set():
            return
        with self._lock:
            self._failed_starts += 1
            count = self._failed_starts
            tell = count >= STARTS and self.failure is None
            if tell:
                self.failure = (
                    f"{self._settings.name} processes cannot be started: {how}; their own words are in the log"
                )
        log.warning("%s did not start (%d in a row): %s", self._settings.name, count, how)
        if tell and self.failure is not None:
            self._ready.set()
            self._on_failure(self.failure)
            if self._on_call is not None:
                # Whoever needs them next has them tried again.
                with self._lock:
                    self._failed_starts, self.failure = 0, None
        self._closed.wait(min(_SLOWEST, 0.1 * 2**count))

    def _end(self, seat: int, child: Child) -> None:
        with self._lock:
            self._children.pop(seat, None)
        child.leave()

    def _watch(self) -> None:
        while not self._closed.wait(_WATCH):
            with self._lock:
                children = list(self._children.values())
            for child in children:
                child.kill_if_late()
