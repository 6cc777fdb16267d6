# SPDX-License-Identifier: Apache-2.0
"""The audio dialect over HTTP, with an engine that does as the test says."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.server.conftest import PATIENCE, TEXT, until
from tests.server.test_uploads import HEAD, body, part, vanish

from harken.errors import (
    CorruptMedia,
    HarkenError,
    ModelUnavailable,
    TextBusy,
    TextMisconfigured,
    TextRefused,
    TextUnavailable,
)
from harken.model import Format, Job, JobState, Lane, Options, Segment, Stage, StageKind, Transcript
from harken.ports import Submission
from harken.server.dialects.audio import shapes
from harken.server.dialects.audio.schema import AudioAccepted, AudioFailure, AudioResult, AudioStatus
from harken.server.dialects.audio.shapes import Found

if TYPE_CHECKING:
    from tests.server.conftest import Running, Serve

PROCESS = "/api/audio/process"
PARAGRAPHS = "**SPEAKER_00:** Hello there, Zoë\n\n**SPEAKER_01:** how are \\<you\\>?"


@pytest.fixture
def http(server: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=PATIENCE) as client:
        yield client


def process(http: httpx.Client, recording: bytes, **fields: Any) -> httpx.Response:
    headers = fields.pop("headers", {})
    answer = http.post(PROCESS, files={"file": ("talk.wav", recording)}, data=fields, headers=headers)
    documented: Any = {200: AudioResult, 202: AudioAccepted}.get(answer.status_code, AudioFailure)
    documented.model_validate(answer.json(), strict=True, extra="forbid")
    return answer


def start(http: httpx.Client, recording: bytes, **fields: Any) -> str:
    answer = process(http, recording, async_mode="1", **fields)
    assert answer.status_code == 202, answer.text
    job_id = answer.json()["job_id"]
    assert answer.headers["location"] == f"/api/audio/status/{job_id}"
    assert isinstance(job_id, str)
    return job_id


def status(http: httpx.Client, job_id: str) -> dict[str, Any]:
    answer = http.get(f"/api/audio/status/{job_id}")
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    AudioStatus.model_validate(told, strict=True, extra="forbid")
    assert all(value is not None for value in told.values()), "what is not there is left out"
    return told


def at(http: httpx.Client, job_id: str, stage: str) -> dict[str, Any]:
    """The status once the job is in a stage."""

    def look() -> dict[str, Any] | None:
        told = status(http, job_id)
        return told if told["stage"] == stage else None

    return until(look)


def texts(told: dict[str, Any]) -> set[str]:
    """Which of the documented fields are there."""
    return {"transcript", "formatted", "error"} & set(told)


def detail(answer: httpx.Response) -> tuple[int, str]:
    assert set(answer.json()) == {"detail"}
    return answer.status_code, answer.json()["detail"]


def test_wait_for_both_texts(http: httpx.Client, recording: bytes) -> None:
    answer = process(http, recording, instruction="Format as meeting notes with action items", whisper_model="base")
    assert answer.status_code == 200
    told = answer.json()
    assert told["transcript"] == TEXT
    assert told["formatted"].startswith("# Meeting notes\n")
    assert "## Possible action items" in told["formatted"]
    assert (told["model"], told["language"], told["duration"]) == ("base", "en", 3.0)
    assert (told["formatted_by"], told["generated"], told["warnings"]) == ("extractive", False, [])
    assert answer.headers["x-request-id"]
    assert float(answer.headers["x-process-time-ms"]) > 0
    assert answer.headers["x-harken-job"] == told["job_id"]


@pytest.mark.parametrize("fields", [{}, {"instruction": ""}, {"instruction": " \n", "async_mode": ""}])
def test_no_instruction_means_clean_paragraphs_with_speakers(
    http: httpx.Client, recording: bytes, fields: dict[str, str]
) -> None:
    assert process(http, recording, **fields).json()["formatted"] == PARAGRAPHS


def test_stages_of_a_job_that_is_polled(http: httpx.Client, server: Running, recording: bytes) -> None:
    server.backend.hold()
    job_id = start(http, recording, instruction="meeting notes")
    first = status(http, job_id)
    assert (first["stage"], first["progress"], texts(first)) == ("transcribing", 0, set())
    server.backend.let(1)
    second = until(lambda: told if (told := status(http, job_id))["progress"] else None)
    assert (second["stage"], second["progress"], texts(second)) == ("transcribing", 31, set())
    server.backend.let(2)
    third = at(http, job_id, "formatting")
    assert third["transcript"] == TEXT
    assert (third["progress"], texts(third)) == (94, {"transcript"})
    server.backend.let(1)
    last = at(http, job_id, "done")
    assert (last["transcript"], last["progress"], texts(last)) == (TEXT, 100, {"transcript", "formatted"})
    assert last["formatted"].startswith("# Meeting notes\n")


def test_the_job_is_kept_for_an_hour_after_its_end(http: httpx.Client, server: Running, recording: bytes) -> None:
    server.backend.hold()
    job_id = start(http, recording)
    assert server.backend.submissions[0].job.keep == 3600
    job = until(lambda: server.backend.job(job_id))
    server.backend._put(replace(job, created=job.created - 7200))
    assert status(http, job_id)["stage"] == "transcribing", "a running job never expires"
    server.backend.go()
    at(http, job_id, "done")
    server.backend._put(replace(server.backend.job(job_id), ended=time.time() - 3590))
    assert status(http, job_id)["stage"] == "done"
    server.backend._put(replace(server.backend.job(job_id), ended=time.time() - 3601))
    assert detail(http.get(f"/api/audio/status/{job_id}")) == (404, f"job {job_id} has expired")


@pytest.mark.parametrize("job_id", ["a1b2c3d4-e5f6-7890-abcd-ef1234567890", "nonsense", "%00"])
def test_unknown_jobs(http: httpx.Client, job_id: str) -> None:
    assert detail(http.get(f"/api/audio/status/{job_id}"))[0] == 404


@pytest.mark.parametrize(
    "name", ["tiny", "base", "small", "medium", "large", "turbo", "whisper-1", "openai/whisper-small"]
)
def test_models_of_every_dialect(http: httpx.Client, server: Running, recording: bytes, name: str) -> None:
    start(http, recording, whisper_model=name)
    assert server.backend.submissions[0].job.options.model == server.service.catalog.resolve(name).name


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"whisper_model": "gpt-9"}, "whisper_model: nobody knows a model named 'gpt-9'"),
        ({"async_mode": "2"}, "async_mode must be 0"),
        ({"async_mode": "true"}, "async_mode must be 0"),
        ({"instruction": "Write a poem about it"}, "instruction"),
    ],
)
def test_bad_fields_are_named_before_the_recording_is_read(
    http: httpx.Client, server: Running, recording: bytes, fields: dict[str, str], named: str
) -> None:
    status_code, told = detail(process(http, recording, **fields))
    assert status_code == 400
    assert named in told
    # The same with the fields before the recording, of which most is announced and never sent.
    before = b"".join(part(name, value.encode()) for name, value in fields.items())
    content = before + part("file", bytes(2**20), "a.wav")
    head = f"POST {PROCESS} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000000\r\n"
    with contextlib.closing(socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)) as connection:
        connection.sendall(f"{head}Content-Type: {HEAD['Content-Type']}\r\n\r\n".encode() + content)
        assert connection.recv(12) == b"HTTP/1.1 400"
    assert not server.backend.submissions
    server.clean()


def test_a_form_without_a_recording(http: httpx.Client) -> None:
    answer = http.post(PROCESS, files={"instruction": (None, "notes")})
    assert detail(answer) == (400, "the form has no part named 'file'; send the recording there")


def test_what_is_not_known_is_told(http: httpx.Client, recording: bytes) -> None:
    told = process(http, recording, colour="red").json()
    assert told["warnings"] == ["the field 'colour' is not known here and was ignored"]
    job_id = start(http, recording, colour="red")
    assert status(http, job_id)["warnings"] == told["warnings"] == at(http, job_id, "done")["warnings"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TextUnavailable("nobody answers"), 503),
        (TextBusy("come back later"), 503),
        (TextMisconfigured("the key is wrong"), 502),
        (TextRefused("it will not"), 422),
    ],
)
def test_a_failed_formatting_keeps_the_transcript(
    http: httpx.Client,
    server: Running,
    recording: bytes,
    error: HarkenError,
    code: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server.backend.unwritten = error
    answer = process(http, recording)
    said = f"the text could not be formatted: {error.message}"
    told = answer.json()
    assert (answer.status_code, told["detail"], told["transcript"]) == (code, said, TEXT)
    logged = [one for one in caplog.records if vars(one).get("job_id") == told["job_id"] and one.levelname == "ERROR"]
    assert len(logged) == (code >= 500), "failures of the server's own, and no others, are in its log"
    assert all(error.message in one.getMessage() and TEXT not in one.getMessage() for one in logged)
    assert ("retry-after" in answer.headers) == (code == 503)
    for job_id in (told["job_id"], start(http, recording)):
        ended = at(http, job_id, "error")
        assert (ended["error"], ended["transcript"]) == (said, TEXT)
        assert texts(ended) == {"error", "transcript"}
    assert http.get(f"/v1/transcription-jobs/{told['job_id']}/result").json()["text"] == TEXT


def test_formatting_again_without_the_recording(http: httpx.Client, server: Running, recording: bytes) -> None:
    server.backend.unwritten = TextUnavailable("nobody answers")
    job_id = process(http, recording, instruction="meeting notes").json()["job_id"]
    assert status(http, job_id)["stage"] == "error"
    server.backend.unwritten = None
    where = f"/api/audio/format/{job_id}"
    for asked, begins, warnings in (
        ({}, "# Meeting notes\n", 0),
        ({"instruction": "list the topics", "colour": "red"}, "# Notes\n", 1),
        ({}, "# Notes\n", 0),
    ):
        answer = http.post(where, json=asked)
        assert answer.status_code == 202, answer.text
        assert answer.headers["location"] == f"/api/audio/status/{job_id}"
        AudioAccepted.model_validate(answer.json(), strict=True, extra="forbid")
        assert len(answer.json()["warnings"]) == warnings
        told = at(http, job_id, "done")
        assert (told["transcript"], told["formatted"].startswith(begins)) == (TEXT, True)
    code, why = detail(http.post(where, data={"instruction": "write a poem"}))
    assert (code, "instruction" in why) == (400, True)
    assert detail(http.post("/api/audio/format/nonsense"))[0] == 404
    server.backend.hold()
    running = start(http, recording)
    assert detail(http.post(f"/api/audio/format/{running}"))[0] == 409
    assert len(server.backend.submissions) == 2, "nothing is heard again"


@pytest.mark.parametrize(("error", "code"), [(CorruptMedia("it breaks off"), 415), (ModelUnavailable("not here"), 503)])
def test_a_job_that_fails_before_there_is_a_transcript(
    http: httpx.Client, server: Running, recording: bytes, error: HarkenError, code: int
) -> None:
    server.backend.failure = error
    assert detail(process(http, recording)) == (code, error.message)
    ended = at(http, start(http, recording), "error")
    assert (ended["error"], texts(ended)) == (error.message, {"error"})


@pytest.mark.parametrize(("windows", "kept"), [(1, set()), (3, {"transcript"})])
def test_cancelled_through_another_door(
    http: httpx.Client, server: Running, recording: bytes, windows: int, kept: set[str]
) -> None:
    server.backend.hold()
    server.backend.let(windows)
    job_id = start(http, recording)
    until(
        lambda: status(http, job_id)["progress"] > 0 and (windows == 1 or status(http, job_id)["stage"] == "formatting")
    )
    assert http.post(f"/v1/transcription-jobs/{job_id}/cancel").status_code == 200
    ended = at(http, job_id, "error")
    assert (ended["error"], texts(ended)) == ("it was cancelled", {"error", *kept})


def test_one_job_any_door(http: httpx.Client, recording: bytes) -> None:
    ours = process(http, recording).json()["job_id"]
    assert http.get(f"/v1/transcription-jobs/{ours}/result").json()["text"] == TEXT
    assert http.get(f"/api/transcribe/result/{ours}").json()["text"] == TEXT
    plain = http.post("/v1/transcription-jobs", files={"file": recording}).json()["id"]
    told = at(http, plain, "done")
    assert (told["transcript"], told["formatted"]) == (TEXT, "Hello there, Zoë how are \\<you\\>?")
    suite = http.post("/api/transcribe/", files={"file": recording}).json()["job_id"]
    assert at(http, suite, "done")["formatted"] == PARAGRAPHS


def test_jobs_of_others_are_not_there(serve: Serve, recording: bytes) -> None:
    with httpx.Client(base_url=serve(api_keys=("mine", "yours")).url, timeout=PATIENCE) as http:
        assert detail(http.post(PROCESS, files={"file": recording}))[0] == 401
        mine, yours = ({"Authorization": f"Bearer {key}"} for key in ("mine", "yours"))
        job_id = process(http, recording, headers=mine).json()["job_id"]
        assert http.get(f"/api/audio/status/{job_id}", headers=mine).json()["stage"] == "done"
        assert detail(http.get(f"/api/audio/status/{job_id}", headers=yours))[0] == 404


def test_idempotency(http: httpx.Client, server: Running, recording: bytes) -> None:
    key = {"Idempotency-Key": "k"}
    first = process(http, recording, headers=key)
    assert process(http, recording, headers=key).json() == first.json()
    later = process(http, recording, async_mode="1", headers=key)
    assert (later.status_code, later.json()["job_id"]) == (202, first.json()["job_id"])
    assert detail(process(http, recording, instruction="notes", headers=key))[0] == 422
    assert len(server.backend.submissions) == 1


@pytest.mark.parametrize("windows", [0, 3])
@pytest.mark.parametrize("keyed", [False, True])
def test_hanging_up_cancels_the_job(server: Running, recording: bytes, windows: int, keyed: bool) -> None:
    server.backend.hold()
    server.backend.let(windows)
    content = body(part("file", recording, "a.wav"))
    key = "Idempotency-Key: k\r\n" if keyed else ""
    head = f"POST {PROCESS} HTTP/1.1\r\nHost: 127.0.0.1\r\n{key}Content-Length: {len(content)}\r\n"
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)
    connection.sendall(f"{head}Content-Type: {HEAD['Content-Type']}\r\n\r\n".encode() + content)
    job = server.backend.only()
    if windows:
        until(lambda: server.backend.job(job.id).stage is StageKind.FORMAT)
    vanish(connection)
    until(lambda: 'status="499"' in httpx.get(server.url + "/metrics").text)
    server.backend.go()
    ended = JobState.COMPLETED if keyed else JobState.CANCELLED
    assert until(lambda: now.state if (now := server.backend.job(job.id)).state.ended else None) is ended
    server.clean()


def test_limits(serve: Serve, recording: bytes) -> None:
    small = serve(max_upload_bytes=1000)
    full = serve(free_bytes=lambda _: 0, min_free_bytes=1)
    hasty = serve(requests_per_minute=1)
    for server, code in ((small, 413), (full, 507)):
        with httpx.Client(base_url=server.url, timeout=PATIENCE) as http:
            assert detail(process(http, recording))[0] == code
        server.clean()
    with httpx.Client(base_url=hasty.url, timeout=PATIENCE) as http:
        process(http, recording)
        answer = process(http, recording)
        assert detail(answer)[0] == 429
        assert int(answer.headers["retry-after"]) > 0


def test_what_is_not_audio(http: httpx.Client, server: Running) -> None:
    code, told = detail(process(http, b"just some words" * 100))
    assert code == 415
    assert told
    server.clean()


def test_a_full_queue(http: httpx.Client, server: Running, recording: bytes) -> None:
    server.backend.queue_limit = 0
    answer = process(http, recording, async_mode="1")
    assert detail(answer)[0] == 429
    assert int(answer.headers["retry-after"]) > 0
    assert not server.backend.keys()


@pytest.mark.parametrize("look", [0, 1])
def test_what_is_done_outlasts_a_database_that_is_away(
    http: httpx.Client, server: Running, recording: bytes, monkeypatch: pytest.MonkeyPatch, look: int
) -> None:
    """It goes away when the transcript is first looked at, or when it is looked at with all the rest."""
    answers, looks = server.backend.transcript, count()

    def transcript(job_id: str) -> Transcript | None:
        server.backend.away += next(looks) == look
        return answers(job_id)

    monkeypatch.setattr(server.backend, "transcript", transcript)
    assert process(http, recording).status_code == 200
    assert next(looks) == 3, "one look more than there are without"


def test_a_request_may_not_wait_for_ever(serve: Serve, recording: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve(sync_timeout=0.3)
    server.backend.hold()
    server.backend.let(3)
    submit = server.backend.submit

    def heard(submission: Submission) -> tuple[Job, bool]:
        job, new = submit(submission)
        until(lambda: server.backend.transcript(job.id))
        return job, new

    # The wait begins when all has been heard, however long that takes; it is for the formatting.
    monkeypatch.setattr(server.backend, "submit", heard)
    with httpx.Client(base_url=server.url, timeout=PATIENCE) as http:
        answer = process(http, recording)
        told = answer.json()
        assert (answer.status_code, told["transcript"]) == (504, TEXT)
        assert "async_mode=1" in told["detail"]
        assert at(http, told["job_id"], "error")["transcript"] == TEXT


HEARD = Transcript((Segment(0.0, 1.0, " Hello."),), "en", 10.0, "base")


def found(state: JobState, stage: StageKind | None = None, *stages: Stage, **job: Any) -> Found:
    """A job that asked for paragraphs, somewhere on its way, with all that may be there."""
    options = Options(diarize=True, formatting=Format())
    kept = Job("j", "me", state, Lane.BATCH, options, "a.wav", 0.0, 0.0, stage=stage, duration=10.0, **job)
    return Found(kept, stages, HEARD)


def work(kind: StageKind, state: JobState, progress: float = 0.0, created: float = 0.0, **more: Any) -> Stage:
    return Stage("s", "j", kind, state, created, created, progress=progress, **more)


def test_progress_never_runs_back() -> None:
    diarize, form = StageKind.DIARIZE, StageKind.FORMAT
    doing, done = JobState.PROCESSING, JobState.COMPLETED
    way = [
        found(JobState.QUEUED),
        found(doing),
        found(doing, position=5.0),
        found(doing, position=10.0),
        found(doing, diarize, work(diarize, doing)),
        found(doing, diarize, work(diarize, doing, 0.5)),
        found(doing, diarize, work(diarize, done, 1.0)),
        found(doing, form, work(diarize, JobState.FAILED, 0.5)),
        found(doing, form, work(diarize, JobState.FAILED, 0.5), work(form, doing)),
        found(doing, form, work(diarize, JobState.FAILED, 0.5), work(form, doing, 0.99)),
        found(done, None, work(form, done, 1.0)),
    ]
    assert [one.progress for one in way] == [0, 0, 40, 79, 80, 85, 90, 90, 90, 98, 100]
    assert [one.told for one in way] == ["transcribing"] * 7 + ["formatting"] * 3 + ["done"]
    assert [texts(shapes.status(one)) for one in way] == [set()] * 7 + [{"transcript"}] * 3 + [
        {"transcript", "formatted"}
    ]


def test_formatting_that_was_asked_for_and_never_began_is_an_error() -> None:
    lost = found(JobState.COMPLETED, None, work(StageKind.DIARIZE, JobState.FAILED))
    assert (lost.told, lost.error) == ("error", "the text could not be formatted: there was no time left for it")


def test_the_last_formatting_counts() -> None:
    failed = work(StageKind.FORMAT, JobState.FAILED, error_code="text_busy", error_message="later")
    again = found(JobState.COMPLETED, None, work(StageKind.FORMAT, JobState.QUEUED, created=1.0), failed)
    assert again.told == "formatting"
    assert found(JobState.COMPLETED, None, failed).told == "error"
    done = work(StageKind.FORMAT, JobState.COMPLETED, created=2.0)
    assert found(JobState.COMPLETED, None, done, failed).told == "done"
