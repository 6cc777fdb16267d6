# SPDX-License-Identifier: Apache-2.0
"""Jobs whose recording comes from a URL: fetched once by a worker, whatever dies; on both databases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from tests.fake_runner import FETCH
from tests.jobs.house import House, until
from tests.jobs.test_service import ME, service

from harken.errors import AddressRefused, DiskFull, IdempotencyConflict, JobNotFinished
from harken.model import Job, JobState, Lane, Options
from harken.service import Service
from harken.store import FolderBlobs, SqlStore

if TYPE_CHECKING:
    from tests.jobs.conftest import StartExecutor

__all__ = ["service"]


def submit(service: Service, name: str, *, windows: int = 2, key: str | None = None, **plan: Any) -> Job:
    url = f"fake://{name}?{urlencode(plan)}"
    options = Options(prompt=json.dumps({"windows": windows}))
    return service.submit_url(url, options, ME, idempotency_key=key)


def fetched(house: House, name: str) -> int:
    return house.folder.done().count((name, FETCH))


def test_a_recording_is_fetched_and_recognised(house: House, service: Service, start_executor: StartExecutor) -> None:
    job = submit(service, "talk", hold="1")
    assert (job.audio, job.size, job.lane, job.state) == (None, 0, Lane.BATCH, JobState.QUEUED)
    start_executor()
    until(house.folder.reached("talk", FETCH).exists)
    assert house.store.job(job.id).state is JobState.PROCESSING
    house.folder.gate("talk", FETCH).touch()
    done = house.ended(job)
    assert (done.state, done.audio, done.size, done.filename) == (JobState.COMPLETED, job.id, 5, "talk.mp3")
    assert house.texts(job) == [" w0", " w1"]
    assert house.blobs.keys() == {job.id}
    assert list(house.folder.root.glob("fetched-*")) == []


def test_what_cannot_be_fetched_fails_the_job(house: House, service: Service, start_executor: StartExecutor) -> None:
    job = submit(service, "gone", error="url_unreachable")
    start_executor()
    done = house.ended(job)
    assert (done.state, done.error_code, done.error_message) == (
        JobState.FAILED,
        "url_unreachable",
        "so it was planned",
    )
    assert house.blobs.keys() == set()


def test_a_recording_waits_for_room_until_others_have_come(
    house: House, service: Service, start_executor: StartExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "harken.jobs.fetching")
    other = submit(service, "other", hold="1")
    start_executor()
    until(house.folder.reached("other", FETCH).exists)
    large, larger, unwanted = (submit(service, name, full="1") for name in ("large", "larger", "unwanted"))
    until(lambda: all(f"{job.id} is fetched again" in caplog.text for job in (large, larger, unwanted)))
    service.cancel(unwanted.id, ME)
    assert house.ended(unwanted).state is JobState.CANCELLED
    house.folder.gate("large", FETCH).touch()
    assert {house.store.job(job.id).state for job in (large, larger)} == {JobState.PROCESSING}
    house.folder.gate("other", FETCH).touch()
    assert [house.ended(job).state for job in (other, large)] == [JobState.COMPLETED] * 2
    done = house.ended(larger)
    assert (done.state, done.error_code) == (JobState.FAILED, DiskFull.code)
    assert [fetched(house, name) for name in ("other", "large", "larger", "unwanted")] == [1, 2, 2, 1]


def test_a_recording_that_waits_for_room_is_handed_over(
    house: House, service: Service, start_executor: StartExecutor
) -> None:
    submit(service, "other", hold="1")
    executor = start_executor()
    until(house.folder.reached("other", FETCH).exists)
    job = submit(service, "large", full="1")
    until(lambda: fetched(house, "large"))
    executor.stop(0.0)
    house.folder.gate("large", FETCH).touch()
    house.worker().wait_ready()
    assert house.ended(job).state is JobState.COMPLETED
    house.folder.gate("other", FETCH).touch()


def test_a_recording_that_has_the_disk_for_itself_does_not_wait_for_room(
    house: House, service: Service, start_executor: StartExecutor
) -> None:
    job = submit(service, "large", full="1")
    start_executor()
    done = house.ended(job)
    assert (done.state, done.error_code) == (JobState.FAILED, DiskFull.code)


def test_a_fetch_is_cancelled(house: House, service: Service, start_executor: StartExecutor) -> None:
    job = submit(service, "slow", hold="1")
    start_executor()
    until(house.folder.reached("slow", FETCH).exists)
    with pytest.raises(JobNotFinished):
        service.hear_again(job.id, 0.0, 1.0, Options(), ME)
    service.cancel(job.id, ME)
    assert house.ended(job).state is JobState.CANCELLED
    assert (house.blobs.keys(), fetched(house, "slow")) == (set(), 0)


def test_a_job_is_deleted_as_its_recording_comes(
    house: House, service: Service, start_executor: StartExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    adopt = FolderBlobs.adopt

    def adopt_too_late(blobs: FolderBlobs, path: Path, key: str) -> None:
        service.delete(key, ME)
        adopt(blobs, path, key)

    monkeypatch.setattr(FolderBlobs, "adopt", adopt_too_late)
    job = submit(service, "talk")
    executor = start_executor()
    until(lambda: fetched(house, "talk") == 1 and job.id not in executor.running())
    assert house.blobs.keys() == set()


def test_a_recording_comes_as_its_job_is_deleted(
    house: House, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    delete = SqlStore.delete

    def delete_late(store: SqlStore, job_id: str) -> None:
        (path := house.folder.root / "come").write_bytes(b"sound")
        house.blobs.adopt(path, job_id)
        store.recording_came(job_id, job_id, 5, "talk.mp3")
        delete(store, job_id)

    job = submit(service, "talk")
    house.store.start(job.id, "worker")
    monkeypatch.setattr(SqlStore, "delete", delete_late)
    service.delete(job.id, ME)
    assert house.blobs.keys() == set()


def test_a_worker_dies_while_it_fetches_and_after(house: House, service: Service) -> None:
    job = submit(service, "talk", hold="1")
    first = house.worker().wait_ready()
    until(house.folder.reached("talk", FETCH).exists)
    first.kill()
    house.folder.gate("talk", FETCH).touch()
    second = house.worker().wait_ready()
    assert house.ended(job).state is JobState.COMPLETED
    assert fetched(house, "talk") == 1
    second.kill()
    held = service.submit_url("fake://again", Options(prompt=json.dumps({"windows": 2, "hold": [1]})), ME)
    third = house.worker().wait_ready()
    house.reached(held, 1)
    third.kill()
    house.open(held, 1)
    house.worker().wait_ready()
    assert house.ended(held).state is JobState.COMPLETED
    assert (fetched(house, "again"), house.recognised(held)) == (1, [0, 1]), "what was fetched is not fetched again"


def test_urls_that_must_not_be_called_make_no_job(house: House, service: Service) -> None:
    for url, webhook, param in (
        ("http://private.example/a.mp3", None, "url"),
        ("http://example.com/a.mp3", "http://private.example/", "webhook_url"),
    ):
        with pytest.raises(AddressRefused) as caught:
            service.submit_url(url, Options(), ME, webhook=webhook)
        assert caught.value.param == param
    first = submit(service, "talk", key="k")
    assert submit(service, "talk", key="k").id == first.id
    with pytest.raises(IdempotencyConflict):
        submit(service, "another", key="k")
    with pytest.raises(IdempotencyConflict):
        service.submit_url("fake://talk?", first.options, ME, idempotency_key="k", webhook="https://example.com/hook")
    assert [job.id for job in house.store.jobs("me", 10).jobs] == [first.id]
