# SPDX-License-Identifier: Apache-2.0
"""What the service offers of stages and voices, over the real store and queue, on both databases."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.fake_runner import SPEAKERS
from tests.jobs.house import House, until

from harken.audio.remote import Stored
from harken.errors import (
    AddressRefused,
    AudioGone,
    Forbidden,
    InvalidOption,
    JobCancelled,
    JobEnded,
    JobNotFinished,
    JobNotFound,
    StageNotFound,
    StageRunning,
    UnusableVoice,
    VoiceExists,
    VoiceNotFound,
)
from harken.model import DeliveryState, Job, JobState, KnownVoice, Policy, Scope, Speaker, Stage, StageKind, Transcript
from harken.models.catalog import Catalog
from harken.net.webhook import new_secret
from harken.ports import Receipt
from harken.service import Caller, Limits, Service, Webhooks
from harken.store import SqlWebhooks, Vault
from harken.text.providers import Providers

if TYPE_CHECKING:
    from tests.jobs.conftest import StartExecutor

ME, YOU = Caller("me"), Caller("you")


def voiceprint(source: Stored) -> tuple[float, tuple[float, ...]]:
    assert isinstance(source, Path)
    if not source.read_bytes():
        raise UnusableVoice("there is no speech in the recording")
    return 4.5, (0.6, 0.8)


def admit(url: str, param: str) -> str:
    if "private" in url:
        raise AddressRefused(f"{param} must not be called", param=param)
    return url


@pytest.fixture
def service(house: House) -> Service:
    return Service(
        house.store,
        house.stages,
        house.voices,
        house.blobs,
        house.jobs,
        Catalog(),
        probe=lambda _: pytest.fail("nothing is submitted here"),
        voiceprint=voiceprint,
        limits=Limits(3600.0, 60.0, 3600.0),
        checks=list,
        providers=Providers(),
        admit=admit,
        webhooks=Webhooks(
            SqlWebhooks(house.engine, new_secret, Vault(b"a secret")),
            house.store,
            house.stages,
            lambda *_: Receipt(DeliveryState.DELIVERED, 200),
            lambda *_: None,
            time.time,
        ),
    )


def done(house: House, stage: Stage) -> Stage:
    until(lambda: house.stages.stage(stage.id).state.ended)
    return house.stages.stage(stage.id)


def diarized(house: House, **how: Any) -> Job:
    return house.submit(options={"diarize": True}, **how)


def test_speakers_are_found_again(house: House, service: Service, start_executor: StartExecutor) -> None:
    job = house.submit(windows=4, hold=[SPEAKERS])
    with pytest.raises(JobNotFinished):
        service.diarize_again(job.id, ME)
    start_executor()
    house.ended(job)
    before = service.transcript(job.id, ME)
    stage = service.diarize_again(job.id, ME, num_speakers=3)
    assert (stage.kind, stage.state) == (StageKind.DIARIZE, JobState.QUEUED)
    assert stage.deadline is not None
    assert stage.deadline == pytest.approx(time.time() + 3600.0, abs=600.0)
    house.reached(job, SPEAKERS)
    with pytest.raises(StageRunning):
        service.diarize_again(job.id, ME)
    assert service.transcript(job.id, ME) == before
    house.open(job, SPEAKERS)
    assert done(house, stage).state is JobState.COMPLETED
    assert [one.id for one in service.transcript(job.id, ME).speakers] == [f"SPEAKER_0{number}" for number in range(3)]
    assert [one.id for one in service.stages(job.id, ME)] == [stage.id]
    house.store.audio_swept(job.id)
    with pytest.raises(AudioGone):
        service.diarize_again(job.id, ME)


def test_speakers_are_named(house: House, service: Service, start_executor: StartExecutor) -> None:
    job, plain = house.submit(windows=4, options={"diarize": True}, hold=[SPEAKERS]), house.submit(windows=1)
    start_executor()
    house.reached(job, SPEAKERS)
    with pytest.raises(JobNotFinished):
        service.name_speakers(job.id, {"SPEAKER_00": "Host"}, ME)
    house.open(job, SPEAKERS)
    house.ended(job)
    house.ended(plain)
    before = service.transcript(job.id, ME)
    for whose, names, error, told in (
        (job, {"SPEAKER_00": "Host", "SPEAKER_07": "Guest"}, InvalidOption, "only SPEAKER_00, SPEAKER_01"),
        (job, {"SPEAKER_00": "Host", "SPEAKER_01": " "}, InvalidOption, "1 to 100 printable"),
        (plain, {"SPEAKER_00": "Host"}, InvalidOption, "nobody was told apart"),
    ):
        with pytest.raises(error, match=told) as caught:
            service.name_speakers(whose.id, names, ME)
        assert caught.value.param == "speakers"
    with pytest.raises(JobNotFound):
        service.name_speakers(job.id, {"SPEAKER_00": "Host"}, YOU)
    reader = Caller("me", policy=Policy(scopes=frozenset({Scope.READ})))
    with pytest.raises(Forbidden):
        service.name_speakers(job.id, {"SPEAKER_00": "Host"}, reader)
    assert service.transcript(job.id, ME) == before, "what is refused changes nothing"
    named = service.name_speakers(job.id, {"SPEAKER_00": " Host "}, ME)
    assert [one.name for one in named.speakers] == ["Host", None]
    service.name_speakers(job.id, {"SPEAKER_01": "Guest"}, ME)
    after = service.transcript(job.id, ME)
    assert [one.name for one in after.speakers] == ["Host", "Guest"], "who is not mentioned keeps the name"
    assert after.segments == before.segments
    assert [one.label for one in service.name_speakers(job.id, {"SPEAKER_00": None}, ME).speakers] == [
        "SPEAKER_00",
        "Guest",
    ]


def test_nobody_is_named_while_it_is_found_out_who_speaks(house: House, service: Service) -> None:
    job = diarized(house)
    house.store.complete(
        job.id, Transcript((), language="en", duration=3.0, model="base", speakers=(Speaker("SPEAKER_00"),))
    )
    service.diarize_again(job.id, ME)
    with pytest.raises(StageRunning):
        service.name_speakers(job.id, {"SPEAKER_00": "Host"}, ME)
    assert service.transcript(job.id, ME).speakers[0].name is None


def test_counts_that_cannot_be_are_refused(house: House, service: Service, start_executor: StartExecutor) -> None:
    job = diarized(house)
    start_executor()
    house.ended(job)
    with pytest.raises(InvalidOption) as caught:
        service.diarize_again(job.id, ME, num_speakers=0)
    assert caught.value.param == "num_speakers"
    with pytest.raises(InvalidOption):
        service.diarize_again(job.id, ME, min_speakers=3, max_speakers=2)
    assert len(service.stages(job.id, ME)) == 1


def test_stages_of_others_are_not_there(house: House, service: Service, start_executor: StartExecutor) -> None:
    job, other = diarized(house), diarized(house)
    start_executor()
    house.ended(job)
    house.ended(other)
    (stage,) = service.stages(job.id, ME)
    for attempt in (
        lambda: service.stages(job.id, YOU),
        lambda: service.diarize_again(job.id, YOU),
        lambda: service.cancel_stage(job.id, stage.id, YOU),
    ):
        with pytest.raises(JobNotFound):
            attempt()
    with pytest.raises(StageNotFound):
        service.cancel_stage(other.id, stage.id, ME)
    with pytest.raises(JobEnded):
        service.cancel_stage(job.id, stage.id, ME)


def test_a_stage_that_waits_is_cancelled_at_once(house: House, service: Service, start_executor: StartExecutor) -> None:
    job = house.submit(windows=1)
    executor = start_executor()
    house.ended(job)
    until(lambda: not executor.running())
    executor.stop(0.0)
    stage = service.diarize_again(job.id, ME)
    assert service.cancel_stage(job.id, stage.id, ME).state is JobState.CANCELLED
    second = service.diarize_again(job.id, ME)
    start_executor()
    assert done(house, second).state is JobState.COMPLETED
    assert house.recognised(job) == [0, SPEAKERS], "the first was not done"


def test_a_job_that_is_cancelled_in_its_stage_has_no_result(
    house: House, service: Service, start_executor: StartExecutor
) -> None:
    job = diarized(house, windows=1, hold=[SPEAKERS])
    start_executor()
    house.reached(job, SPEAKERS)
    with pytest.raises(JobNotFinished):
        service.transcript(job.id, ME)
    service.cancel(job.id, ME)
    assert house.ended(job).state is JobState.CANCELLED
    with pytest.raises(JobCancelled):
        service.transcript(job.id, ME)


def test_a_job_is_deleted_with_what_runs_of_it(house: House, service: Service, start_executor: StartExecutor) -> None:
    job = house.submit(windows=1, hold=[SPEAKERS])
    running = diarized(house, windows=1, hold=[SPEAKERS])
    executor = start_executor()
    house.ended(job)
    stage = service.diarize_again(job.id, ME)
    for one in (job, running):
        house.reached(one, SPEAKERS)
        service.delete(one.id, ME)
    until(lambda: not executor.running())
    assert house.blobs.keys() == set()
    with pytest.raises(StageNotFound):
        house.stages.stage(stage.id)
    assert SPEAKERS not in [*house.recognised(job), *house.recognised(running)]


def test_voices_are_enrolled_and_forgotten(service: Service, tmp_path: Path) -> None:
    recording = tmp_path / "zoe.wav"
    recording.write_bytes(b"speech")
    voice = service.enrol(" Zoë ", recording, ME)
    assert (voice.name, voice.seconds, voice.known) == ("Zoë", 4.5, KnownVoice("Zoë", (0.6, 0.8)))
    assert recording.exists()
    assert service.voices(ME) == [voice]
    assert service.voices(YOU) == []
    with pytest.raises(VoiceExists):
        service.enrol("Zoë", recording, ME)
    assert service.enrol("Zoë", recording, YOU).owner == "you"
    with pytest.raises(VoiceNotFound):
        service.forget("Eve", ME)
    service.forget("Zoë", ME)
    assert service.voices(ME) == []
    assert len(service.voices(YOU)) == 1


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "a\nb", "a\0b"])
def test_names_that_no_voice_has(service: Service, tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        service.enrol(name, tmp_path / "never read", ME)
    assert caught.value.param == "name"


def test_what_no_voice_can_be_learnt_from(service: Service, tmp_path: Path) -> None:
    silence = tmp_path / "silence.wav"
    silence.touch()
    with pytest.raises(UnusableVoice):
        service.enrol("Zoë", silence, ME)
    assert service.voices(ME) == []
