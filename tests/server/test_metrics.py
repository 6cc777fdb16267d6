# SPDX-License-Identifier: Apache-2.0
"""What Prometheus reads of the whole server: what there is, read not too often, and left out when it cannot be had."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from harken.errors import StoreUnavailable
from harken.model import Lane, Scope
from harken.ports import Figures, Queue, Recent
from harken.server.gauges import Gauges
from harken.server.metrics import Metrics

if TYPE_CHECKING:
    from tests.server.conftest import Serve

FIGURES = Figures(
    ended={"completed": 7, "failed": 2, "cancelled": 0},
    seconds=3600.0,
    deliveries={"waiting": 1, "delivered": 4},
    credits={"settle": -2500},
    recent=Recent(
        uploads={"completed": 3}, fetches={"failed": 1}, wait=1.5, realtime_factor=0.25, windows=40, retries=1
    ),
)


def told(page: bytes | str) -> dict[str, float]:
    text = page.decode() if isinstance(page, bytes) else page
    return {
        sample.name + "".join(f" {value}" for value in sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def page(metrics: Metrics) -> dict[str, float]:
    return told(bytes(asyncio.run(metrics.page()).body))


def test_what_the_database_knows() -> None:
    queues = [Queue(Lane.BATCH, 5, 2, 1.0), Queue(Lane.TEXT, 0, 1, None)]
    found = page(Metrics(lambda: (queues, FIGURES)))
    assert found["harken_queue_oldest_seconds batch"] > 1e9
    expected = {
        "harken_database_readable": 1.0,
        "harken_jobs_queued batch": 5.0,
        "harken_jobs_processing batch": 2.0,
        "harken_jobs_processing text": 1.0,
        "harken_queue_oldest_seconds text": 0.0,
        "harken_jobs_ended_total completed": 7.0,
        "harken_jobs_ended_total cancelled": 0.0,
        "harken_audio_seconds_total": 3600.0,
        "harken_recent_uploads completed": 3.0,
        "harken_recent_fetches failed": 1.0,
        "harken_recent_windows": 40.0,
        "harken_recent_retries": 1.0,
        "harken_recent_wait_seconds": 1.5,
        "harken_recent_realtime_factor": 0.25,
        "harken_webhook_deliveries delivered": 4.0,
        "harken_recent_credits settle": -2.5,
    }
    assert {name: found.get(name) for name in expected} == expected


def test_it_is_read_once_in_a_while() -> None:
    now: list[float] = []
    looks: list[float] = []

    def look() -> tuple[list[Queue], Figures]:
        looks.append(now[-1])
        return [], FIGURES

    gauges = Gauges(look, clock=lambda: now[-1])
    for at in (1000.0, 1001.0, 1004.9, 1005.0, 1006.0):
        now.append(at)
        asyncio.run(gauges.refresh())
    assert looks == [1000.0, 1005.0]


def test_without_a_database_the_page_tells_the_rest(caplog: pytest.LogCaptureFixture) -> None:
    def away() -> tuple[list[Queue], Figures]:
        raise StoreUnavailable("the database does not answer; try again in a moment")

    found = page(Metrics(away))
    assert found["harken_database_readable"] == 0.0
    assert "harken_http_requests_in_progress" in found
    assert not any(name.startswith("harken_jobs") for name in found)
    assert "does not answer" in caplog.text


def test_operators_may_read_it(serve: Serve) -> None:
    server = serve(api_keys=("from-the-settings",))
    account = server.gate.account("a customer")

    def read(key: str) -> int:
        return httpx.get(server.url + "/metrics", headers={"Authorization": f"Bearer {key}"}).status_code

    assert read("from-the-settings") == 200
    assert read(server.gate.key(account)) == 403
    assert read(server.gate.key(account, Scope.ADMIN)) == 200
