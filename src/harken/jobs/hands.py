# SPDX-License-Identifier: Apache-2.0
"""The workflows that one worker process has in hand, and letting go of them in good order.

Also patience with a database or a store of recordings that is away, which ends when the worker does. Knows nothing of
what the workflows do.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

import sqlalchemy.exc

from harken.errors import StorageUnavailable

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

AWAY = (
    sqlalchemy.exc.OperationalError,
    sqlalchemy.exc.InterfaceError,
    sqlalchemy.exc.TimeoutError,
    # Also how PostgreSQL says that it gave up on a transaction, because this machine stood still.
    sqlalchemy.exc.InternalError,
)
"""The database does not answer, or is not itself. Jobs wait for it; it is no fault of theirs."""
_PATIENCE = 1.0
"""Seconds between two tries to reach the database, or the store of recordings."""


_LOOK = 0.1
"""Seconds between two looks at whether there is still time."""
REST = 10.0
"""Seconds for which a worker without room on its disk takes no more recordings."""
_LETTING_GO = 5.0
"""Seconds in which whatever is left in the middle lets go."""


class LeftOff(BaseException):
    """This execution stops here and leaves no outcome: another goes on.

    Not an Exception, because the queue records those as the workflow's end.
    """


class TakenOver(LeftOff):
    """Another worker goes on already: it took this one for dead."""


class Hands:
    """What is in hand, until all is put down."""

    def __init__(self) -> None:
        self._running: dict[str, int] = {}
        self._begun: set[str] = set()
        self._left: set[str] = set()
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._aborting = threading.Event()
        self._rested = -math.inf

    @property
    def stopping(self) -> bool:
        """Whether nothing new is to be begun."""
        return self._stopping.is_set()

    @property
    def aborting(self) -> bool:
        """Whether what was begun is to be left where it is."""
        return self._aborting.is_set()

    def running(self) -> set[str]:
        """Ids of the workflows in hand."""
        with self._changed:
            return set(self._running)

    def left(self) -> set[str]:
        """Ids of the workflows that were let go before their end."""
        with self._changed:
            return set(self._left)

    def stop(self, drain: float) -> bool:
        """Let go of everything at the end of its step, or in the middle after ``drain`` seconds; whether all did."""
        self._stopping.set()
        deadline = time.monotonic() + drain
        while not self._idle(_LOOK):
            if self.aborting or time.monotonic() > deadline:
                self._aborting.set()
                return self._idle(_LETTING_GO)
        return True

    def abort(self) -> None:
        """Do not wait for the ends of steps any more. For signal handlers too: it waits for nothing."""
        self._aborting.set()

    @property
    def resting(self) -> bool:
        """Whether others had better take recordings, for now."""
        return time.monotonic() < self._rested

    def rest(self) -> None:
        """Leave recordings to others for a while: there is no room here for what they need."""
        self._rested = time.monotonic() + REST

    def check(self) -> None:
        """Raise LeftOff when nothing new is to be begun."""
        if self._stopping.is_set():
            raise LeftOff

    def pause(self, seconds: float) -> None:
        """Do nothing for a while. Raises LeftOff when nothing new is to be begun, then or meanwhile."""
        if self._stopping.wait(seconds):
            raise LeftOff

    def patiently(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call, again and again while the database or the store of recordings is away.

        Raises LeftOff when the worker stops meanwhile.
        """
        while True:
            try:
                return call(*args, **kwargs)
            except AWAY as error:
                log.warning("the database does not answer: %s", error)
                self._wait(error)
            except StorageUnavailable as error:
                log.warning("%s", error)
                self._wait(error)

    @contextmanager
    def holding(self, workflow_id: str) -> Iterator[None]:
        """Have a workflow in hand for the length of the context.

        It begins when an earlier execution here is over, which may not have noticed yet that it lost the workflow to
        another worker, from which it came back.
        """
        with self._changed:
            self._running[workflow_id] = self._running.get(workflow_id, 0) + 1
            self._left.discard(workflow_id)
            self._changed.wait_for(lambda: workflow_id not in self._begun)
            self._begun.add(workflow_id)
        try:
            yield
        except LeftOff:
            with self._changed:
                self._left.add(workflow_id)
            raise
        finally:
            with self._changed:
                self._begun.discard(workflow_id)
                self._running[workflow_id] -= 1
                if not self._running[workflow_id]:
                    del self._running[workflow_id]
                self._changed.notify_all()

    def _wait(self, reason: Exception) -> None:
        if self._aborting.wait(_PATIENCE):
            raise LeftOff from reason

    def _idle(self, seconds: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: not self._running, seconds)
