# SPDX-License-Identifier: Apache-2.0
"""Jobs over HTTP: submit, ask, follow, cancel, list, delete; and idempotency."""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import httpx
import pysubs2
import pytest
import webvtt
from tests.server.conftest import PATIENCE, TEXT, until

from harken.errors import ModelUnavailable, RecogniserCrashed

if TYPE_CHECKING:
    from tests.server.conftest import Running, Serve

JOBS = "/v1/transcription-jobs"


@pytest.fixture
def http(server: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=PATIENCE, headers={"Accept": "application/json"}) as client:
        yield client


def submit(http: httpx.Client, recording: bytes, **fields: Any) -> dict[str, Any]:
    answer = http.post(JOBS, files={"file": ("talk.wav", recording)}, data=fields)
    assert answer.status_code == 202, answer.text
    job: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"{JOBS}/{job['id']}"
    assert answer.headers["x-harken-job"] == job["id"]
    return job


def ended(http: httpx.Client, job_id: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        job: dict[str, Any] = http.get(f"{JOBS}/{job_id}").json()
        return job if job["status"] in ("completed", "failed", "cancelled") else None

    return until(look)


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def test_life_of_a_job(http: httpx.Client, server: Running, recording: bytes) -> None:
    server.backend.hold()
    job = submit(http, recording, model="cpu-lite", language="ca", colour="red")
    assert str(uuid.UUID(job["id"])) == job["id"]
    assert (job["status"], job["progress"], job["model"], job["language"]) == ("queued", 0, "cpu-lite", "ca")
    assert (job["filename"], job["size"], job["duration"]) == ("talk.wav", len(recording), 3.0)
    assert job["warnings"] == ["the field 'colour' is not known here and was ignored"]
    assert code(http.get(f"{JOBS}/{job['id']}/result")) == (409, "job_not_finished")
    server.backend.let(1)
    running = until(lambda: (now := http.get(f"{JOBS}/{job['id']}").json())["position"] and now)
    assert (running["status"], running["position"], running["progress"]) == ("processing", 1.2, 0.4)
    server.backend.go()
    assert ended(http, job["id"])["progress"] == 1
    result = http.get(f"{JOBS}/{job['id']}/result").json()
    assert (result["text"], result["job_id"]) == (TEXT, job["id"])
    assert result["warnings"] == job["warnings"]
    assert code(http.post(f"{JOBS}/{job['id']}/cancel")) == (409, "job_already_ended")


def test_results_in_every_format(http: httpx.Client, recording: bytes) -> None:
    job = submit(http, recording, word_timestamps="true")["id"]
    ended(http, job)

    def result(form: str) -> httpx.Response:
        return http.get(f"{JOBS}/{job}/result", params={"response_format": form})

    types = {
        "json": "application/json",
        "verbose_json": "application/json",
        "text": "text/plain; charset=utf-8",
        "srt": "application/x-subrip; charset=utf-8",
        "vtt": "text/vtt; charset=utf-8",
        "tsv": "text/tab-separated-values; charset=utf-8",
        "ass": "text/x-ssa; charset=utf-8",
    }
    for form, kind in types.items():
        assert result(form).headers["content-type"] == kind
    assert result("text").text == TEXT + "\n"
    assert len(pysubs2.SSAFile.from_string(result("srt").text, format_="srt")) >= 1
    assert len(pysubs2.SSAFile.from_string(result("ass").text, format_="ass")) >= 1
    assert webvtt.from_buffer(io.StringIO(result("vtt").text)).captions[0].start == "00:00:00.000"
    assert result("tsv").text.splitlines()[0] == "start\tend\ttext"
    assert [word["word"] for word in result("verbose_json").json()["words"]][-1] == "<you>?"
    assert result("json").json()["segments"][0]["words"][0] == {
        "word": "Hello", "start": 0.0, "end": 0.35, "probability": 0.9,
    }  # fmt: skip
    only = http.get(
        f"{JOBS}/{job}/result", params={"response_format": "verbose_json", "timestamp_granularities[]": "word"}
    )
    assert "segments" not in only.json()
    for form in ("diarized_json", "rttm", "docx", "JSON", ""):
        assert code(result(form)) == (400, "invalid_option")


def test_a_job_remembers_how_its_result_was_asked_for(http: httpx.Client, server: Running, recording: bytes) -> None:
    job = submit(http, recording, response_format="vtt")
    assert job["response_format"] == "vtt"
    ended(http, job["id"])
    assert http.get(f"{JOBS}/{job['id']}/result").text.startswith("WEBVTT")
    assert server.backend.only().options.word_timestamps, "cues are cut on word times"


def test_cancel_queued_and_running(http: httpx.Client, server: Running, recording: bytes) -> None:
    server.backend.hold()
    queued = submit(http, recording)["id"]
    answer = http.post(f"{JOBS}/{queued}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    assert code(http.post(f"{JOBS}/{queued}/cancel")) == (409, "job_already_ended")
    assert code(http.get(f"{JOBS}/{queued}/result")) == (409, "job_cancelled")
    running = submit(http, recording)["id"]
    server.backend.let(1)
    until(lambda: http.get(f"{JOBS}/{running}").json()["status"] == "processing")
    answer = http.post(f"{JOBS}/{running}/cancel")
    assert (answer.status_code, answer.json()["cancel_requested"]) == (200, True)
    assert ended(http, running)["status"] == "cancelled"


def test_delete(http: httpx.Client, server: Running, recording: bytes) -> None:
    server.backend.hold()
    job = submit(http, recording)["id"]
    assert http.delete(f"{JOBS}/{job}").json() == {"id": job, "object": "transcription.job", "deleted": True}
    assert code(http.get(f"{JOBS}/{job}")) == (404, "job_not_found")
    assert code(http.delete(f"{JOBS}/{job}")) == (404, "job_not_found")
    assert server.backend.keys() == set()
    http.headers["Idempotency-Key"] = "k"
    first = submit(http, recording)["id"]
    http.delete(f"{JOBS}/{first}")
    assert submit(http, recording)["id"] != first, "a job that is gone does not come back by its key"


@pytest.mark.parametrize("job_id", ["none", str(uuid.UUID(int=7)), "%00", "x" * 5000, "..%2f..%2fetc", "é"])
def test_unknown_jobs(http: httpx.Client, job_id: str) -> None:
    for method, path in (("GET", ""), ("GET", "/result"), ("GET", "/events"), ("POST", "/cancel"), ("DELETE", "")):
        assert http.request(method, f"{JOBS}/{job_id}{path}").status_code == 404


def test_list_newest_first_with_a_cursor(http: httpx.Client, recording: bytes) -> None:
    made = [submit(http, recording)["id"] for _ in range(3)]
    first = http.get(JOBS, params={"limit": 2}).json()
    assert [job["id"] for job in first["data"]] == [made[2], made[1]]
    assert first["has_more"]
    second = http.get(JOBS, params={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert [job["id"] for job in second["data"]] == [made[0]]
    assert (second["has_more"], second["next_cursor"]) == (False, None)
    for bad in ("0", "-1", "101", "1e3", "NaN", ""):
        assert http.get(JOBS, params={"limit": bad}).status_code == 400


def test_jobs_of_others_are_not_there(serve: Serve, recording: bytes) -> None:
    server = serve(api_keys=("one", "two"))
    mine = httpx.Client(base_url=server.url, headers={"Authorization": "Bearer one"})
    other = httpx.Client(base_url=server.url, headers={"Authorization": "Bearer two"})
    with mine, other:
        job = submit(mine, recording)["id"]
        ended(mine, job)
        for method, path in (("GET", ""), ("GET", "/result"), ("GET", "/events"), ("POST", "/cancel"), ("DELETE", "")):
            assert code(other.request(method, f"{JOBS}/{job}{path}")) == (404, "job_not_found")
        assert other.get(JOBS).json()["data"] == []
        assert len(mine.get(JOBS).json()["data"]) == 1


@pytest.mark.parametrize(
    "failure", [RecogniserCrashed("it died"), ModelUnavailable("large-v3 is not installed; base is")]
)
def test_a_failed_job_tells_why(http: httpx.Client, server: Running, recording: bytes, failure: Any) -> None:
    server.backend.failure = failure
    job = submit(http, recording)["id"]
    told = ended(http, job)
    assert told["error"] == {"code": failure.code, "message": failure.message}
    answer = http.get(f"{JOBS}/{job}/result")
    assert code(answer)[1] == failure.code
    assert answer.status_code == (503 if isinstance(failure, ModelUnavailable) else 500)
    assert ("retry-after" in answer.headers) == (answer.status_code == 503)


def test_idempotency(http: httpx.Client, server: Running, recording: bytes) -> None:
    def post(path: str, key: str, **fields: str) -> httpx.Response:
        return http.post(path, files={"file": ("a.wav", recording)}, data=fields, headers={"Idempotency-Key": key})

    first, again = post(JOBS, "k", model="tiny"), post(JOBS, "k", model="tiny")
    assert first.json()["id"] == again.json()["id"]
    assert len(server.backend.submissions) == 1
    assert code(post(JOBS, "k", model="base")) == (422, "idempotency_conflict")
    assert code(post(JOBS, "k", model="tiny", response_format="srt")) == (422, "idempotency_conflict")
    assert post(JOBS, "other", model="tiny").json()["id"] != first.json()["id"]
    ended(http, first.json()["id"])
    waited = post("/v1/audio/transcriptions", "k", model="tiny")
    assert (waited.status_code, waited.headers["x-harken-job"]) == (200, first.json()["id"])
    for bad in ("", "x" * 256):
        assert code(post(JOBS, bad)) == (400, "invalid_option")
    server.clean()


def events(answer: httpx.Response) -> Iterator[tuple[str | None, str, dict[str, Any]]]:
    """Id, name and data of each event of a stream."""
    told: dict[str, str] = {}
    for line in answer.iter_lines():
        if line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            told[name] = value
        elif told:
            yield told.get("id"), told["event"], json.loads(told["data"])
            told = {}


def test_follow_a_job_and_come_back(http: httpx.Client, server: Running, recording: bytes) -> None:
    server.backend.hold()
    job = submit(http, recording)["id"]
    with http.stream("GET", f"{JOBS}/{job}/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        server.backend.let(1)
        last, name, data = next(events(answer))
        assert (last, name, data["window"]) == ("0", "segments", 0)
        assert [segment["text"] for segment in data["segments"]] == ["Hello there, Zoë"]
    server.backend.go()
    ended(http, job)
    with http.stream("GET", f"{JOBS}/{job}/events", headers={"Last-Event-ID": str(last)}) as answer:
        rest = list(events(answer))
    assert [(at, name) for at, name, _ in rest] == [("1", "segments"), ("2", "segments"), (None, "completed")]
    assert rest[-1][2]["status"] == "completed"
    assert server.backend.job(job).state.value == "completed", "a listener that leaves cancels nothing"
    for bad in ("x", "-2", "9" * 30):
        assert code(http.get(f"{JOBS}/{job}/events", headers={"Last-Event-ID": bad})) == (400, "invalid_option")


def test_a_job_that_is_deleted_ends_the_streams_of_its_listeners(
    http: httpx.Client, server: Running, recording: bytes
) -> None:
    server.backend.hold()
    server.backend.let(1)
    job = submit(http, recording)["id"]
    with http.stream("GET", f"{JOBS}/{job}/events") as answer:
        told = events(answer)
        next(told)
        httpx.delete(f"{server.url}{JOBS}/{job}")
        _, name, _ = next(told)
        assert name in ("error", "cancelled")
        assert list(told) == []


def test_a_request_may_not_wait_for_ever(serve: Serve, recording: bytes) -> None:
    server = serve(sync_timeout=0.2)
    server.backend.hold()
    answer = httpx.post(server.url + "/v1/audio/transcriptions", files={"file": recording})
    assert code(answer) == (504, "deadline_exceeded")
    assert "/v1/transcription-jobs" in answer.json()["error"]["message"]
    job = server.backend.job(answer.headers["x-harken-job"])
    until(lambda: server.backend.job(job.id).state.value == "cancelled")


def test_streams_are_refused_for_jobs(http: httpx.Client, recording: bytes) -> None:
    answer = http.post(JOBS, files={"file": recording}, data={"stream": "true"})
    assert code(answer) == (400, "invalid_option")
    assert answer.json()["error"]["param"] == "stream"
