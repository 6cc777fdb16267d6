# SPDX-License-Identifier: Apache-2.0
"""The suite dialect over HTTP: every documented field, typed as documented, and its errors."""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.server.conftest import PEOPLE, TEXT, until, wav

from harken import errors
from harken.errors import CorruptMedia
from harken.model import Diarization, JobState, Speaker, StageKind, Turn
from harken.models.catalog import Catalog
from harken.server.dialects.suite import shapes

if TYPE_CHECKING:
    from tests.server.conftest import Running, Serve

STATUS = {"job_id": str, "status": str, "message": str, "progress": int, "updated_at": float}
SEGMENT = {
    "start": float,
    "end": float,
    "text": str,
    "speaker": str,
    "speaker_confidence": float,
    "start_display": str,
    "end_display": str,
}
RESULT = {"segments": list, "text": str, "language": str, "audio_duration": float}
MODEL = {"name": str, "full_name": str, "is_downloaded": bool, "size_mb": float, "description": str}


def typed(told: dict[str, Any], fields: dict[str, type]) -> None:
    """Every documented field is there, and of exactly the documented type."""
    assert {name: type(told.get(name)) for name in fields} == fields


def start(server: Running, recording: bytes | None = None, **fields: str) -> str:
    """A new job."""
    answer = httpx.post(f"{server.url}/api/transcribe/", files={"file": recording or wav()}, data=fields)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    typed(told, {"job_id": str, "status": str, "message": str})
    assert told["status"] == "processing"
    return str(told["job_id"])


def ask(server: Running, what: str, job: str) -> httpx.Response:
    return httpx.get(f"{server.url}/api/transcribe/{what}/{job}")


def ended(server: Running, job: str) -> dict[str, Any]:
    """The status of a job that has ended."""
    status: dict[str, Any] = until(
        lambda: (told := ask(server, "status", job).json())["status"] != "processing" and told
    )
    return status


def problem(answer: httpx.Response, status: int) -> str:
    """The error of an answer, which has nothing else."""
    assert answer.status_code == status, answer.text
    assert answer.headers["x-request-id"]
    assert float(answer.headers["x-process-time-ms"]) >= 0
    body = answer.json()
    assert list(body) == ["detail"]
    assert isinstance(body["detail"], str)
    return str(body["detail"])


def test_a_job_from_start_to_result(server: Running) -> None:
    server.backend.hold()
    job = start(server)
    assert str(uuid.UUID(job)) == job
    server.backend.let(1)
    until(lambda: ask(server, "status", job).json()["progress"] > 0)
    status = ask(server, "status", job).json()
    typed(status, STATUS)
    assert status["message"] == "Processing chunk 1/1 (40%)"
    assert status["progress"] == 40
    assert "is processing" in problem(ask(server, "result", job), 409)
    server.backend.go()
    status = ended(server, job)
    assert (status["status"], status["progress"], status["job_id"]) == ("completed", 100, job)
    result = ask(server, "result", job).json()
    typed(result, RESULT)
    assert (result["text"], result["language"], result["audio_duration"]) == (TEXT, "en", 3.0)
    for segment in result["segments"]:
        typed(segment, SEGMENT)
    first, second = result["segments"]
    assert (first["speaker"], second["speaker"]) == ("SPEAKER_00", "SPEAKER_01"), "who speaks is asked for by default"
    assert (second["start"], second["start_display"]) == (1.5, "00:00:01.500")
    assert [word["word"] for word in second["words"]] == ["how", "are", "<you>?"]


def test_without_speakers(server: Running) -> None:
    job = start(server, diarize="false")
    ended(server, job)
    for segment in ask(server, "result", job).json()["segments"]:
        assert (segment["speaker"], segment["speaker_confidence"]) == (None, None)
        assert {word["speaker"] for word in segment["words"]} == {None}


def test_one_who_speaks_alone_is_surely_they(server: Running) -> None:
    server.backend.people = Diarization((Turn(0.0, 3.0, "SPEAKER_00"),), (Speaker("SPEAKER_00", 3.0),))
    job = start(server)
    ended(server, job)
    segments = ask(server, "result", job).json()["segments"]
    assert {(segment["speaker"], segment["speaker_confidence"]) for segment in segments} == {("SPEAKER_00", 1.0)}


def test_speakers_have_the_names_of_known_voices(server: Running) -> None:
    server.backend.people = replace(
        PEOPLE,
        speakers=tuple(replace(who, name=name) for who, name in zip(PEOPLE.speakers, ("Ann", None), strict=True)),
    )
    server.backend.named = lambda people, _: people
    job = start(server)
    ended(server, job)
    assert [one["speaker"] for one in ask(server, "result", job).json()["segments"]] == ["Ann", "SPEAKER_01"]


@pytest.mark.parametrize("path", ["/api/transcribe", "/api/transcribe/"])
def test_both_addresses_take_a_recording(server: Running, path: str) -> None:
    answer = httpx.post(server.url + path, files={"file": wav()}, data={"model_name": "tiny.en", "language": "English"})
    assert answer.status_code == 200
    assert not answer.history
    options = server.backend.only().options
    assert (options.model, options.language, options.diarize) == ("tiny.en", "en", True)


def test_fields_that_nobody_knows_are_told(server: Running) -> None:
    answer = httpx.post(
        f"{server.url}/api/transcribe/", files={"file": wav()}, data={"model": "base", "beam": "5"}
    ).json()
    assert answer["warnings"] == [f"the field {name!r} is not known here and was ignored" for name in ("model", "beam")]
    ended(server, answer["job_id"])
    assert ask(server, "result", answer["job_id"]).json()["warnings"] == answer["warnings"]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"model_name": "gpt-9"}, "gpt-9"),
        ({"language": "klingon"}, "klingon"),
        ({"diarize": "perhaps"}, "diarize must be true or false"),
        ({"language": ["en", "de"]}, "more than once"),
    ],
)
def test_fields_that_cannot_be_honoured(server: Running, fields: dict[str, str], said: str) -> None:
    answer = httpx.post(f"{server.url}/api/transcribe/", files={"file": wav()}, data=fields)
    assert said in problem(answer, 400)
    server.clean()
    assert not server.backend.submissions


def test_what_is_no_audio_is_a_bad_request_here_and_not_elsewhere(server: Running) -> None:
    for content in (b"", b"text that says it is music"):
        files = {"file": ("song.mp3", content, "audio/mpeg")}
        problem(httpx.post(f"{server.url}/api/transcribe/", files=files), 400)
        assert httpx.post(f"{server.url}/v1/transcription-jobs", files=files).status_code == 415
    problem(httpx.post(f"{server.url}/api/transcribe/", json={}), 400)
    problem(httpx.post(f"{server.url}/api/transcribe/", files={"sound": wav()}), 400)
    server.clean()


def test_jobs_that_are_not_there(server: Running) -> None:
    for job in (str(uuid.uuid4()), "nonsense"):
        answer = ask(server, "status", job)
        assert answer.status_code == 200
        told = answer.json()
        typed(told, STATUS)
        assert told == {
            "job_id": job,
            "status": "not_found",
            "message": "Transcription job not found or expired",
            "progress": 0,
            "updated_at": told["updated_at"],
        }
        problem(ask(server, "result", job), 404)
        problem(ask(server, "debug", job), 404)


@pytest.mark.parametrize("kind", [errors.RecogniserCrashed, CorruptMedia, errors.ModelUnavailable])
def test_a_job_that_failed(server: Running, kind: type[errors.HarkenError]) -> None:
    server.backend.failure = kind("it broke here")
    job = start(server)
    status = ended(server, job)
    assert (status["status"], status["message"]) == ("failed", "it broke here")
    assert problem(ask(server, "result", job), 500) == "it broke here"


def test_a_job_that_was_cancelled_has_failed_here(server: Running) -> None:
    server.backend.hold()
    job = start(server)
    assert httpx.post(f"{server.url}/v1/transcription-jobs/{job}/cancel").status_code == 200
    assert ended(server, job)["message"] == "The job was cancelled"
    assert "cancelled" in problem(ask(server, "result", job), 500)


def test_one_job_any_door(server: Running) -> None:
    openai = httpx.post(f"{server.url}/v1/transcription-jobs", files={"file": wav()}).json()["id"]
    suite = start(server)
    ended(server, openai)
    ended(server, suite)
    assert ask(server, "result", openai).json()["text"] == TEXT
    assert httpx.get(f"{server.url}/v1/transcription-jobs/{suite}/result").json()["text"] == TEXT
    listed = httpx.get(f"{server.url}/api/transcribe/jobs").json()
    assert [job["job_id"] for job in listed["jobs"]] == [suite, openai]


def test_jobs_are_listed_by_pages(server: Running) -> None:
    made = [start(server) for _ in range(3)]
    first = httpx.get(f"{server.url}/api/transcribe/jobs", params={"limit": 2}).json()
    for job in first["jobs"]:
        typed(job, STATUS)
    assert (first["count"], type(first["count"])) == (2, int)
    rest = httpx.get(f"{server.url}/api/transcribe/jobs", params={"cursor": first["next_cursor"]}).json()
    assert (rest["count"], rest["next_cursor"]) == (1, None)
    assert [job["job_id"] for job in (*first["jobs"], *rest["jobs"])] == made[::-1]
    problem(httpx.get(f"{server.url}/api/transcribe/jobs", params={"limit": "many"}), 400)


def test_callers_see_their_own_jobs_only(serve: Serve) -> None:
    server = serve(api_keys=("mine", "yours"))
    mine, yours = ({"Authorization": f"Bearer {key}"} for key in ("mine", "yours"))
    job = httpx.post(f"{server.url}/api/transcribe/", files={"file": wav()}, headers=mine).json()["job_id"]
    status = f"{server.url}/api/transcribe/status/{job}"
    assert httpx.get(status, headers=mine).json()["status"] != "not_found"
    assert httpx.get(status, headers=yours).json()["status"] == "not_found"
    problem(httpx.get(f"{server.url}/api/transcribe/debug/{job}", headers=yours), 404)
    assert httpx.get(f"{server.url}/api/transcribe/jobs", headers=yours).json()["count"] == 0
    problem(httpx.get(status), 401)


def test_the_same_key_gives_the_same_job(server: Running) -> None:
    def post(diarize: str) -> httpx.Response:
        return httpx.post(
            f"{server.url}/api/transcribe/",
            files={"file": wav()},
            data={"diarize": diarize},
            headers={"Idempotency-Key": "once"},
        )

    assert post("true").json()["job_id"] == post("true").json()["job_id"]
    problem(post("false"), 422)
    assert len(server.backend.submissions) == 1


def test_models(server: Running) -> None:
    models = httpx.get(f"{server.url}/api/transcribe/models").json()["models"]
    for model in models:
        typed(model, MODEL)
        assert model["size_mb"] > 0
        assert Catalog().resolve(model["name"]).name == model["name"]
    by_name = {model["name"]: model for model in models}
    assert by_name["tiny.en"]["full_name"] == "openai/whisper-tiny.en"
    assert by_name["tiny.en"]["size_mb"] == pytest.approx(77.7, abs=3)
    assert [name for name, model in by_name.items() if model["is_downloaded"]] == ["base", "cpu-lite"]
    assert [name for name, model in by_name.items() if model["is_default"]] == ["base"]
    assert {"large-v3", "cpu-turbo"} <= set(by_name)
    assert "silero-vad" not in by_name


def test_debug_tells_an_operator_what_there_is_and_no_secrets(serve: Serve) -> None:
    server = serve(api_keys=("a-secret-key",))
    server.backend.hold()
    key = {"Authorization": "Bearer a-secret-key"}
    job = httpx.post(f"{server.url}/api/transcribe/", files={"file": wav()}, headers=key).json()["job_id"]

    def debug() -> dict[str, Any]:
        told: dict[str, Any] = httpx.get(f"{server.url}/api/transcribe/debug/{job}", headers=key).json()
        return told

    server.backend.let(1)
    until(lambda: debug()["windows"]["done"] == 1)
    told = debug()
    assert (told["cached_segments"], told["latest_time"]) == (1, 1.15)
    assert (told["state"], told["status"], told["audio_duration"]) == ("processing", "processing", 3.0)
    assert told["queued_seconds"] >= 0
    assert told["processing_seconds"] >= 0
    assert (told["attempts"], told["listeners"], told["error"]) == (0, 0, None)
    server.backend.go()
    until(lambda: debug()["state"] == "completed")
    told = debug()
    assert (told["windows"]["done"], told["windows"]["silent"], told["windows"]["retried"]) == (3, 1, 0)
    assert [window["index"] for window in told["windows"]["latest"]] == [0, 1, 2]
    said = json.dumps(told)
    assert "secret" not in said
    assert not re.search(r"key-[0-9a-f]+", said)
    assert str(server.spool.parent) not in said


def test_debug_tells_stages(server: Running) -> None:
    job = start(server)
    ended(server, job)
    done = server.backend.job(job)
    stage = server.service.diarize_again(job, _everyone())
    server.backend.stages.kept[stage.id] = replace(
        stage, state=JobState.FAILED, started=done.created + 2, ended=done.created + 5, error_message="no", attempts=2
    )
    told = ask(server, "debug", job).json()["stages"]
    assert len(told) == 1
    assert told[0]["waited_seconds"] == pytest.approx(done.created + 2 - stage.created, abs=0.01)
    assert {name: told[0][name] for name in ("kind", "status", "took_seconds", "attempts", "error")} == {
        "kind": StageKind.DIARIZE.value,
        "status": "failed",
        "took_seconds": 3.0,
        "attempts": 2,
        "error": "no",
    }


def _everyone() -> Any:
    from harken.service import EVERYONE

    return EVERYONE


def test_health_and_root(serve: Serve) -> None:
    server = serve(api_keys=("key",))
    health = httpx.get(f"{server.url}/health")
    assert type(health.json()["timestamp"]) is float
    assert health.json()["status"] == "ok"
    assert httpx.head(f"{server.url}/health").status_code == 200
    root = httpx.get(server.url).json()
    assert root["name"] == "harken"
    assert re.fullmatch(r"\d+\.\d+\.\d+", root["version"])
    assert root["endpoints"]["transcribe"] == "/api/transcribe"
    problem(httpx.put(f"{server.url}/health"), 405)
    problem(httpx.put(server.url), 405)


def test_a_browser_is_sent_to_a_page(server: Running) -> None:
    accept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    sent = httpx.get(server.url, headers={"Accept": accept})
    assert sent.is_redirect
    page = httpx.get(server.url, headers={"Accept": accept}, follow_redirects=True)
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")


def test_errors_are_readable_by_pages_that_may(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve(cors_origins=("https://page.example",))
    page = {"Origin": "https://page.example"}
    answers = [
        (httpx.get(f"{server.url}/api/transcribe/result/{uuid.uuid4()}", headers=page), 404),
        (httpx.get(f"{server.url}/api/transcribe/nothing", headers=page), 404),
        (httpx.delete(f"{server.url}/api/transcribe/jobs", headers=page), 405),
        (httpx.post(f"{server.url}/api/transcribe/", files={"file": b"none"}, headers=page), 400),
    ]
    monkeypatch.setattr(server.backend, "jobs", lambda *_: 1 / 0)
    answers.append((httpx.get(f"{server.url}/api/transcribe/jobs", headers=page), 500))
    for answer, status in answers:
        assert "division" not in problem(answer, status)
        assert answer.headers["access-control-allow-origin"] == "https://page.example"
        assert "X-Request-ID" in answer.headers["access-control-expose-headers"]


@pytest.mark.parametrize(
    ("error", "status", "retry"),
    [
        (errors.TextError("no"), 502, None),
        (errors.TextMisconfigured("no"), 502, None),
        (errors.TextUnusable("no"), 502, None),
        (errors.TextUnavailable("no"), 503, "5"),
        (errors.TextBusy("no"), 503, "30"),
        (errors.TextTooLong("no"), 400, None),
        (errors.TextRefused("no"), 422, None),
        (errors.WorkerUnavailable("no"), 503, "5"),
        (errors.QueueFull("no"), 429, "5"),
        (errors.AudioGone("no"), 410, None),
    ],
)
def test_statuses_of_errors(
    server: Running, monkeypatch: pytest.MonkeyPatch, error: errors.HarkenError, status: int, retry: str | None
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(server.backend, "jobs", fail)
    answer = httpx.get(f"{server.url}/api/transcribe/jobs")
    assert problem(answer, status) == "no"
    assert answer.headers.get("retry-after") == retry


@pytest.mark.parametrize(
    ("position", "duration", "said"),
    [
        (0.0, 150.0, "Processing chunk 1/5 (0%)"),
        (15.0, 150.0, "Processing chunk 1/5 (10%)"),
        (60.0, 150.0, "Processing chunk 2/5 (40%)"),
        (60.1, 150.0, "Processing chunk 3/5 (40%)"),
        (149.9, 150.0, "Processing chunk 5/5 (99%)"),
        (150.0, 150.0, "Processing chunk 5/5 (99%)"),
        (152.0, 150.0, "Processing chunk 6/6 (99%)"),
        (0.0, None, "Processing chunk 1/1 (0%)"),
        (45.0, None, "Processing chunk 2/2 (0%)"),
    ],
)
def test_progress_is_told_by_chunks(server: Running, position: float, duration: float | None, said: str) -> None:
    start(server)
    job = replace(server.backend.only(), state=JobState.PROCESSING, position=position, duration=duration)
    assert shapes.message(job) == said
    at = shapes.chunks(job)
    assert {type(value) for value in at.values()} == {int}
    assert 1 <= at["current_chunk"] <= at["total_chunks"]
    assert 0 <= at["chunk_progress"] <= 100
    assert shapes.chunks(replace(job, state=JobState.COMPLETED))["chunk_progress"] == 100


def test_part_of_a_chunk(server: Running) -> None:
    start(server)
    job = replace(server.backend.only(), state=JobState.PROCESSING, position=45.0, duration=150.0)
    assert shapes.chunks(job) == {"current_chunk": 2, "total_chunks": 5, "chunk_progress": 50}
    last = replace(job, position=135.0, duration=140.0)
    assert shapes.chunks(last) == {"current_chunk": 5, "total_chunks": 5, "chunk_progress": 75}
