# SPDX-License-Identifier: Apache-2.0
"""One poller for many who wait."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from harken.errors import TooManyRequests
from harken.server.limits import LocalRates, LocalSlots
from harken.server.polling import Poller


def test_everyone_gets_their_own_answer_from_one_thread() -> None:
    threads: set[int] = set()

    async def main() -> list[int]:
        poller = Poller()
        open_after = {number: 3 + number % 5 for number in range(100)}

        def question(number: int) -> int | None:
            threads.add(threading.get_ident())
            open_after[number] -= 1
            return number if open_after[number] <= 0 else None

        return await asyncio.gather(*(poller.until(lambda n=number: question(n)) for number in range(100)))  # type: ignore[misc]

    assert asyncio.run(main()) == list(range(100))
    assert len(threads) == 1


def test_an_error_reaches_who_asked_and_nobody_else() -> None:
    async def main() -> str:
        poller = Poller()
        asked = 0

        def good() -> str | None:
            nonlocal asked
            asked += 1
            return "yes" if asked > 5 else None

        def bad() -> None:
            raise LookupError("gone")

        waiting = asyncio.create_task(poller.until(good))
        with pytest.raises(LookupError, match="gone"):
            await poller.until(bad)
        return await waiting

    assert asyncio.run(main()) == "yes"


def test_who_stops_waiting_is_asked_for_no_more() -> None:
    async def main() -> None:
        poller = Poller()
        asked = 0

        def never() -> None:
            nonlocal asked
            asked += 1

        waiting: asyncio.Task[None] = asyncio.create_task(poller.until(never))
        assert await poller.until(lambda: asked > 1 or None)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert waiting.cancelled()
        before = asked
        looks = iter(range(10))
        assert await poller.until(lambda: "later" if next(looks) == 9 else None) == "later"
        assert asked <= before + 1

    asyncio.run(main())


def test_what_has_no_answer_is_asked_less_often_and_news_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harken.server.polling.GROWTH", 1e9)
    monkeypatch.setattr("harken.server.polling.LAST", 3600.0)

    async def main() -> None:
        poller = Poller()
        asked = 0
        twice = asyncio.Event()
        loop = asyncio.get_running_loop()

        def never() -> None:
            nonlocal asked
            asked += 1
            if asked == 2:
                loop.call_soon_threadsafe(twice.set)

        waiting: asyncio.Task[None] = asyncio.create_task(poller.until(never))
        await asyncio.wait_for(twice.wait(), 60)
        for _ in range(5):
            assert await asyncio.wait_for(poller.until(lambda: "at once"), 60) == "at once"
        await asyncio.sleep(0.3)  # time enough to ask fifteen times, at the first pace
        assert asked == 2
        waiting.cancel()

    asyncio.run(main())


def test_asking_takes_a_fifth_of_a_core_at_most() -> None:
    rounds, seconds = 8, 0.02

    async def main() -> float:
        poller = Poller()
        looks = iter(range(rounds))

        def heavy() -> str | None:
            end = time.thread_time() + seconds
            while time.thread_time() < end:
                pass
            return "done" if next(looks) == rounds - 1 else None

        began = time.monotonic()
        assert await poller.until(heavy) == "done"
        return time.monotonic() - began

    # The pause after the last round is nobody's wait.
    assert asyncio.run(main()) >= seconds * (5 * (rounds - 1) + 1)


def test_a_bucket_refills_evenly_and_callers_have_their_own() -> None:
    now = 0.0
    limiter = LocalRates(clock=lambda: now)
    for _ in range(60):
        limiter.take("a", 60)
    with pytest.raises(TooManyRequests) as refused:
        limiter.take("a", 60)
    assert refused.value.retry_after == pytest.approx(1.0)
    limiter.take("b", 60)
    now = 1.0
    limiter.take("a", 60)
    with pytest.raises(TooManyRequests):
        limiter.take("a", 60)


def test_slots_come_back_after_errors() -> None:
    limiter = LocalSlots()
    with limiter.hold("a", 1), limiter.hold("b", 1), pytest.raises(TooManyRequests), limiter.hold("a", 1):
        pass
    with pytest.raises(ZeroDivisionError), limiter.hold("a", 1):
        1 / 0  # noqa: B018
    with limiter.hold("a", 1):
        pass
