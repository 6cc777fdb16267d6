# SPDX-License-Identifier: Apache-2.0
"""What becomes of a job in a worker's hands, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from harken.jobs.executor import WorkerExecutor
from harken.model import JobState

if TYPE_CHECKING:
    from conftest import House


def test_a_job_is_done(house: House, start_executor: Callable[..., WorkerExecutor]) -> None:
    job = house.submit(windows=6)
    start_executor()
    ended = house.ended(job)
    assert ended.state is JobState.COMPLETED
    assert ended.progress == 1.0
    assert ended.duration == 60.0
    assert house.texts(job) == [f" w{index}" for index in range(6)]
    assert house.recognised(job) == list(range(6))
