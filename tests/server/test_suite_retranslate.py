# SPDX-License-Identifier: Apache-2.0
"""Spans heard again over HTTP: clips, spans of kept recordings, and what clients send wrong."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.server.conftest import PATIENCE, TEXT, until
from tests.server.test_suite import problem, start, typed
from tests.server.test_uploads import HEAD, body, part, vanish

from harken.errors import CorruptMedia, ModelUnavailable
from harken.model import JobState, Lane, Segment, Speaker, Transcript, Turn, Word
from harken.server.dialects.suite.text_schema import SuiteHeard
from harken.server.dialects.suite.text_shapes import confidence, speaker_of

if TYPE_CHECKING:
    from tests.server.conftest import Running, Serve

CLIP = "/api/retranslate/segment"
SPAN = "/api/retranslate/segment-from-full"
FIELDS = {"segment_id": "seg-1", "start_time": "30.0", "end_time": "33.0"}
ASKED: dict[str, Any] = {"segment_id": "seg-1", "start_time": 1.4, "end_time": 3.0}


def clip(server: Running, recording: bytes, path: str = CLIP, **fields: str) -> httpx.Response:
    return httpx.post(
        server.url + path, files={"file": ("a.wav", recording)}, data={**FIELDS, **fields}, timeout=PATIENCE
    )


def span(server: Running, job: str, path: str = SPAN, **asked: Any) -> httpx.Response:
    return httpx.post(server.url + path, params={"job_id": job}, json={**ASKED, **asked}, timeout=PATIENCE)


def heard(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    SuiteHeard.model_validate(told, strict=True, extra="forbid")
    typed(told, {"segment_id": str, "text": str, "confidence": float, "model_used": str})
    return told


def kept(server: Running, **fields: str) -> str:
    """A job that is done, whose recording is still there."""
    job = start(server, None, **fields)
    until(lambda: server.backend.job(job).state is JobState.COMPLETED)
    return job


@pytest.mark.parametrize("path", [CLIP, CLIP + "/"])
def test_a_clip(server: Running, recording: bytes, path: str) -> None:
    told = heard(clip(server, recording, path, model_name="base", language="en"))
    assert told == {
        "segment_id": "seg-1",
        "text": TEXT,
        "confidence": 0.9,
        "speaker": None,
        "model_used": "base",
        "warnings": [],
    }
    job = server.backend.only()
    assert (job.options.model, job.options.language, job.lane) == ("base", "en", Lane.INTERACTIVE)
    assert (job.options.offset, job.options.duration) == (0.0, None), "the clip is the span"


def test_a_clip_needs_no_times(server: Running, recording: bytes) -> None:
    fields = {"segment_id": "7", "colour": "red"}
    answer = httpx.post(server.url + CLIP, files={"file": ("a.wav", recording)}, data=fields)
    assert heard(answer)["segment_id"] == "7"
    assert answer.json()["warnings"] == ["the field 'colour' is not known here and was ignored"]


def test_json_that_curl_calls_a_form(server: Running) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = httpx.post(
        server.url + SPAN,
        params={"job_id": kept(server)},
        content=" " + json.dumps(ASKED),
        headers=form,
        timeout=PATIENCE,
    )
    assert heard(answer)["segment_id"] == "seg-1"


def test_clips_that_are_refused(server: Running, recording: bytes) -> None:
    for fields, told in (
        ({"segment_id": " "}, "segment_id is missing"),
        ({"segment_id": "x" * 101}, "segment_id has"),
        ({"start_time": "NaN"}, "start_time"),
        ({"start_time": "-1"}, "start_time"),
        ({"end_time": "1e999"}, "end_time"),
        ({"end_time": "ten"}, "end_time"),
        ({"start_time": "33"}, "end_time must be after start_time"),
        ({"model_name": "whisper-9"}, "whisper-9"),
        ({"language": "klingon"}, "klingon"),
    ):
        assert told in problem(clip(server, recording, **fields), 400), fields
    assert "not audio" in problem(clip(server, b"no sound at all"), 400)
    problem(httpx.post(server.url + CLIP, data=FIELDS), 400)
    problem(httpx.post(server.url + CLIP, json=FIELDS), 400)
    problem(clip(server, b""), 400)
    server.clean()
    assert not server.backend.submissions


@pytest.mark.parametrize(
    ("failure", "status"),
    [(CorruptMedia("it breaks off"), 400), (ModelUnavailable("large-v3 is not installed; there is base"), 503)],
)
def test_what_fails_while_it_is_heard(
    server: Running, recording: bytes, failure: CorruptMedia | ModelUnavailable, status: int
) -> None:
    server.backend.failure = failure
    assert problem(clip(server, recording), status) == failure.message


@pytest.mark.parametrize("path", [SPAN, SPAN + "/"])
def test_a_span_of_a_recording(server: Running, path: str) -> None:
    job = kept(server, diarize="true")
    told = heard(span(server, job, path, model_name="base", language="en", colour="red"))
    assert (told["segment_id"], told["speaker"], told["model_used"]) == ("seg-1", "SPEAKER_01", "base")
    assert told["warnings"] == ["the field 'colour' is not known here and was ignored"]
    again = server.backend.submissions[-1].job
    assert (again.options.offset, again.options.duration, again.lane) == (1.4, 1.6, Lane.INTERACTIVE)
    assert again.id != job
    assert heard(span(server, job, start_time=0, end_time=1.0))["speaker"] == "SPEAKER_00"


def test_a_span_whose_speakers_nobody_told_apart(server: Running) -> None:
    assert heard(span(server, kept(server, diarize="false")))["speaker"] is None


def test_spans_that_are_refused(server: Running) -> None:
    job = kept(server)
    for asked, told in (
        ({"segment_id": None}, "segment_id is missing"),
        ({"start_time": None}, "start_time is missing"),
        ({"end_time": None}, "end_time is missing"),
        ({"end_time": 1.4}, "end_time must be after start_time"),
        ({"start_time": -1}, "start_time"),
        ({"start_time": 10**400}, "start_time"),
        ({"start_time": [1]}, "start_time"),
        ({"start_time": True}, "start_time"),
        ({"start_time": 3.5, "end_time": 4.0}, "recording"),
        ({"end_time": 9.0}, "recording"),
        ({"model_name": "whisper-9"}, "whisper-9"),
    ):
        assert told in problem(span(server, job, **asked), 400), asked
    for raw in (
        b'{"segment_id": "\\ud800", "start_time": 0, "end_time": 1}',
        b'{"segment_id": "a", "start_time": NaN, "end_time": 1}',
        b'{"segment_id": "a", "start_time": ' + b"9" * 5000 + b"}",
        b"[" * 60_000,
        b"[1]",
        b"\xff",
        b"",
        b" " * 70_000,
    ):
        problem(httpx.post(server.url + SPAN, params={"job_id": job}, content=raw), 400)
    problem(httpx.post(server.url + SPAN, json=ASKED), 400)
    for stranger in ("00000000-0000-0000-0000-000000000000", "nonsense", ""):
        problem(span(server, stranger), 404)
    assert len(server.backend.submissions) == 1


def test_a_recording_that_is_gone(server: Running) -> None:
    job = kept(server)
    (server.backend.folder / job).unlink()
    assert "send the clip" in problem(span(server, job), 410)
    server.backend._put(replace(server.backend.job(job), audio=None))
    assert "send the clip" in problem(span(server, job), 410)


def test_who_hangs_up_takes_the_job_along(server: Running, recording: bytes) -> None:
    server.backend.hold()
    content = body(*(part(name, value.encode()) for name, value in FIELDS.items()), part("file", recording, "a.wav"))
    head = f"POST {CLIP} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(content)}\r\n"
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)
    connection.sendall(f"{head}Content-Type: {HEAD['Content-Type']}\r\n\r\n".encode() + content)
    job = server.backend.only()
    vanish(connection)
    until(lambda: server.backend.job(job.id).state is JobState.CANCELLED)


def test_what_takes_too_long_is_given_up(serve: Serve, recording: bytes) -> None:
    server = serve(sync_timeout=0.2)
    server.backend.hold()
    assert "/api/transcribe/" in problem(clip(server, recording), 504)
    until(lambda: server.backend.only().state is JobState.CANCELLED)


def test_confidence_is_that_of_the_words() -> None:
    def words(*sure: float) -> tuple[Word, ...]:
        return tuple(Word(0, 1, " a", probability) for probability in sure)

    timed = Segment(0, 1, " a a a", words(0.9, 0.9, 0.6), avg_logprob=-9)
    untimed = Segment(1, 2, " a", avg_logprob=-0.5)
    assert confidence([timed]) == pytest.approx(0.8)
    assert confidence([timed, untimed]) == pytest.approx((2.4 + 0.6065) / 4, abs=1e-4)
    assert confidence([Segment(0, 1, " a", avg_logprob=3.0)]) == 1.0
    assert confidence([]) == confidence([Segment(0, 1, "")]) == 0.0


def test_who_speaks_most_of_a_span() -> None:
    turns = (Turn(0, 2, "A", 1.0), Turn(2, 3, "B", 1.0), Turn(3, 5, "A", 1.0))
    people = (Speaker("A", 4.0, name="Anna"), Speaker("B", 1.0))
    found = Transcript((), "en", 5.0, "base", turns=turns, speakers=people)
    assert speaker_of(found, 1.8, 3.1) == "B"
    assert speaker_of(found, 1.3, 3.7) == "Anna", "pieces of 0.7 s count together, against one of 1 s"
    assert speaker_of(found, 6.0, 7.0) is None
    assert speaker_of(None, 0.0, 1.0) is None
    channels = Transcript((Segment(0, 1, "a", speaker="A"), Segment(1, 3, "b")), "en", 3.0, "base", speakers=people)
    assert speaker_of(channels, 0.0, 3.0) == "Anna"
