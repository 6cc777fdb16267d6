# SPDX-License-Identifier: Apache-2.0
"""One feed for many who listen."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from harken.errors import JobNotFound
from harken.model import Job, JobState, Lane, Options, Segment, Timing, Transcript, Window, WindowResult
from harken.server.feeds import Feed, Feeds, Listener, Update

BOUND = 60.0


def result(index: int) -> WindowResult:
    return WindowResult(Window(float(index), index + 1.0), (Segment(index, index + 1.0, f" w{index}"),))


class Script:
    """A job whose store says what the test has it say, and counts how often it is asked."""

    def __init__(self) -> None:
        self.windows: list[tuple[int, WindowResult]] = []
        self.job = Job("id", "me", JobState.PROCESSING, Lane.BATCH, Options(), "a.wav", 0.0, 0.0, duration=10.0)
        self.asked = 0
        self.answered = 0
        self.gone = False
        self._go = asyncio.Event()

    def feed(self) -> Feed:
        return Feed(self.look, self.wait)

    def look(self, after: int) -> tuple[Job, list[tuple[int, WindowResult]]]:
        self.asked += 1
        if self.gone:
            raise JobNotFound("it is gone")
        return self.job, self.windows[after + 1 :]

    async def wait(self, ask: Callable[[], Any]) -> Any:
        while (answer := ask()) is None:
            await self._go.wait()
        self.answered += 1
        return answer

    def change(self, windows: int = 0, state: JobState = JobState.PROCESSING) -> None:
        """More windows, or another state."""
        self.windows += [(index, result(index)) for index in range(len(self.windows), len(self.windows) + windows)]
        self.job = Job(
            "id", "me", state, Lane.BATCH, Options(), "a.wav", 0.0, 0.0, duration=10.0, position=len(self.windows)
        )
        self._go.set()
        self._go = asyncio.Event()


async def story(listener: Listener) -> list[int]:
    """The windows that are told up to the end."""
    told: list[int] = []
    update: Update | None = None
    while update is None or not update.job.state.ended:
        update = await listener.next(update)
        told += [index for index, _ in update.windows]
    return told


def run(main: Callable[[], Awaitable[Any]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(BOUND):
            await main()

    asyncio.run(bounded())


def test_the_store_is_asked_once_for_all() -> None:
    async def main() -> None:
        script, feeds = Script(), Feeds()

        async def listen() -> list[int]:
            with feeds.listen("id", "me", script.feed) as listener:
                return await story(listener)

        everyone = [asyncio.create_task(listen()) for _ in range(200)]
        await asyncio.sleep(0)
        assert feeds.listeners("id") == 200
        for _ in range(10):
            script.change(windows=1)
            await asyncio.sleep(0)
        script.change(state=JobState.COMPLETED)
        assert await asyncio.gather(*everyone) == [list(range(10))] * 200
        assert script.answered <= 12
        assert script.asked <= 2 * 12
        assert feeds.listeners("id") == 0

    run(main)


def test_who_comes_late_or_goes_on_gets_what_follows() -> None:
    async def main() -> None:
        script, feeds = Script(), Feeds()
        script.change(windows=5)
        with feeds.listen("id", "me", script.feed) as early:
            assert [index for index, _ in (await early.next(None)).windows] == [0, 1, 2, 3, 4]
            with (
                feeds.listen("id", "me", script.feed, after=2) as late,
                feeds.listen("id", "me", script.feed, 99) as far,
            ):
                assert [index for index, _ in (await late.next(None)).windows] == [3, 4]
                assert (await far.next(None)).windows == []

    run(main)


def test_a_listener_that_is_interrupted_misses_nothing() -> None:
    async def main() -> None:
        script, feeds = Script(), Feeds()
        with feeds.listen("id", "me", script.feed) as listener:
            first = await listener.next(None)
            for _ in range(3):
                asking = asyncio.create_task(listener.next(first))
                await asyncio.sleep(0)
                script.change(windows=1)
                asking.cancel()
                await asyncio.gather(asking, return_exceptions=True)
            update = await listener.next(first)
            while update.after < 2:
                more = await listener.next(update)
                update = Update(more.job, [*update.windows, *more.windows], more.after)
            assert [index for index, _ in update.windows] == [0, 1, 2]

    run(main)


def test_an_error_reaches_everyone_and_nobody_who_comes_after_them() -> None:
    async def main() -> None:
        script, feeds = Script(), Feeds()
        with feeds.listen("id", "me", script.feed) as one, feeds.listen("id", "me", script.feed) as other:
            heard = [await one.next(None), await other.next(None)]
            script.gone = True
            script.change()
            for listener, update in zip((one, other), heard, strict=True):
                with pytest.raises(JobNotFound):
                    await listener.next(update)
        script.gone = False
        with feeds.listen("id", "me", script.feed) as later:
            assert (await later.next(None)).job is script.job

    run(main)


def test_nobody_listens_nobody_asks() -> None:
    async def main() -> None:
        script, feeds = Script(), Feeds()
        with feeds.listen("id", "me", script.feed) as listener:
            assert script.asked == 0, "not before somebody wants to know"
            await listener.next(None)
        asked = script.asked
        script.change(windows=1)
        for _ in range(10):
            await asyncio.sleep(0)
        assert script.asked == asked

    run(main)


def test_callers_do_not_share() -> None:
    async def main() -> None:
        script, feeds = Script(), Feeds()
        other = Script()
        other.change(windows=3)
        with feeds.listen("id", "me", script.feed) as mine, feeds.listen("id", "you", other.feed) as yours:
            assert (await mine.next(None)).windows == []
            assert len((await yours.next(None)).windows) == 3

    run(main)


def test_a_transcript_is_read_once_for_all_though_one_leaves() -> None:
    async def main() -> None:
        script, feeds = Script(), Feeds()
        reads = 0
        there = asyncio.Event()

        async def read() -> Transcript:
            nonlocal reads
            reads += 1
            await there.wait()
            return Transcript((), "en", 1.0, "base", timing=Timing())

        with feeds.listen("id", "me", script.feed) as one, feeds.listen("id", "me", script.feed) as other:
            leaving = asyncio.create_task(one.transcript(read))
            staying = asyncio.create_task(other.transcript(read))
            await asyncio.sleep(0)
            leaving.cancel()
            await asyncio.gather(leaving, return_exceptions=True)
            there.set()
            assert (await staying).model == "base"
            assert reads == 1

    run(main)
