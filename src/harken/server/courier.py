# SPDX-License-Identifier: Apache-2.0
"""The thread that delivers webhooks, a few at a time. Knows no wire form: a dialect draws the messages.

Every API process has one; a delivery is taken by one of them at a time.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from harken.errors import JobCancelled, JobNotFound
from harken.model import Delivery
from harken.service import Draw, Webhooks

log = logging.getLogger(__name__)

HANDS = 16
"""Deliveries at a time."""
SHARE = 8
"""Of one account: its receivers, however many and slow, hold up its own messages and not everybody's."""
EVERY = 1.0
"""Seconds between two looks for what is due."""


class Courier:
    """Delivers what is due until it is stopped. What it leaves undone is taken up when its lease is over."""

    def __init__(self, webhooks: Webhooks, draw: Draw, *, every: float = EVERY) -> None:
        self._webhooks = webhooks
        self._draw = draw
        self._every = every
        self._free = threading.Semaphore(HANDS)
        self._busy = Counter[str]()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._pool = ThreadPoolExecutor(HANDS, "courier")
        self._thread = threading.Thread(target=self._run, name="courier", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Take no more, and leave off what has begun: it is tried again when its lease is over."""
        self._stopping.set()
        self._thread.join()
        self._pool.shutdown()

    def _run(self) -> None:
        while not self._stopping.wait(self._every):
            try:
                while not self._stopping.is_set() and self._round():
                    pass
            except Exception:
                log.exception("cannot look for webhooks that are due")

    def _round(self) -> bool:
        """Take one delivery and have it tried; whether there was one."""
        if not self._free.acquire(timeout=self._every):
            return False
        with self._lock:
            full = [owner for owner, deliveries in self._busy.items() if deliveries >= SHARE]
        due: list[Delivery] = []
        try:
            due = self._webhooks.take_due(1, full)
        finally:
            if not due:
                self._free.release()
        for delivery in due:
            with self._lock:
                self._busy[delivery.owner] += 1
            self._pool.submit(self._deliver, delivery)
        return bool(due)

    def _deliver(self, delivery: Delivery) -> None:
        try:
            state = self._webhooks.deliver(delivery, self._draw, self._stopping.is_set)
            log.info("webhook %s of job %s: %s", delivery.id, delivery.job_id, state.value)
        except JobNotFound:
            log.info("webhook %s: its job is gone", delivery.id)
        except JobCancelled:
            log.info("webhook %s is put off: the server is stopping", delivery.id)
        except Exception:
            log.exception("webhook %s could not be tried", delivery.id)
        finally:
            with self._lock:
                self._busy[delivery.owner] -= 1
                self._busy = +self._busy  # without those who have none
            self._free.release()
