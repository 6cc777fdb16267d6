# SPDX-License-Identifier: Apache-2.0
"""Limits that hold for everybody together, however many processes and machines there are."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol


class RateLimits(Protocol):
    """Requests in a time."""

    def take(self, subject: str, limit: int, per: float = 60.0) -> None:
        """Count one request of ``subject``, of which there may be ``limit`` in ``per`` seconds.

        Raises :class:`~harken.errors.TooManyRequests` with the seconds until there is room again; then it does not
        count.
        """


class Slots(Protocol):
    """Requests in progress."""

    def hold(self, subject: str, limit: int) -> AbstractContextManager[None]:
        """Hold one of ``limit`` places for the length of the context. Raises TooManyRequests on entering.

        The place of a process that died is free again after a while.
        """

    def close(self) -> None:
        """Hold nothing any more."""
