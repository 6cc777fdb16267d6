# SPDX-License-Identifier: Apache-2.0
"""Jobs while the store of recordings is away: they wait for it, and can be cancelled meanwhile; on both databases."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.jobs.house import House, until
from tests.jobs.test_fetching import submit
from tests.jobs.test_policies import _service as that_probes
from tests.jobs.test_service import ME, service

from harken.errors import AudioGone, QueueFull, StorageUnavailable, StoreUnavailable
from harken.jobs.engine import DurableJobs
from harken.model import JobState, Options
from harken.service import Service, Upload
from harken.store import FolderBlobs

if TYPE_CHECKING:
    from tests.jobs.conftest import StartExecutor

__all__ = ["service"]


class Away:
    """A store that can be away."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
        self.away = True
        self.asked = 0
        real = getattr(FolderBlobs, method)

        def call(blobs: FolderBlobs, *arguments: Any) -> Any:
            self.asked += 1
            if self.away:
                raise StorageUnavailable("the store of recordings does not answer")
            return real(blobs, *arguments)

        monkeypatch.setattr(FolderBlobs, method, call)

    def until_asked(self, times: int = 2) -> None:
        until(lambda: self.asked >= times)


def test_a_job_waits_for_its_recording(
    house: House, start_executor: StartExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Away(monkeypatch, "source")
    job = house.submit(windows=2, diarize=True, options={"diarize": True})
    start_executor()
    store.until_asked(6)  # more often than a step is tried
    assert house.store.job(job.id).state is JobState.PROCESSING
    store.away = False
    assert house.ended(job).state is JobState.COMPLETED
    assert [stage.state for stage in house.stages.stages(job.id)] == [JobState.COMPLETED]


def test_a_job_that_waits_can_be_cancelled(
    house: House, service: Service, start_executor: StartExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Away(monkeypatch, "source")
    job = house.submit(windows=2)
    executor = start_executor()
    store.until_asked()
    service.cancel(job.id, ME)
    assert house.ended(job).state is JobState.CANCELLED
    until(lambda: job.id not in executor.running())


def test_a_recording_that_is_gone_is_waited_for_by_nobody(
    house: House, start_executor: StartExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> Path:
        raise AudioGone("it was removed while it was read")

    monkeypatch.setattr(FolderBlobs, "source", gone)
    job = house.submit(windows=2)
    start_executor()
    assert house.ended(job).error_code == "recording_lost"


def test_what_was_fetched_waits_to_be_kept(
    house: House, service: Service, start_executor: StartExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Away(monkeypatch, "adopt")
    job = submit(service, "talk")
    start_executor()
    store.until_asked(6)
    store.away = False
    assert house.ended(job).state is JobState.COMPLETED
    assert house.blobs.keys() == {job.id}


@pytest.mark.parametrize(
    ("error", "kept"), [(StoreUnavailable("the commit's answer was lost"), True), (QueueFull("full"), False)]
)
def test_a_recording_goes_only_where_it_is_known_to_be_nobodys(
    house: House, monkeypatch: pytest.MonkeyPatch, error: Exception, kept: bool
) -> None:
    service = that_probes(house)

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(DurableJobs, "submit", fail)
    with service.arriving() as arrival:
        arrival.write(b"sound")
        upload = Upload(arrival, arrival.finish(), "talk.wav", 5, "0" * 64)
        with pytest.raises(type(error)):
            service.submit(upload, Options(model="base"), ME, waits=False)
    assert house.blobs.keys() == ({arrival.key} if kept else set())
