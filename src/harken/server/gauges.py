# SPDX-License-Identifier: Apache-2.0
"""Prometheus metrics of the whole server, which the database knows: read when the page is asked for, not too often.

What is called recent is of the jobs that ended in the last five minutes. Every API process tells the same: a
dashboard takes the greatest of them, not their sum.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping

from anyio import CapacityLimiter, fail_after, to_thread
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from harken.model.credits import CREDIT
from harken.ports import Figures, Queue

log = logging.getLogger(__name__)

FRESH = 5.0
"""Seconds for which what was read is told again."""
PATIENCE = 5.0
"""Seconds that reading may take; then the page goes without."""

Look = Callable[[], tuple[list[Queue], Figures]]


class Gauges(Collector):
    """Collects what :meth:`refresh` has read. ``look`` reads it, and blocks."""

    def __init__(self, look: Look, clock: Callable[[], float] = time.time) -> None:
        self._look = look
        self._clock = clock
        self._read: tuple[list[Queue], Figures] | None = None
        self._at = -FRESH
        # A database that hangs takes one thread and no more, however often the page is asked for.
        self._threads = CapacityLimiter(1)

    async def refresh(self) -> None:
        """Read anew what is not fresh; what cannot be read in time is not told."""
        if self._read is not None and 0 <= self._clock() - self._at < FRESH:
            return
        try:
            with fail_after(PATIENCE):
                read = await to_thread.run_sync(self._look, limiter=self._threads, abandon_on_cancel=True)
        except Exception as error:  # noqa: BLE001  whatever it is, the page tells the rest
            log.warning("metrics go without what the database knows: %s", error)
            self._read = None
        else:
            self._read, self._at = read, self._clock()

    def describe(self) -> list[Metric]:
        """Nothing beforehand: a registry would collect to find out the names."""
        return []

    def collect(self) -> Iterator[Metric]:
        """What was read last."""
        yield _gauge("harken_database_readable", "Whether the metrics below could be read.", float(bool(self._read)))
        if self._read is None:
            return
        queues, known = self._read
        now, recent = self._clock(), known.recent
        waits = {one.lane.value: 0.0 if one.oldest is None else max(0.0, now - one.oldest) for one in queues}
        yield _gauges("harken_jobs_queued", "Jobs that wait.", "lane", {one.lane.value: one.queued for one in queues})
        yield _gauges(
            "harken_jobs_processing",
            "Jobs that are being done.",
            "lane",
            {one.lane.value: one.processing for one in queues},
        )
        yield _gauges("harken_queue_oldest_seconds", "How long the job waits that waits longest.", "lane", waits)
        ended = CounterMetricFamily("harken_jobs_ended", "Jobs that ended.", labels=["state"])
        for state, count in known.ended.items():
            ended.add_metric([state], count)
        yield ended
        yield CounterMetricFamily("harken_audio_seconds", "Audio that was recognised.", value=known.seconds)
        yield _gauges("harken_recent_uploads", "Jobs without a URL that ended.", "state", recent.uploads)
        yield _gauges("harken_recent_fetches", "Jobs of URLs that ended.", "state", recent.fetches)
        yield _gauge("harken_recent_windows", "Windows that were recognised in them.", recent.windows)
        yield _gauge("harken_recent_retries", "Times that they were taken up again.", recent.retries)
        if recent.wait is not None:
            yield _gauge("harken_recent_wait_seconds", "Seconds until they began, on average.", recent.wait)
        if recent.realtime_factor is not None:
            yield _gauge(
                "harken_recent_realtime_factor", "Seconds of work for a second of audio.", recent.realtime_factor
            )
        yield _gauges("harken_webhook_deliveries", "Webhooks of jobs that are kept.", "state", known.deliveries)
        yield _gauges(
            "harken_recent_credits",
            "Credits that were entered in the ledger.",
            "kind",
            {kind: amount / CREDIT for kind, amount in known.credits.items()},
        )


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _gauges(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family
