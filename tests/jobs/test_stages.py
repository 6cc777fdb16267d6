# SPDX-License-Identifier: Apache-2.0
"""The stage that finds speakers, in a worker's hands: of a job, and again on its own; on both databases."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from tests.fake_runner import SPEAKERS
from tests.jobs.house import House, until

from harken.errors import JobNotFound, StageNotFound
from harken.jobs.stages import MAX_ATTEMPTS
from harken.model import Job, JobState, KnownVoice, Lane, Stage, StageKind, Transcript, Voice

if TYPE_CHECKING:
    from tests.jobs.conftest import StartExecutor

LOST = "speakers could not be told apart: "


def submit(house: House, options: dict[str, Any] | None = None, **how: Any) -> Job:
    return house.submit(options={"diarize": True, **(options or {})}, **how)


def transcript(house: House, job: Job) -> Transcript:
    found = house.store.transcript(job.id)
    assert found is not None
    return found


def again(house: House, job: Job, **options: int) -> Stage:
    now = time.time()
    stage = Stage(str(uuid.uuid4()), job.id, StageKind.DIARIZE, JobState.QUEUED, now, now, dict(options))
    return house.jobs.submit_stage(stage)


def ended(house: House, stage: Stage) -> Stage:
    def look() -> Stage | None:
        seen = house.stages.stage(stage.id)
        return seen if seen.state.ended else None

    found = until(look)
    assert found is not None
    return found


def speakers(found: Transcript) -> list[str | None]:
    return [segment.speaker for segment in found.segments]


def test_a_job_gets_its_speakers(house: House, start_executor: StartExecutor) -> None:
    job = submit(house, windows=4)
    start_executor()
    done = house.ended(job)
    assert (done.state, done.stage) == (JobState.COMPLETED, None)
    found = transcript(house, job)
    assert speakers(found) == ["SPEAKER_00", "SPEAKER_01"] * 2
    assert [speaker.id for speaker in found.speakers] == ["SPEAKER_00", "SPEAKER_01"]
    assert len(found.turns) == 4
    assert found.warnings == ()
    (stage,) = house.stages.stages(job.id)
    assert (stage.state, stage.progress, stage.attempts) == (JobState.COMPLETED, 1.0, 1)
    assert house.recognised(job) == [0, 1, 2, 3, SPEAKERS]


def test_the_transcript_is_saved_before_the_stage(house: House, start_executor: StartExecutor) -> None:
    job = submit(house, windows=3, hold=[SPEAKERS])
    start_executor()
    house.reached(job, SPEAKERS)
    seen = house.store.job(job.id)
    assert (seen.state, seen.stage, seen.position) == (JobState.PROCESSING, StageKind.DIARIZE, 30.0)
    assert house.texts(job) == [" w0", " w1", " w2"]
    assert speakers(transcript(house, job)) == [None] * 3
    (stage,) = house.stages.stages(job.id)
    assert (stage.state, stage.progress) == (JobState.PROCESSING, 0.25)
    house.open(job, SPEAKERS)
    assert house.ended(job).state is JobState.COMPLETED
    assert transcript(house, job).timing.processing > 0


def test_counts_and_voices_reach_the_stage(house: House, start_executor: StartExecutor) -> None:
    known = {"num_speakers": 3, "known_voices": (KnownVoice("Zoë", (0.0, 1.0)),)}
    for owner, name in (("me", "Anna"), ("me", "Zoë"), ("you", "Eve")):
        house.voices.enrol(Voice(owner, name, (1.0, 0.0), 5.0, 1.0))
    job = submit(house, known, windows=3)
    start_executor()
    house.ended(job)
    assert [(one.id, one.name) for one in transcript(house, job).speakers] == [
        ("SPEAKER_00", "Anna"),
        ("SPEAKER_01", "Zoë"),
        ("SPEAKER_02", None),
    ]
    assert house.stages.stages(job.id)[0].options == {"num_speakers": 3, "min_speakers": None, "max_speakers": None}


@pytest.mark.parametrize(
    ("error", "why"),
    [
        ("recogniser_crashed", "so it was planned"),
        ("model_unavailable", "so it was planned"),
        ("corrupt_media", "so it was planned"),
        ("bug", "the worker failed in a way that it should not: ZeroDivisionError"),
    ],
)
def test_a_stage_that_fails_costs_the_speakers_alone(
    house: House, start_executor: StartExecutor, caplog: pytest.LogCaptureFixture, error: str, why: str
) -> None:
    job = submit(house, windows=2, lost=error)
    start_executor()
    done = house.ended(job)
    assert (done.state, done.error_code) == (JobState.COMPLETED, None)
    found = transcript(house, job)
    assert found.warnings == (LOST + why,)
    assert (found.turns, found.speakers, speakers(found)) == ((), (), [None, None])
    (stage,) = house.stages.stages(job.id)
    assert (stage.state, stage.error_code) == (JobState.FAILED, "internal_error" if error == "bug" else error)
    if error == "bug":
        caplog.clear()


def test_a_job_is_cancelled_in_its_stage(house: House, start_executor: StartExecutor) -> None:
    job = submit(house, windows=2, hold=[SPEAKERS])
    start_executor()
    house.reached(job, SPEAKERS)
    house.store.request_cancel(job.id)
    done = house.ended(job)
    assert (done.state, done.stage) == (JobState.CANCELLED, None)
    assert [stage.state for stage in house.stages.stages(job.id)] == [JobState.CANCELLED]
    assert SPEAKERS not in house.recognised(job)


def test_a_stage_is_cancelled_alone(house: House, start_executor: StartExecutor) -> None:
    job = submit(house, windows=2, hold=[SPEAKERS])
    start_executor()
    house.reached(job, SPEAKERS)
    house.stages.request_cancel(house.stages.stages(job.id)[0].id)
    assert house.ended(job).state is JobState.COMPLETED
    assert transcript(house, job).warnings == (LOST + "it was cancelled",)


@pytest.mark.parametrize(
    "how",
    [{"every": 3600.0}, {"limits": {Lane.INTERACTIVE: 1}, "every": 0.2}],
    ids=["the worker sees it", "others are too busy to take the job up"],
)
def test_a_deadline_in_the_stage_costs_the_speakers_alone(
    house: House, start_executor: StartExecutor, how: dict[str, Any]
) -> None:
    job = submit(house, windows=2, hold=[SPEAKERS], lane=Lane.BATCH, deadline=3600.0)
    first = house.worker().wait_ready()
    house.reached(job, SPEAKERS)
    first.kill()
    (stage,) = house.stages.stages(job.id)
    with house.engine.begin() as connection:
        for table in ("jobs", "stages"):
            connection.exec_driver_sql(f"UPDATE harken_{table} SET deadline = 1000.0")
    start_executor(**how)
    assert house.ended(job).state is JobState.COMPLETED
    assert transcript(house, job).warnings == (LOST + "it was not done in the time it was given",)
    assert house.stages.stage(stage.id).error_code == "deadline_exceeded"


def test_deleting_a_job_in_its_stage_stops_it(house: House, start_executor: StartExecutor) -> None:
    job = submit(house, windows=2, hold=[SPEAKERS])
    executor = start_executor()
    house.reached(job, SPEAKERS)
    house.store.delete(job.id)
    until(lambda: not executor.running())
    with pytest.raises(JobNotFound):
        house.store.job(job.id)


def test_a_killed_worker_costs_the_stage_alone(house: House, start_executor: StartExecutor) -> None:
    job = submit(house, windows=6, hold=[SPEAKERS])
    first = house.worker().wait_ready()
    house.reached(job, SPEAKERS)
    first.kill()
    house.open(job, SPEAKERS)
    start_executor(dead_after=3600.0)
    assert house.ended(job).state is JobState.COMPLETED
    assert house.recognised(job) == [0, 1, 2, 3, 4, 5, SPEAKERS]
    assert speakers(transcript(house, job)) == ["SPEAKER_00", "SPEAKER_01"] * 3
    (stage,) = house.stages.stages(job.id)
    assert (stage.state, stage.attempts) == (JobState.COMPLETED, 2)


def test_a_stage_that_kills_worker_after_worker_is_given_up(house: House, start_executor: StartExecutor) -> None:
    job = submit(house, windows=2, hold=[SPEAKERS])
    first = house.worker().wait_ready()
    house.reached(job, SPEAKERS)
    first.kill()
    (stage,) = house.stages.stages(job.id)
    for _ in range(MAX_ATTEMPTS):
        house.store.start(job.id, "worker")
        house.stages.start(stage.id)
    start_executor()
    assert house.ended(job).state is JobState.COMPLETED
    assert house.stages.stage(stage.id).error_code == "recogniser_crashed"
    assert "workers took it up" in transcript(house, job).warnings[0]


def test_orderly_restarts_do_not_count(
    house: House, start_executor: StartExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    for room in ("stages", "workflows"):
        monkeypatch.setattr(f"harken.jobs.{room}.MAX_ATTEMPTS", 2)
    chapter = house.submit(windows=2, hold=[0])
    stage = submit(house, windows=1, hold=[SPEAKERS])
    for _ in range(2):
        executor = start_executor()
        until(lambda executor=executor: executor.running() == {chapter.id, stage.id})  # type: ignore[misc]
        house.reached(chapter, 0)
        house.reached(stage, SPEAKERS)
        for job, index in ((chapter, 0), (stage, SPEAKERS)):
            house.folder.reached(job.id, index).unlink()
        executor.stop(0.0)
    house.open(chapter, 0)
    house.open(stage, SPEAKERS)
    start_executor()
    assert [house.ended(job).state for job in (chapter, stage)] == [JobState.COMPLETED] * 2
    assert transcript(house, stage).warnings == ()


def test_speakers_are_found_again(house: House, start_executor: StartExecutor) -> None:
    job = submit(house, windows=6, lost="corrupt_media")
    plain = house.submit(windows=6)
    start_executor()
    house.ended(job)
    house.ended(plain)
    before = transcript(house, plain)
    assert transcript(house, job).warnings == (LOST + "so it was planned",)
    stage = again(house, plain, num_speakers=3)
    assert ended(house, stage).state is JobState.COMPLETED
    found = transcript(house, plain)
    assert speakers(found) == ["SPEAKER_00", "SPEAKER_01", "SPEAKER_02"] * 2
    assert (found.text, found.timing) == (before.text, before.timing)
    assert house.recognised(plain) == [*range(6), SPEAKERS]
    failed = again(house, job)
    assert ended(house, failed).error_code == "corrupt_media"
    assert transcript(house, job).warnings == (LOST + "so it was planned",)
    mended = again(house, job, num_speakers=2)
    assert ended(house, mended).state is JobState.COMPLETED
    assert transcript(house, job).warnings == ()
    assert len(transcript(house, job).speakers) == 2


def test_channels_are_speakers_and_nothing_is_heard_again(house: House, start_executor: StartExecutor) -> None:
    job = submit(house, {"channels": "split"}, windows=4, channels=2)
    single = submit(house, {"channels": "split"}, windows=4, channels=1)
    start_executor()
    house.ended(job)
    house.ended(single)
    assert speakers(transcript(house, job)) == ["SPEAKER_00", "SPEAKER_01"] * 2
    assert SPEAKERS not in house.recognised(job)
    assert [stage.state for stage in house.stages.stages(job.id)] == [JobState.COMPLETED]
    assert SPEAKERS in house.recognised(single), "several may speak on one channel"


def test_the_old_transcript_stays_until_there_is_a_new_one(house: House, start_executor: StartExecutor) -> None:
    job = submit(house, windows=4, hold=[SPEAKERS])
    house.open(job, SPEAKERS)
    start_executor()
    house.ended(job)
    before = transcript(house, job)
    house.folder.gate(job.id, SPEAKERS).unlink()
    house.folder.reached(job.id, SPEAKERS).unlink()
    stage = again(house, job, num_speakers=4)
    house.reached(job, SPEAKERS)
    assert transcript(house, job) == before
    assert house.store.job(job.id).state is JobState.COMPLETED
    house.stages.request_cancel(stage.id)
    assert ended(house, stage).state is JobState.CANCELLED
    assert transcript(house, job) == before
    house.open(job, SPEAKERS)
    other = again(house, job, num_speakers=4)
    assert ended(house, other).state is JobState.COMPLETED
    assert len(transcript(house, job).speakers) == 4


def test_a_stage_again_survives_its_worker(house: House, start_executor: StartExecutor) -> None:
    job = house.submit(windows=3, hold=[SPEAKERS])
    first = house.worker().wait_ready()
    house.ended(job)
    stage = again(house, job)
    house.reached(job, SPEAKERS)
    first.kill()
    house.open(job, SPEAKERS)
    start_executor(dead_after=3600.0)
    done = ended(house, stage)
    assert (done.state, done.attempts) == (JobState.COMPLETED, 2)
    assert house.recognised(job) == [0, 1, 2, SPEAKERS]
    assert len(transcript(house, job).speakers) == 2


def test_a_stage_again_has_a_deadline(house: House, start_executor: StartExecutor) -> None:
    job = house.submit(windows=1)
    executor = start_executor()
    house.ended(job)
    until(lambda: not executor.running())
    executor.stop(0.0)
    now = time.time()
    stage = Stage(str(uuid.uuid4()), job.id, StageKind.DIARIZE, JobState.QUEUED, now, now, deadline=now - 1.0)
    house.jobs.submit_stage(stage)
    start_executor(limits={Lane.BATCH: 1}, every=0.2)
    assert ended(house, stage).error_code == "deadline_exceeded"
    assert house.recognised(job) == [0]


def test_deleting_the_job_of_a_stage_stops_it(house: House, start_executor: StartExecutor) -> None:
    job = house.submit(windows=1, hold=[SPEAKERS])
    executor = start_executor()
    house.ended(job)
    stage = again(house, job)
    house.reached(job, SPEAKERS)
    house.store.delete(job.id)
    until(lambda: not executor.running())
    with pytest.raises(StageNotFound):
        house.stages.stage(stage.id)
