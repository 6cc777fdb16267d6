# SPDX-License-Identifier: Apache-2.0
"""Telling URLs how jobs ended: what is still to be told, to whom, and how it went."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from harken.model import Delivery, DeliveryState, Try


@dataclass(frozen=True, slots=True)
class Outbox:
    """Some deliveries, newest first, and the cursor of the next page (None at the end)."""

    deliveries: tuple[Delivery, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What came of one try."""

    state: DeliveryState
    """WAITING for a try that may do better later, FAILED where none will."""
    status: int | None = None
    reason: str | None = None
    retry_after: float | None = None
    """Seconds that the receiver asks to be left alone for."""


Send = Callable[[str, bytes, Sequence[str], str, int, Callable[[], bool]], Receipt]
"""Sends a body to a URL, signed with secrets, under a message's id, at a time in seconds. Blocking.

The last is asked several times a second whether to leave off; then, and only then, JobCancelled is raised.
"""


class WebhookStore(Protocol):
    """Deliveries, receivers and secrets. Every method is one transaction."""

    def take_due(self, now: float, lease: float, limit: int, without: Collection[str] = ()) -> list[Delivery]:
        """Deliveries whose time has come; nobody else gets them for ``lease`` seconds.

        Those of the owners in ``without`` are left, and those to receivers that are paused are put aside instead.
        """

    def tried(self, delivery_id: str, attempt: Try, state: DeliveryState, due: float) -> None:
        """Note a try, and what the delivery is now; one that waits is due at ``due``."""

    def pause(self, owner: str, url: str, reason: str) -> None:
        """Send nothing more to a receiver."""

    def delivery(self, delivery_id: str, owner: str) -> Delivery:
        """The delivery. Raises DeliveryNotFound."""

    def deliveries(self, owner: str, limit: int, cursor: str | None = None, job_id: str | None = None) -> Outbox:
        """An owner's, or those of one job, newest first. Raises InvalidOption for a cursor that is none."""

    def replay(self, delivery_id: str, owner: str) -> Delivery:
        """Have it delivered again, and its receiver told again of everything that was put aside.

        Raises DeliveryNotFound.
        """

    def secrets(self, owner: str) -> list[str]:
        """The secrets that an owner's messages are signed with, newest first; one is made if there is none."""

    def rotate(self, owner: str, overlap: float) -> str:
        """A new secret; the ones before are signed with beside it for ``overlap`` seconds."""
