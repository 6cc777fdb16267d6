# SPDX-License-Identifier: Apache-2.0
"""Waiting for many blocking questions to have an answer, from one thread.

The service is synchronous and a listener polls (docs/adr/0003). If every waiting request polled on its own, sixty-four
of them would fill the thread pool and keep the interpreter busy with asking. One poller asks for all of them in turn,
in one thread, less often the longer nothing happens, and never with more than a fifth of a core.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from anyio import CapacityLimiter, to_thread

T = TypeVar("T")

FIRST = 0.02
"""Seconds until a question is asked again, at first."""
GROWTH = 1.1
LAST = 0.1
"""Seconds between two times that the same question is asked, at most."""
REST = 4.0
"""Pause after a round, as a multiple of the processor time it took."""


@dataclass(slots=True, eq=False)
class _Wait:
    ask: Callable[[], Any]
    answer: asyncio.Future[Any]
    due: float
    interval: float = FIRST


class Poller:
    """Asks blocking questions again and again until each has an answer."""

    def __init__(self) -> None:
        self._waits: set[_Wait] = set()
        self._thread = CapacityLimiter(1)
        self._task: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()

    async def until(self, ask: Callable[[], T | None]) -> T:
        """The first answer of ``ask`` that is not None; what it raises is raised here.

        ``ask`` is called in a thread and must be quick. Cancelling the caller stops the asking.
        """
        loop = asyncio.get_running_loop()
        wait = _Wait(ask, loop.create_future(), loop.time())
        self._waits.add(wait)
        self._wake.set()
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._run(), name="poller")
        try:
            answer: T = await wait.answer
        finally:
            self._waits.discard(wait)
        return answer

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waits:
            self._wake.clear()
            now = loop.time()
            due = [wait for wait in self._waits if wait.due <= now]
            if due:
                answers, took = await to_thread.run_sync(_ask_all, due, limiter=self._thread)
                for wait, (value, error) in zip(due, answers, strict=True):
                    self._settle(wait, value, error, loop.time())
                await asyncio.sleep(took * REST)
            elif self._waits:
                pause = min(wait.due for wait in self._waits) - now
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), pause)

    def _settle(self, wait: _Wait, value: Any, error: BaseException | None, now: float) -> None:
        if wait.answer.done():
            return
        if error is not None:
            wait.answer.set_exception(error)
        elif value is not None:
            wait.answer.set_result(value)
        else:
            wait.due = now + wait.interval
            wait.interval = min(LAST, wait.interval * GROWTH)


def _ask_all(waits: list[_Wait]) -> tuple[list[tuple[Any, BaseException | None]], float]:
    """The answers, and the seconds of a core that asking took."""
    began = time.thread_time()
    answers: list[tuple[Any, BaseException | None]] = []
    for wait in waits:
        try:
            answers.append((wait.ask(), None))
        except Exception as error:  # noqa: BLE001  it belongs to whoever waits
            answers.append((None, error))
    return answers, time.thread_time() - began
