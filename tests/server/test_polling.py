# SPDX-License-Identifier: Apache-2.0
"""One poller for many who wait."""

from __future__ import annotations

import asyncio
import threading

import pytest

from harken.errors import TooManyRequests
from harken.server.limits import ConcurrencyLimiter, RateLimiter
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
    async def main() -> tuple[object, object]:
        poller = Poller()
        asked = 0

        def good() -> str | None:
            nonlocal asked
            asked += 1
            return "yes" if asked > 5 else None

        def bad() -> None:
            raise LookupError("gone")

        return await asyncio.gather(poller.until(good), poller.until(bad), return_exceptions=True)

    good, bad = asyncio.run(main())
    assert good == "yes"
    assert isinstance(bad, LookupError)


def test_who_stops_waiting_is_asked_for_no_more() -> None:
    async def main() -> None:
        poller = Poller()
        asked = 0

        def never() -> None:
            nonlocal asked
            asked += 1

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(poller.until(never), 0.2)
        before = asked
        assert before > 1
        assert await poller.until(lambda: "later") == "later"
        assert asked <= before + 1

    asyncio.run(main())


def test_a_bucket_refills_evenly_and_callers_have_their_own() -> None:
    now = 0.0
    limiter = RateLimiter(60, clock=lambda: now)
    for _ in range(60):
        limiter.take("a")
    with pytest.raises(TooManyRequests) as refused:
        limiter.take("a")
    assert refused.value.retry_after == pytest.approx(1.0)
    limiter.take("b")
    now = 1.0
    limiter.take("a")
    with pytest.raises(TooManyRequests):
        limiter.take("a")


def test_slots_come_back_after_errors() -> None:
    limiter = ConcurrencyLimiter(1)
    with limiter.slot("a"), limiter.slot("b"), pytest.raises(TooManyRequests), limiter.slot("a"):
        pass
    with pytest.raises(ZeroDivisionError), limiter.slot("a"):
        1 / 0  # noqa: B018
    with limiter.slot("a"):
        pass
