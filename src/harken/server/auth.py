# SPDX-License-Identifier: Apache-2.0
"""Who calls, and how much at once: the service's accounts and the shared limits, asked from an event loop.

Knows how a key is written into a header, and no route.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from typing import Protocol, TypeVar

from anyio import CancelScope, CapacityLimiter, to_thread

from harken.errors import TooManyRequests, Unauthenticated
from harken.ports import RateLimits, Slots
from harken.server.limits import LocalRates, LocalSlots
from harken.service import EVERYONE, Accounts, Caller
from harken.service.admin import network

T = TypeVar("T")

TRUST = 1.0
"""Seconds that a key which was good is taken for good without a look: a revoked one is refused after that."""
_REMEMBERED = 10_000
"""Keys that are remembered at most."""


class Gate(Protocol):
    """What a server lets callers in by."""

    @property
    def accounts(self) -> Accounts:
        """Who is behind a key."""

    @property
    def rates(self) -> RateLimits:
        """Requests in a time, of every process."""

    @property
    def slots(self) -> Slots:
        """Requests in progress, of every process."""


class Door:
    """Lets callers in. Used from one event loop; what asks the database does so in threads of its own.

    A server without keys has one caller, and one process that it comes to: what it asks is counted here. Whoever
    presents many keys that open nothing has none looked at for a while, but those that opened something lately: who has
    the right key is not shut out by a neighbour who guesses.

    Args:
        gate: who may come in, and what is shared with other processes.
        requests_per_minute: of a caller whose policy does not say.
        at_once: uploads and waiting requests of such a caller.
        wrong_keys: keys that open nothing, of one network in a minute.
        clock: seconds, never going back.
    """

    def __init__(
        self,
        gate: Gate,
        *,
        requests_per_minute: int,
        at_once: int,
        wrong_keys: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._gate = gate
        self._requests_per_minute = requests_per_minute
        self._at_once = at_once
        self._wrong_keys = wrong_keys
        self._barred: dict[str, float] = {}
        self._clock = clock
        self._rates = LocalRates(clock)
        self._slots = LocalSlots()
        self._known: dict[bytes, tuple[Caller, float]] = {}
        self._threads = CapacityLimiter(8)

    async def caller(self, *presented: str | None, address: str = "") -> Caller:
        """Who presents a key, or none, from an address; of several readings the first that is one.

        Raises Unauthenticated, or TooManyRequests after many keys from there that were none.
        """
        where = network(address)
        try:
            return await self.still(*presented, where=where)
        except Unauthenticated:
            if presented[-1]:
                await self._wrong(where)
            raise

    async def still(self, *presented: str | None, where: str = "") -> Caller:
        """The same of somebody who was let in before and is still here: no wrong key is counted."""
        for key in presented[:-1]:
            with contextlib.suppress(Unauthenticated):
                return await self._caller(key, where)
        return await self._caller(presented[-1], where)

    async def count(self, caller: Caller) -> None:
        """Count a request. Raises TooManyRequests with the seconds until there is room again."""
        limit = caller.policy.rate or self._requests_per_minute
        if caller == EVERYONE:
            self._rates.take(caller.subject, limit)
        else:
            await self._ask(lambda: self._gate.rates.take(caller.subject, limit))

    @asynccontextmanager
    async def place(self, caller: Caller) -> AsyncIterator[None]:
        """Hold one of the caller's places for the length of the context. Raises TooManyRequests."""
        limit = caller.policy.concurrency or self._at_once
        if caller == EVERYONE:
            with self._slots.hold(caller.subject, limit):
                yield
            return
        held: AbstractContextManager[None] = self._gate.slots.hold(caller.subject, limit)
        await self._ask(held.__enter__)
        try:
            yield
        finally:
            with CancelScope(shield=True):
                await self._ask(lambda: held.__exit__(None, None, None))

    async def open(self) -> bool:
        """Whether there are no keys, and so nothing to check."""
        return await self._ask(lambda: self._gate.accounts.open)

    async def _wrong(self, where: str) -> None:
        """Count a key that opens nothing, over all processes. Raises TooManyRequests when there were many."""
        try:
            await self._ask(lambda: self._gate.rates.take(f"wrong keys {where}", self._wrong_keys))
        except TooManyRequests as many:
            if len(self._barred) >= _REMEMBERED:
                self._barred.clear()
            self._barred[where] = self._clock() + (many.retry_after or 1.0)
            raise self._too_many(many.retry_after or 1.0) from None

    @staticmethod
    def _too_many(wait: float) -> TooManyRequests:
        error = TooManyRequests(
            "too many API keys that are not valid came from your address; wait, and send one that is"
        )
        error.retry_after = wait
        return error

    async def _caller(self, key: str | None, where: str) -> Caller:
        digest = hashlib.sha256((key or "").encode("utf-8", "surrogatepass")).digest()
        now = self._clock()
        known = self._known.get(digest)
        if known is not None and now < known[1]:
            return known[0]
        wait = self._barred.get(where, 0.0) - now
        if key and known is None and wait > 0:
            raise self._too_many(wait)
        try:
            caller = await self._ask(lambda: self._gate.accounts.caller(key))
        except Unauthenticated:
            self._known.pop(digest, None)
            raise
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        # From before the look on: what was revoked since then may have been overlooked by it.
        self._known[digest] = (caller, now + TRUST)
        return caller

    async def _ask(self, question: Callable[[], T]) -> T:
        return await to_thread.run_sync(question, limiter=self._threads)


def bearer(authorization: str | None) -> str | None:
    """The key in an ``Authorization`` header; None when there is none in it."""
    scheme, _, key = (authorization or "").partition(" ")
    return key.strip() or None if scheme.lower() == "bearer" else None
