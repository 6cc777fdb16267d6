# SPDX-License-Identifier: Apache-2.0
"""Who says what in a real phone call, by OpenAI's client from a real server."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import webvtt
from openai.types.audio import (
    TranscriptionDiarized,
    TranscriptionTextDeltaEvent,
    TranscriptionTextDoneEvent,
    TranscriptionTextSegmentEvent,
)
from tests.call import cut, paired
from tests.system.conftest import until

JOBS = "/v1/transcription-jobs"
DIANE, SHEILA = (10.8, 14.1), (14.5, 17.8)
"""Where one of them speaks alone, in seconds of the call."""


def reference(recording: Path, part: tuple[float, float]) -> str:
    return "data:audio/wav;base64," + base64.b64encode(cut(recording, *part)).decode()


def check(told: Iterable[tuple[str, str]], recording: Path, first: str, second: str) -> None:
    """At least nine of ten words of the call that were heard must be those of who said them.

    ``told`` are speakers and what they say, ``first`` and ``second`` what Diane and Sheila are called.
    """
    pairs = paired(recording, [(text, who) for who, text in told])
    assert pairs["Diane", first] + pairs["Sheila", second] >= 0.9 * pairs.total(), pairs


def test_diarized_json(client: openai.OpenAI, sample_wav: Path) -> None:
    answer = client.audio.transcriptions.create(
        model="whisper-1", file=sample_wav, response_format="diarized_json", chunking_strategy="auto"
    )
    assert isinstance(answer, TranscriptionDiarized)
    check([(segment.speaker, segment.text) for segment in answer.segments], sample_wav, "A", "B")
    told: dict[str, Any] = answer.model_dump()
    assert told["warnings"] == []
    assert sum(speaker["speaking_time"] for speaker in told["speakers"]) == pytest.approx(
        24.35, abs=3
    )  # as sample.rttm has it
    assert " ".join(segment.text for segment in answer.segments) == answer.text


def test_known_speakers(client: openai.OpenAI, sample_wav: Path) -> None:
    answer = client.audio.transcriptions.create(
        model="whisper-1",
        file=sample_wav,
        response_format="diarized_json",
        known_speaker_names=["Sheila", "Diane"],
        known_speaker_references=[reference(sample_wav, SHEILA), reference(sample_wav, DIANE)],
    )
    assert isinstance(answer, TranscriptionDiarized)
    check([(segment.speaker, segment.text) for segment in answer.segments], sample_wav, "Diane", "Sheila")


def test_a_reference_of_a_stranger_names_nobody(client: openai.OpenAI, sample_wav: Path, two_cities_wav: Path) -> None:
    answer = client.audio.transcriptions.create(
        model="whisper-1",
        file=sample_wav,
        response_format="diarized_json",
        known_speaker_names=["Charles"],
        known_speaker_references=[reference(two_cities_wav, (1.0, 9.0))],
    )
    assert isinstance(answer, TranscriptionDiarized)
    assert {segment.speaker for segment in answer.segments} == {"A", "B"}


def test_a_reference_without_a_voice_is_refused(client: openai.OpenAI, sample_wav: Path) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.audio.transcriptions.create(
            model="whisper-1",
            file=sample_wav,
            response_format="diarized_json",
            known_speaker_names=["Nobody"],
            known_speaker_references=[reference(sample_wav, (0.0, 5.0))],
        )
    assert refused.value.param == "known_speaker_references[]"


def test_stream(client: openai.OpenAI, sample_wav: Path) -> None:
    with client.audio.transcriptions.create(
        model="whisper-1", file=sample_wav, response_format="diarized_json", stream=True
    ) as stream:
        events = list(stream)
    done = events[-1]
    assert isinstance(done, TranscriptionTextDoneEvent)
    assert "".join(event.delta for event in events if isinstance(event, TranscriptionTextDeltaEvent)) == done.text
    told = [event for event in events if isinstance(event, TranscriptionTextSegmentEvent)]
    check([(event.speaker, event.text) for event in told], sample_wav, "A", "B")


def test_speakers_are_found_in_a_job_that_was_not_asked_for_them(http: httpx.Client, sample_wav: Path) -> None:
    with sample_wav.open("rb") as file:
        job = http.post(JOBS, files={"file": file}).json()["id"]

    def done() -> dict[str, Any] | None:
        now: dict[str, Any] = http.get(f"{JOBS}/{job}").json()
        stages = [stage["status"] for stage in now["stages"]]
        return now if now["status"] == "completed" and set(stages) <= {"completed", "failed"} else None

    assert until(done)["stages"] == []
    before = http.get(f"{JOBS}/{job}/result").json()
    assert http.post(f"{JOBS}/{job}/diarization", json={"num_speakers": 2}).status_code == 202
    assert [stage["status"] for stage in until(done)["stages"]] == ["completed"]
    after = http.get(f"{JOBS}/{job}/result").json()
    assert after["text"] == before["text"]
    assert [speaker["id"] for speaker in after["speakers"]] == ["SPEAKER_00", "SPEAKER_01"]
    vtt = webvtt.from_buffer(
        io.StringIO(http.get(f"{JOBS}/{job}/result", params={"response_format": "vtt"}).text)
    ).captions
    assert {caption.voice for caption in vtt} == {"SPEAKER_00", "SPEAKER_01"}


def test_enrolled_voices_are_named(client: openai.OpenAI, http: httpx.Client, sample_wav: Path) -> None:
    made = http.post("/v1/voices", files={"file": cut(sample_wav, 24.0, 28.4)}, data={"name": "Sheila"})
    assert made.status_code == 201, made.text
    try:
        answer = client.audio.transcriptions.create(
            model="whisper-1", file=sample_wav, response_format="diarized_json", known_speaker_names=["Sheila"]
        )
    finally:
        assert http.delete("/v1/voices/Sheila").status_code == 200
    assert isinstance(answer, TranscriptionDiarized)
    check([(segment.speaker, segment.text) for segment in answer.segments], sample_wav, "A", "Sheila")
