# SPDX-License-Identifier: Apache-2.0
"""What is new of jobs, for all who listen: one look at the store per job, whatever the number of listeners.

A feed keeps the windows of its job while anybody listens. Each listener has a place of its own in them, so one that is
slow holds nobody up, and costs no more than that place. Knows no wire form and no request.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

from harken.model import Job, Transcript, WindowResult

AGAIN = 10.0
"""Seconds between two looks at whether somebody who listens may still."""

Look = Callable[[int], tuple[Job, list[tuple[int, WindowResult]]]]
"""Reads a job as it is now and its windows after an index, the job first. Blocking."""


@dataclass(frozen=True, slots=True)
class Update:
    """What a listener hears of a job: its state, and the windows done since the last time.

    When the job has ended these windows are the last, and nothing follows.
    """

    job: Job
    windows: list[tuple[int, WindowResult]]
    after: int
    """Index of the last window that was told, now or before; -1 when none was."""


class Feed:
    """One job as its listeners hear it.

    ``wait`` asks a blocking question again and again until it has an answer, and raises what it raises.
    """

    def __init__(self, look: Look, wait: Callable[[Callable[[], Any]], Awaitable[Any]]) -> None:
        self._look = look
        self._wait = wait
        self._windows: list[tuple[int, WindowResult]] = []
        self._job: Job | None = None
        self._error: Exception | None = None
        self._news = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None
        self._transcript: asyncio.Task[Transcript] | None = None
        self.listeners = 0

    async def next(self, since: Update | None, after: int) -> Update:
        """What follows ``since``, or, where that is None, the window ``after``; waits until there is something.

        Cancelling it loses nothing: ask again with the same. Raises what looking raises.
        """
        if self._watching is None:
            self._watching = asyncio.get_running_loop().create_task(self._watch(), name="feed")
        if since is not None:
            after = since.after
        while True:
            if self._error is not None:
                raise self._error
            if self._job is not None:
                windows = self._windows[after + 1 :]
                if since is None or windows or _told(self._job) != _told(since.job):
                    return Update(self._job, windows, windows[-1][0] if windows else after)
            await self._news.wait()

    async def transcript(self, read: Callable[[], Awaitable[Transcript]]) -> Transcript:
        """The transcript, read once for all listeners."""
        if self._transcript is None:
            self._transcript = asyncio.ensure_future(_awaited(read))
        return await asyncio.shield(self._transcript)

    def close(self) -> None:
        """Nobody listens any more."""
        for task in (self._watching, self._transcript):
            if task is not None:
                task.cancel()

    async def _watch(self) -> None:
        try:
            while self._job is None or not self._job.state.ended:
                job, windows = await self._wait(self._changed)
                self._job = job
                self._windows += windows
                self._tell()
        except Exception as error:  # noqa: BLE001  it belongs to whoever listens
            self._error = error
            self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def _changed(self) -> tuple[Job, list[tuple[int, WindowResult]]] | None:
        job, windows = self._look(len(self._windows) - 1)
        known = self._job
        if known is None or windows or _told(job) != _told(known):
            return job, windows
        return None


class Listener:
    """Somebody who listens to a feed, as long as ``let_in`` does not raise."""

    def __init__(self, feed: Feed, after: int, let_in: Callable[[], Awaitable[None]]) -> None:
        self._feed = feed
        self._after = after
        self._let_in = let_in
        self._asked = asyncio.get_running_loop().time()
        self.transcript = feed.transcript

    async def next(self, since: Update | None) -> Update:
        """What follows ``since``, which is None at first; see :meth:`Feed.next`. Raises what ``let_in`` does too."""
        clock = asyncio.get_running_loop().time
        while True:
            left = self._asked + AGAIN - clock()
            if left <= 0:
                await self._let_in()
                self._asked = clock()
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    return await self._feed.next(since, self._after)


async def _everybody() -> None:
    """Nobody is sent away."""


class Feeds:
    """The feeds of this process. Used from its event loop."""

    def __init__(self) -> None:
        self._feeds: dict[tuple[str, str], Feed] = {}

    @contextlib.contextmanager
    def listen(
        self,
        job_id: str,
        caller: str,
        make: Callable[[], Feed],
        after: int = -1,
        let_in: Callable[[], Awaitable[None]] = _everybody,
    ) -> Iterator[Listener]:
        """Listen to a job from the window after ``after`` on; ``make`` makes the feed of the first who does.

        ``let_in`` is asked now and then, and raises when the caller may listen no longer.
        """
        key = (job_id, caller)
        feed = self._feeds.get(key)
        if feed is None:
            feed = self._feeds[key] = make()
        feed.listeners += 1
        try:
            yield Listener(feed, after, let_in)
        finally:
            feed.listeners -= 1
            if not feed.listeners:
                del self._feeds[key]
                feed.close()

    def listeners(self, job_id: str) -> int:
        """How many listen to a job."""
        return sum(feed.listeners for (known, _), feed in self._feeds.items() if known == job_id)


def _told(job: Job) -> tuple[Any, ...]:
    """What of a job is worth telling when it changes."""
    return job.state, job.stage, job.position, job.duration


async def _awaited(read: Callable[[], Awaitable[Transcript]]) -> Transcript:
    return await read()
