# SPDX-License-Identifier: Apache-2.0
"""Text work in a worker's hands: of a recording's job, of a transcript that a client gave, and again."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.fake_runner import SPEAKERS, TEXT
from tests.jobs.house import House, until
from tests.jobs.test_service import done, service

from harken.errors import (
    AudioGone,
    IdempotencyConflict,
    InvalidOption,
    JobNotFinished,
    JobNotFound,
    QueueFull,
    StageRunning,
    UnknownModel,
)
from harken.jobs.stages import MAX_ATTEMPTS
from harken.model import Chat, Format, JobState, Lane, Message, Options, Segment, StageKind, Summarise, Transcript
from harken.service import Caller, Service

if TYPE_CHECKING:
    from tests.jobs.conftest import StartExecutor

__all__ = ["service"]

ME, YOU = Caller("me"), Caller("you")
GIVEN = Transcript(
    segments=(
        Segment(0.0, 4.0, " We ship the red boat in June."),
        Segment(4.0, 9.0, " Anna will call the harbour master on Monday."),
    ),
    language="en",
    duration=9.0,
    model="",
)


def plan(**what: Any) -> tuple[str, Format]:
    """What a formatter is to do, and the name under which it is seen doing it."""
    name = str(uuid.uuid4())
    return name, Format(json.dumps({"name": name, **what}), model="extractive")


def written(house: House, name: str) -> int:
    """How often it was done."""
    return house.folder.done().count((name, TEXT))


def reached(house: House, name: str) -> None:
    until(house.folder.reached(name, TEXT).exists)


def test_a_recording_is_formatted_behind_its_speakers(house: House, start_executor: StartExecutor) -> None:
    name, task = plan(hold=True)
    job = house.submit(windows=3, options={"diarize": True, "formatting": task})
    start_executor()
    reached(house, name)
    seen = house.store.job(job.id)
    assert (seen.state, seen.stage) == (JobState.PROCESSING, StageKind.FORMAT)
    draft = house.store.transcript(job.id)
    assert draft is not None
    assert [segment.speaker for segment in draft.segments] == ["SPEAKER_00", "SPEAKER_01", "SPEAKER_00"]
    until(lambda: house.stages.stages(job.id)[1].progress == 0.5)
    house.folder.gate(name, TEXT).touch()
    assert house.ended(job).state is JobState.COMPLETED
    first, second = house.stages.stages(job.id)
    assert (first.kind, first.result) == (StageKind.DIARIZE, None)
    assert (second.kind, second.state, second.progress) == (StageKind.FORMAT, JobState.COMPLETED, 1.0)
    assert second.result is not None
    assert second.result.text == "3 segments"
    assert house.store.transcript(job.id).warnings == ()  # type: ignore[union-attr]


def test_formatting_that_fails_costs_nothing_else(
    house: House, service: Service, start_executor: StartExecutor, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.touch()
    _, task = plan(error="text_unavailable", **{"while": str(broken)})
    job = house.submit(windows=2, options={"formatting": task, "summary": Summarise(max_length=50)})
    start_executor()
    assert house.ended(job).state is JobState.COMPLETED
    assert service.transcript(job.id, ME).warnings == ("the text could not be formatted: so it was planned",)
    stages = {stage.kind: stage for stage in service.stages(job.id, ME)}
    assert stages[StageKind.SUMMARISE].state is JobState.COMPLETED
    failed = stages[StageKind.FORMAT]
    assert (failed.state, failed.error_code) == (JobState.FAILED, "text_unavailable")
    broken.unlink()
    again = service.retry_stage(job.id, failed.id, ME)
    assert (again.kind, again.lane, again.options) == (StageKind.FORMAT, Lane.TEXT, failed.options)
    found = done(house, again)
    assert found.result is not None
    assert found.result.text == "2 segments"
    assert house.recognised(job) == [0, 1], "nothing was recognised twice"
    assert service.transcript(job.id, ME).warnings == (), "it is formatted now"


def test_a_given_transcript_is_summarised(house: House, service: Service, start_executor: StartExecutor) -> None:
    job, stage = service.texts.write(GIVEN, Summarise("bullet_points", 40), ME, keep=86400.0)
    assert (stage.kind, stage.state, stage.lane) == (StageKind.SUMMARISE, JobState.QUEUED, Lane.TEXT)
    assert stage.options["model"] == "extractive"
    start_executor()
    found = done(house, stage)
    assert found.state is JobState.COMPLETED, found.error_message
    assert found.result is not None
    assert found.result.model == "extractive"
    assert "boat" in found.result.text
    assert service.transcript(job.id, ME) == GIVEN
    assert service.job(job.id, ME).keep == 86400.0
    assert service.results(job.id, ME)[1] == []
    assert service.jobs(ME).jobs == (), "it is no recording"
    assert [one.id for one in house.store.jobs(None, 20).jobs] == [job.id]
    with pytest.raises(JobNotFound):
        service.stages(job.id, YOU)
    with pytest.raises(AudioGone):
        service.diarize_again(job.id, ME)
    chat = service.texts.again(job.id, Chat((Message("user", "Who calls the harbour master?"),)), ME)
    assert chat.lane is Lane.INTERACTIVE
    answer = done(house, chat).result
    assert answer is not None
    assert "Anna" in answer.text


def test_what_cannot_be_done_is_refused_at_once(house: House, service: Service) -> None:
    for task, error in (
        (Summarise(model="gpt-9"), UnknownModel),
        (Summarise(max_length=0), InvalidOption),
        (Format("write a sonnet about it"), InvalidOption),
        (Chat(()), InvalidOption),
    ):
        with pytest.raises(error):
            service.texts.write(GIVEN, task, ME)
        if not isinstance(task, Chat):
            name = "summary" if isinstance(task, Summarise) else "formatting"
            with pytest.raises(error):
                service.check(Options(**{name: task}))  # type: ignore[arg-type]
    assert house.store.jobs("me", 10).jobs == ()


def test_text_work_is_once_for_a_key_and_counts_in_the_queue(house: House, service: Service) -> None:
    first, stage = service.texts.write(GIVEN, Summarise(), ME, idempotency_key="k")
    second, same = service.texts.write(GIVEN, Summarise(), ME, idempotency_key="k")
    assert (first.id, stage.id) == (second.id, same.id)
    with pytest.raises(IdempotencyConflict):
        service.texts.write(GIVEN, Summarise(max_length=3), ME, idempotency_key="k")
    with pytest.raises(StageRunning):
        service.texts.again(first.id, Summarise(), ME)
    waiting = house.submit(windows=1)
    with pytest.raises(JobNotFinished):
        service.texts.again(waiting.id, Summarise(), ME)
    for _ in range(18):
        service.texts.write(GIVEN, Summarise(), ME)
    with pytest.raises(QueueFull):
        service.texts.write(GIVEN, Summarise(), ME)


def test_text_work_is_cancelled(house: House, service: Service, start_executor: StartExecutor) -> None:
    waiting, stage = service.texts.write(GIVEN, Summarise(), ME)
    assert service.cancel_stage(waiting.id, stage.id, ME).state is JobState.CANCELLED
    start_executor()
    name, task = plan(hold=True)
    running, stage = service.texts.write(GIVEN, replace(task, instruction=""), ME)
    done(house, stage)
    held = service.retry_stage(running.id, stage.id, ME)
    done(house, held)
    job = house.submit(windows=1, options={"formatting": task})
    reached(house, name)
    (own,) = service.stages(job.id, ME)
    service.cancel_stage(job.id, own.id, ME)
    assert house.ended(job).state is JobState.COMPLETED
    assert service.stage(job.id, own.id, ME).state is JobState.CANCELLED
    assert service.transcript(job.id, ME).warnings == ("the text could not be formatted: it was cancelled",)


def test_text_work_survives_its_worker(house: House) -> None:
    name, task = plan(hold=True)
    first = house.worker().wait_ready()
    job = house.submit(windows=2, options={"diarize": True, "formatting": task})
    reached(house, name)
    assert house.store.job(job.id).worker == first.executor_id
    first.kill()
    second = house.worker().wait_ready()
    until(lambda: house.store.job(job.id).worker == second.executor_id)
    house.folder.gate(name, TEXT).touch()
    assert house.ended(job).state is JobState.COMPLETED
    speakers, stage = house.stages.stages(job.id)
    assert (speakers.state, speakers.attempts) == (JobState.COMPLETED, 1)
    assert (stage.state, stage.attempts) == (JobState.COMPLETED, 2)
    assert house.recognised(job) == [0, 1, SPEAKERS], "nothing is done twice"
    assert written(house, name) == 1


def test_text_work_that_kills_its_workers_fails_alone(
    house: House, service: Service, start_executor: StartExecutor
) -> None:
    job, stage = service.texts.write(GIVEN, Summarise(), ME)
    for _ in range(MAX_ATTEMPTS):
        house.stages.start(stage.id)
    start_executor()
    assert done(house, stage).error_code == "recogniser_crashed"
    assert service.transcript(job.id, ME) == GIVEN


def test_summaries_do_not_wait_for_recordings(house: House, service: Service, start_executor: StartExecutor) -> None:
    held = [house.submit(windows=1, hold=[0], lane=Lane.BATCH) for _ in range(4)]
    start_executor()
    house.reached(held[0], 0)
    _, stage = service.texts.write(GIVEN, Summarise(), ME)
    assert done(house, stage).state is JobState.COMPLETED
    assert not any(house.store.job(job.id).state.ended for job in held)
    for job in held:
        house.open(job, 0)
    for job in held:
        house.ended(job)


def test_a_span_is_heard_again(house: House, service: Service, start_executor: StartExecutor) -> None:
    job = house.submit(windows=3)
    start_executor()
    house.ended(job)
    again = service.hear_again(job.id, 5.0, 12.5, Options(prompt=json.dumps({"windows": 1})), ME, idempotency_key="k")
    assert (again.options.offset, again.options.duration, again.lane) == (5.0, 7.5, Lane.INTERACTIVE)
    assert house.ended(again).state is JobState.COMPLETED
    same = service.hear_again(job.id, 5.0, 12.5, Options(prompt=json.dumps({"windows": 1})), ME, idempotency_key="k")
    assert same.id == again.id
    assert house.blobs.keys() == {job.id, again.id}, "no copy is left of what was not new"
    for start, end in ((-1.0, 2.0), (3.0, 3.0), (31.0, 32.0), (5.0, 31.0)):
        with pytest.raises(InvalidOption):
            service.hear_again(job.id, start, end, Options(), ME)
    with pytest.raises(JobNotFound):
        service.hear_again(job.id, 0.0, 1.0, Options(), YOU)
    service.delete(job.id, ME)
    assert house.blobs.keys() == {again.id}
    house.blobs.delete(again.id)
    with pytest.raises(AudioGone):
        service.hear_again(again.id, 0.0, 1.0, Options(), ME)
    house.store.audio_swept(again.id)
    with pytest.raises(AudioGone):
        service.hear_again(again.id, 0.0, 1.0, Options(), ME)


def test_the_draft_is_there_before_the_stages_are_done(
    house: House, service: Service, start_executor: StartExecutor
) -> None:
    job = house.submit(windows=2, hold=[SPEAKERS], options={"diarize": True})
    assert service.draft(job.id, ME) is None
    start_executor()
    house.reached(job, SPEAKERS)
    draft = service.draft(job.id, ME)
    assert draft is not None
    assert len(draft.segments) == 2
    with pytest.raises(JobNotFinished):
        service.transcript(job.id, ME)
    with pytest.raises(JobNotFound):
        service.draft(job.id, YOU)
    house.open(job, SPEAKERS)
    house.ended(job)
