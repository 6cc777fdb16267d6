# SPDX-License-Identifier: Apache-2.0
"""Webhooks: what was delivered, delivering it again, secrets; and one round of delivering what is due.

Knows no network: what sends is given. Knows no wire form: what draws a message is given too.
"""

from __future__ import annotations

import itertools
import logging
import random
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from harken.model import Delivery, DeliveryState, Job, Scope, Stage, Transcript, Try
from harken.ports import Outbox, Receipt, Send, Stages, Store, WebhookStore
from harken.service import policy
from harken.service.nouns import Caller
from harken.telemetry import traces, work

log = logging.getLogger(__name__)

LEASE = 120.0
"""Seconds that a delivery belongs to whoever took it; longer than any try takes."""
OVERLAP = 24 * 3600.0
"""Seconds that an old secret is signed with beside a new one."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a job ended, to be told."""

    job: Job
    transcript: Transcript | None
    stages: tuple[Stage, ...]


Draw = Callable[[Ending], bytes]
"""The body of a message."""


def _drawn(draw: Draw, ending: Ending) -> bytes | None:
    """The body of a message; None where drawing it fails, which is no fault of the receiver's."""
    try:
        return draw(ending)
    except Exception:
        log.exception("the message of how job %s ended could not be drawn", ending.job.id)
        return None


class Webhooks:
    """The webhooks of all callers.

    Args:
        store: deliveries, receivers and secrets.
        jobs: what is told of.
        stages: what was made of it.
        send: sends one message.
        delay: seconds until the next try, by the number of tries that failed; None gives up. Told a random number.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        store: WebhookStore,
        jobs: Store,
        stages: Stages,
        send: Send,
        delay: Callable[[int, float], float | None],
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._jobs = jobs
        self._stages = stages
        self._send = send
        self._delay = delay
        self._clock = clock

    def deliveries(
        self, caller: Caller, limit: int = 20, cursor: str | None = None, job_id: str | None = None
    ) -> Outbox:
        """The caller's deliveries, newest first, with every try. Raises InvalidOption, Forbidden."""
        policy.require(caller, Scope.READ)
        return self._store.deliveries(caller.id, limit, cursor, job_id)

    def delivery(self, delivery_id: str, caller: Caller) -> Delivery:
        """One of them. Raises DeliveryNotFound, Forbidden."""
        policy.require(caller, Scope.READ)
        return self._store.delivery(delivery_id, caller.id)

    def replay(self, delivery_id: str, caller: Caller) -> Delivery:
        """Deliver it again now, and take its receiver for alive. Raises DeliveryNotFound, Forbidden."""
        policy.require(caller, Scope.TRANSCRIBE, Scope.TEXT)
        return self._store.replay(delivery_id, caller.id)

    def secrets(self, caller: Caller) -> list[str]:
        """What the caller's messages are signed with, the newest first. Raises Forbidden."""
        # Who has a secret can speak as this server: that is more than reading.
        policy.require(caller, Scope.TRANSCRIBE, Scope.TEXT)
        return self._store.secrets(caller.id)

    def rotate(self, caller: Caller) -> str:
        """A new secret; for a day the old ones are signed with too. Raises Forbidden."""
        policy.require(caller, Scope.TRANSCRIBE, Scope.TEXT)
        return self._store.rotate(caller.id, OVERLAP)

    def take_due(self, limit: int, without: Collection[str] = ()) -> list[Delivery]:
        """Deliveries whose time has come, for :meth:`deliver`; nobody else gets them for :data:`LEASE` seconds.

        Those of the owners in ``without`` are left.
        """
        return self._store.take_due(self._clock(), LEASE, limit, without)

    def deliver(self, delivery: Delivery, draw: Draw, stopping: Callable[[], bool]) -> DeliveryState:
        """Try it once, and note how it went; a message that cannot be drawn is a try that failed.

        Raises what reading the job raises, JobNotFound when it is gone, and JobCancelled when ``stopping`` says so:
        then it is tried again when the lease is over.
        """
        job = self._jobs.job(delivery.job_id)
        body = _drawn(draw, Ending(job, self._jobs.transcript(job.id), tuple(self._stages.stages(job.id))))
        began, clock = self._clock(), time.monotonic()
        secrets = self._store.secrets(delivery.owner)
        about: traces.Attributes = {"harken.delivery.id": delivery.id, "harken.attempt": len(delivery.tries) + 1}
        with traces.span("webhook", about, parent=work.of_job(job), kind="client") as span:
            if body is None:
                receipt = Receipt(
                    DeliveryState.WAITING, reason="the server could not draw the message; its log has why"
                )
            else:
                receipt = self._send(delivery.url, body, secrets, delivery.id, int(began), stopping)
            state, due = self._after(delivery, receipt)
            span.tell({"http.response.status_code": receipt.status, "harken.delivery.state": state.value})
            if state is not DeliveryState.DELIVERED:
                span.fail("webhook_failed" if receipt.status is None else str(receipt.status))
        attempt = Try(began, round(time.monotonic() - clock, 3), state.value, receipt.status, receipt.reason)
        self._store.tried(delivery.id, attempt, state, due)
        if state is DeliveryState.FAILED and body is not None:
            self._store.pause(delivery.owner, delivery.url, receipt.reason or "it did not answer as it should")
        return state

    def _after(self, delivery: Delivery, receipt: Receipt) -> tuple[DeliveryState, float]:
        """What a delivery is after a try, and when the next one is due."""
        now = self._clock()
        if receipt.state is not DeliveryState.WAITING:
            return receipt.state, now
        # A delivery that is replayed begins a new series of tries.
        series = itertools.takewhile(lambda one: one.outcome == DeliveryState.WAITING, reversed(delivery.tries))
        pause = self._delay(1 + sum(1 for _ in series), random.random())  # noqa: S311  no secret
        if pause is None:
            return DeliveryState.FAILED, now
        return DeliveryState.WAITING, now + max(pause, receipt.retry_after or 0.0)
