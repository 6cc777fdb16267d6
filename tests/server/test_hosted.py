# SPDX-License-Identifier: Apache-2.0
"""The hosted dialect over HTTP, with an engine that does as the test says."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.server.conftest import PATIENCE, TEXT, until
from tests.server.test_uploads import HEAD, part

from harken.asr.languages import LANGUAGES
from harken.errors import CorruptMedia, NotEnoughCredits, TextUnavailable
from harken.model import Job, JobState, Summarise, TextResult
from harken.server.dialects.hosted.schema import (
    HostedAccepted,
    HostedError,
    HostedLanguages,
    HostedList,
    HostedResult,
)

if TYPE_CHECKING:
    from tests.server.conftest import Running, Serve

TRANSCRIBE = "/api/v1/transcribe/"
NOBODY = "a1b2c3d4-e5f6-7890-abcd-ef1234567890"
COMPLETED = {
    "id", "status", "transcript", "duration_seconds", "language", "model", "credits_used", "speakers", "summary",
    "topics", "warnings",
}  # fmt: skip


@pytest.fixture
def http(server: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=PATIENCE) as client:
        yield client


def strict(kind: Any, answer: httpx.Response) -> dict[str, Any]:
    """The body of an answer that is as documented, to the last field."""
    told: dict[str, Any] = answer.json()
    kind.model_validate(told, strict=True, extra="forbid")
    return told


def start(http: httpx.Client, recording: bytes, **fields: Any) -> str:
    answer = http.post(TRANSCRIBE, files={"file": ("talk.wav", recording)}, data=fields)
    assert answer.status_code == 202, answer.text
    told = strict(HostedAccepted, answer)
    assert answer.headers["location"] == f"{TRANSCRIBE}{told['id']}/"
    assert answer.headers["x-harken-job"] == told["id"]
    job_id: str = told["id"]
    return job_id


def look(http: httpx.Client, job_id: str, **query: str) -> dict[str, Any]:
    answer = http.get(f"{TRANSCRIBE}{job_id}/", params=query)
    assert answer.status_code == 200, answer.text
    return strict(HostedResult, answer)


def ended(http: httpx.Client, job_id: str, **query: str) -> dict[str, Any]:
    return until(lambda: told if (told := look(http, job_id, **query))["status"] != "processing" else None)


def refused(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, strict(HostedError, answer)["error"]


def asked(server: Running) -> Job:
    return server.backend.submissions[-1].job


def test_a_recording(http: httpx.Client, recording: bytes) -> None:
    told = ended(http, start(http, recording))
    assert set(told) == COMPLETED
    assert (told["status"], told["transcript"], told["language"], told["model"]) == ("completed", TEXT, "en", "base")
    assert (told["duration_seconds"], told["credits_used"]) == (3.0, 0.05), "a minute is a credit"
    assert (told["speakers"], told["summary"], told["topics"], told["warnings"]) == ([], None, [], [])


def test_how_far_it_is(http: httpx.Client, server: Running, recording: bytes) -> None:
    server.backend.hold()
    job_id = start(http, recording)
    assert look(http, job_id) == {"id": job_id, "status": "processing", "progress": 0}, "a job that waits, too"
    server.backend.let(1)
    told = until(lambda: one if (one := look(http, job_id))["progress"] else None)
    assert told == {"id": job_id, "status": "processing", "progress": 40}
    server.backend.go()
    assert "progress" not in ended(http, job_id)


def test_segments(http: httpx.Client, recording: bytes) -> None:
    told = ended(http, start(http, recording, diarization="true"), segments="true")
    assert set(told) == COMPLETED | {"segments"}
    first, last = told["segments"]
    assert first == {
        "start": 0.0, "end": 1.15, "text": "Hello there, Zoë", "speaker": "Speaker 1", "confidence": 0.9,
    }  # fmt: skip
    assert (last["text"], last["speaker"]) == ("how are <you>?", "Speaker 2")
    assert told["speakers"] == [
        {"id": "SPEAKER_00", "label": "Speaker 1", "speaking_time": 1.2},
        {"id": "SPEAKER_01", "label": "Speaker 2", "speaking_time": 1.6},
    ]


def test_times_that_are_wanted_and_that_are_not(http: httpx.Client, server: Running, recording: bytes) -> None:
    (first, _) = ended(http, start(http, recording, timestamps="false"), segments="1")["segments"]
    assert set(first) == {"text", "speaker", "confidence"}
    assert not asked(server).options.without_timestamps, "that would cost quality"
    (first, _) = ended(http, start(http, recording, word_timestamps="true"), segments="true")["segments"]
    assert [word["word"] for word in first["words"]] == ["Hello", "there,", "Zoë"]
    assert first["words"][0] == {"start": 0.0, "end": 0.35, "word": "Hello", "speaker": None, "confidence": 0.9}


@pytest.mark.parametrize(
    "vocabulary", ['["Čapek", "R.U.R., a play"]', " Čapek ,R.U.R.", ["Čapek", "R.U.R."]], ids=["JSON", "commas", "many"]
)
def test_every_field_of_a_form(http: httpx.Client, server: Running, recording: bytes, vocabulary: Any) -> None:
    start(
        http,
        recording,
        model="whisper-large-v3",
        language="Spanish",
        diarization="true",
        timestamps="true",
        word_timestamps="true",
        summary="true",
        vocabulary=vocabulary,
        webhook_url="https://yourapp.com/transcription-complete",
    )
    job = asked(server)
    second = "R.U.R., a play" if isinstance(vocabulary, str) and "[" in vocabulary else "R.U.R."
    assert job.options.vocabulary == ("Čapek", second)
    assert (job.options.model, job.options.language) == ("large-v3", "es")
    assert (job.options.diarize, job.options.word_timestamps) == (True, True)
    assert (job.options.summary, job.webhook) == (
        Summarise(model="extractive"),
        "https://yourapp.com/transcription-complete",
    )


def test_every_field_of_a_url(http: httpx.Client, server: Running) -> None:
    fields = {
        "url": "https://www.youtube.com/watch?v=dQw4w9WgXcQ",
        "model": "whisper-turbo",
        "language": None,
        "diarization": True,
        "timestamps": False,
        "word_timestamps": True,
        "summary": True,
        "vocabulary": ["Čapek", "R.U.R., a play"],
        "webhook_url": "https://yourapp.com/transcription-complete",
    }
    answer = http.post(TRANSCRIBE + "url/", json=fields)
    assert answer.status_code == 202
    told = strict(HostedAccepted, answer)
    assert (told["status"], told["estimated_credits"]) == ("processing", None), "nobody knows how long it is"
    job = asked(server)
    assert (job.id, job.source, job.webhook) == (told["id"], fields["url"], fields["webhook_url"])
    assert (job.options.model, job.options.language) == ("large-v3-turbo", None)
    assert (job.options.diarize, job.options.word_timestamps, job.view) == (True, True, {"timestamps": False})
    assert job.options.vocabulary == ("Čapek", "R.U.R., a play")
    assert job.options.summary is not None
    form = http.post(TRANSCRIBE + "url", data={"url": "https://example.com/a.mp3", "vocabulary": "one, two"})
    assert form.status_code == 202
    assert asked(server).options.vocabulary == ("one", "two")


@pytest.mark.parametrize(
    ("fields", "code", "named"),
    [
        ({"model": "gpt-9"}, "model_not_found", "gpt-9"),
        ({"language": "Klingon"}, "language_not_found", "Klingon"),
        ({"diarization": "perhaps"}, "invalid_option", "diarization"),
        ({"timestamps": "2"}, "invalid_option", "timestamps"),
        ({"summary": "x"}, "invalid_option", "summary"),
        ({"vocabulary": '["a"'}, "invalid_option", "vocabulary"),
        ({"vocabulary": "[1]"}, "invalid_option", "vocabulary"),
        ({"webhook_url": "https://private.example.com"}, "url_refused", "webhook_url"),
        ({"language": "de", "model": "base.en"}, "invalid_option", "English only"),
    ],
)
def test_fields_that_are_refused(
    http: httpx.Client, server: Running, recording: bytes, fields: dict[str, str], code: str, named: str
) -> None:
    for answer in (
        http.post(TRANSCRIBE, files={"file": ("talk.wav", recording)}, data=fields),
        http.post(TRANSCRIBE + "url/", json={"url": "https://example.com/a.mp3", **fields}),
    ):
        assert refused(answer) == (400, code)
        assert named in answer.json()["message"]
    assert not server.backend.submissions
    assert not server.backend.keys()
    server.clean()


@pytest.mark.parametrize(("field", "value"), [("webhook_url", "https://private.example.com"), ("model", "gpt-9")])
def test_a_field_that_is_refused_costs_no_upload(server: Running, field: str, value: str) -> None:
    """Most of the recording is announced and never sent."""
    content = part(field, value.encode()) + part("file", bytes(2**20), "a.wav")
    head = f"POST {TRANSCRIBE} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000000\r\n"
    with contextlib.closing(socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)) as connection:
        connection.sendall(f"{head}Content-Type: {HEAD['Content-Type']}\r\n\r\n".encode() + content)
        assert connection.recv(12) == b"HTTP/1.1 400"
    server.clean()


def test_bodies_that_are_refused(http: httpx.Client, server: Running, recording: bytes) -> None:
    url = TRANSCRIBE + "url/"
    assert refused(http.post(TRANSCRIBE, files={"x": (None, "y")})) == (400, "invalid_option")
    assert refused(http.post(TRANSCRIBE, json={"file": "x"})) == (415, "not_media")
    assert refused(http.post(TRANSCRIBE, files={"file": ("a.mp3", b"no music")})) == (415, "not_media")
    assert refused(http.post(url, content=b"{")) == (400, "invalid_request")
    assert refused(http.post(url, json=["https://example.com/a.mp3"])) == (400, "invalid_request")
    for told in ({}, {"url": ""}, {"url": None}, {"diarization": True}):
        assert refused(http.post(url, json=told)) == (400, "invalid_option")
    assert refused(http.post(url, json={"url": "https://private.example.com/a.mp3"})) == (400, "url_refused")
    assert not server.backend.submissions


def test_what_is_not_known_is_told(http: httpx.Client, recording: bytes) -> None:
    warning = "the field 'colour' is not known here and was ignored"
    answer = http.post(TRANSCRIBE, files={"file": ("talk.wav", recording)}, data={"colour": "red"})
    assert strict(HostedAccepted, answer)["warnings"] == [warning]
    assert ended(http, answer.json()["id"])["warnings"] == [warning]
    answer = http.post(TRANSCRIBE + "url/", json={"url": "https://example.com/a.mp3", "colour": "red"})
    assert strict(HostedAccepted, answer)["warnings"] == [warning]


def test_a_summary(http: httpx.Client, recording: bytes) -> None:
    told = ended(http, start(http, recording, summary="true"))
    assert told["summary"]
    assert isinstance(told["topics"], list)
    assert told["warnings"] == []


def test_a_summary_that_fails_costs_no_transcript(http: httpx.Client, server: Running, recording: bytes) -> None:
    server.backend.unwritten = TextUnavailable("nobody answers")
    told = ended(http, start(http, recording, summary="true"))
    assert (told["status"], told["transcript"], told["summary"], told["topics"]) == ("completed", TEXT, None, [])
    assert any("nobody answers" in warning for warning in told["warnings"])
    server.backend.unwritten = None
    (stage,) = http.get(f"/v1/transcription-jobs/{told['id']}").json()["stages"]
    again = http.post(f"/v1/transcription-jobs/{told['id']}/stages/{stage['id']}/retry")
    assert again.status_code in (200, 202), again.text
    until(lambda: look(http, told["id"])["summary"])


def test_what_to_know_of_a_summary_is_told_and_the_latest_counts(
    http: httpx.Client, server: Running, recording: bytes
) -> None:
    job_id = start(http, recording, summary="true")
    ended(http, job_id)
    (stage,) = server.backend.stages.stages(job_id)
    made = TextResult("Newer.", "m", True, topics=("news",), warnings=("nobody said Diane",))
    for number, text in enumerate((None, made, None), 1):
        state = JobState.FAILED if text is None else JobState.COMPLETED
        again = replace(stage, id=str(number), created=stage.created + number, state=state, result=text)
        server.backend.stages.kept[again.id] = again
    told = look(http, job_id)
    assert (told["summary"], told["topics"], told["warnings"]) == ("Newer.", ["news"], ["nobody said Diane"])


def test_speakers_are_named_for_every_door(http: httpx.Client, recording: bytes) -> None:
    job_id = start(http, recording, diarization="true")
    ended(http, job_id)
    where = f"{TRANSCRIBE}{job_id}/"
    answer = http.patch(where, json={"speakers": {"SPEAKER_00": "Host", "SPEAKER_01": "Zoë Ünal"}})
    assert answer.status_code == 200
    told = strict(HostedResult, answer)
    assert [one["label"] for one in told["speakers"]] == ["Host", "Zoë Ünal"]
    assert set(told) == COMPLETED
    assert [one["speaker"] for one in look(http, job_id, segments="true")["segments"]] == ["Host", "Zoë Ünal"]
    assert [one["speaker"] for one in http.get(f"/api/transcribe/result/{job_id}").json()["segments"]] == [
        "Host",
        "Zoë Ünal",
    ]
    srt = http.get(f"/v1/transcription-jobs/{job_id}/result", params={"response_format": "srt"}).text
    assert "[Host]: Hello there" in srt
    http.patch(where.removesuffix("/"), json={"speakers": {"SPEAKER_00": None}})
    assert [one["label"] for one in look(http, job_id)["speakers"]] == ["Speaker 1", "Zoë Ünal"]


def test_names_that_are_refused(http: httpx.Client, server: Running, recording: bytes) -> None:
    job_id = start(http, recording, diarization="true")
    before = ended(http, job_id)
    where = f"{TRANSCRIBE}{job_id}/"
    for body, code in (
        ({"speakers": {"SPEAKER_09": "Host"}}, "invalid_option"),
        ({"speakers": {"SPEAKER_00": ""}}, "invalid_option"),
        ({"speakers": {"SPEAKER_00": "a\nb"}}, "invalid_option"),
        ({"speakers": {"SPEAKER_00": 7}}, "invalid_option"),
        ({"speakers": ["Host"]}, "invalid_option"),
        ({"speaker": {"SPEAKER_00": "Host"}}, "invalid_option"),
        ({}, "invalid_option"),
        ([], "invalid_request"),
    ):
        assert refused(http.patch(where, json=body)) == (400, code), body
    assert refused(http.patch(where, content=b"{")) == (400, "invalid_request")
    assert look(http, job_id) == before
    assert refused(http.patch(f"{TRANSCRIBE}{NOBODY}/", json={"speakers": {}})) == (404, "job_not_found")
    server.backend.hold()
    job_id = start(http, recording)
    assert refused(http.patch(f"{TRANSCRIBE}{job_id}/", json={"speakers": {}})) == (409, "job_not_finished")


def test_known_voices_have_their_names(http: httpx.Client, server: Running, recording: bytes) -> None:
    server.backend.named = lambda people, _: replace(
        people, speakers=(people.speakers[0], replace(people.speakers[1], name="Ada"))
    )
    told = ended(http, start(http, recording, diarization="true"))
    assert [one["label"] for one in told["speakers"]] == ["Speaker 1", "Ada"]


def test_a_job_that_failed(http: httpx.Client, server: Running, recording: bytes) -> None:
    server.backend.failure = CorruptMedia("it breaks off at 1 s")
    job_id = start(http, recording)
    assert ended(http, job_id) == {
        "id": job_id, "status": "failed", "error": "corrupt_media", "error_message": "it breaks off at 1 s",
    }  # fmt: skip
    (told,) = http.get(TRANSCRIBE).json()["transcriptions"]
    assert (told["status"], told["error"], told["error_message"]) == ("failed", "corrupt_media", "it breaks off at 1 s")


def test_a_job_that_was_cancelled_elsewhere(http: httpx.Client, server: Running, recording: bytes) -> None:
    server.backend.hold()
    job_id = start(http, recording)
    http.post(f"/v1/transcription-jobs/{job_id}/cancel")
    told = ended(http, job_id)
    assert (told["status"], told["error"]) == ("failed", "job_cancelled")


def test_a_job_is_removed_whole(http: httpx.Client, server: Running, recording: bytes) -> None:
    job_id = start(http, recording)
    ended(http, job_id)
    assert server.backend.keys() == {job_id}
    answer = http.delete(f"{TRANSCRIBE}{job_id}/")
    assert (answer.status_code, answer.content) == (204, b"")
    assert not server.backend.keys()
    for gone in (
        http.get(f"{TRANSCRIBE}{job_id}/"),
        http.delete(f"{TRANSCRIBE}{job_id}"),
        http.patch(f"{TRANSCRIBE}{job_id}/", json={"speakers": {}}),
    ):
        assert refused(gone) == (404, "job_not_found")
    assert http.get(f"/v1/transcription-jobs/{job_id}").status_code == 404
    server.backend.hold()
    running = start(http, recording)
    assert http.delete(f"{TRANSCRIBE}{running}").status_code == 204
    assert not server.backend.keys()


@pytest.mark.parametrize("job_id", [NOBODY, "nonsense", "%00", "a/b"])
def test_what_is_not_there(http: httpx.Client, job_id: str) -> None:
    for path in (f"{TRANSCRIBE}{job_id}/", f"{TRANSCRIBE}{job_id}"):
        assert http.get(path).status_code == 404
        assert set(http.get(path).json()) == {"error", "message"}
    answer = http.put(f"{TRANSCRIBE}{NOBODY}/")
    assert (answer.status_code, set(answer.json())) == (405, {"error", "message"})
    assert {method.strip() for method in answer.headers["allow"].split(",")} == {"GET", "PATCH", "DELETE"}


def test_the_list(http: httpx.Client, server: Running, recording: bytes) -> None:
    ids = [start(http, recording) for _ in range(3)]
    elsewhere = http.post("/v1/transcription-jobs", files={"file": ("other.wav", recording)}).json()["id"]
    first = strict(HostedList, http.get(TRANSCRIBE, params={"limit": 2}))
    rest = strict(HostedList, http.get(TRANSCRIBE, params={"limit": 2, "cursor": first["next_cursor"]}))
    told = [*first["transcriptions"], *rest["transcriptions"]]
    assert [one["id"] for one in told] == [elsewhere, *reversed(ids)]
    assert rest["next_cursor"] is None
    assert [one["filename"] for one in told] == ["other.wav", *["talk.wav"] * 3]
    http.post(TRANSCRIBE + "url/", json={"url": "https://example.com/a.mp3"})
    newest = strict(HostedList, http.get(TRANSCRIBE, params={"limit": 1}))["transcriptions"][0]
    assert newest["url"] == "https://example.com/a.mp3"
    assert refused(http.get(TRANSCRIBE, params={"limit": 0})) == (400, "invalid_option")


def test_languages(http: httpx.Client) -> None:
    told = strict(HostedLanguages, http.get("/api/v1/languages/"))["languages"]
    assert told[0] == {"code": "", "name": "Auto-detect"}
    assert {one["code"] for one in told[1:]} == set(LANGUAGES)
    assert {"code": "ht", "name": "Haitian Creole"} in told
    names = [one["name"] for one in told[1:]]
    assert names == sorted(names)


def test_no_address_redirects(http: httpx.Client, recording: bytes) -> None:
    """A client that follows a redirect of a POST sends its recording twice, or not at all."""
    paths = {path: item for path, item in http.get("/openapi.json").json()["paths"].items() if path[:8] == "/api/v1/"}
    assert len(paths) == 8
    for path, operations in paths.items():
        assert path.endswith("/")
        for method in operations:
            for address in (path, path.removesuffix("/")):
                where = address.replace("{job_id}", NOBODY).replace("{delivery_id}", NOBODY)
                answer = http.request(method, where, follow_redirects=False)
                assert answer.status_code in (200, 400, 404, 415), (method, where)
    answer = http.post(TRANSCRIBE.removesuffix("/"), files={"file": ("talk.wav", recording)}, follow_redirects=False)
    assert answer.status_code == 202


def test_the_same_request_again(http: httpx.Client, server: Running, recording: bytes) -> None:
    def send(seconds: bytes, **fields: str) -> httpx.Response:
        return http.post(TRANSCRIBE, files={"file": seconds}, data=fields, headers={"Idempotency-Key": "one"})

    first = send(recording).json()
    ended(http, first["id"])
    assert send(recording).json() == {**first, "status": "completed"}
    assert refused(send(recording, language="de")) == (422, "idempotency_conflict")
    assert refused(send(recording, timestamps="false")) == (422, "idempotency_conflict")
    for url, expected in (("https://a.com/1.mp3", 202), ("https://a.com/1.mp3", 202), ("https://a.com/2.mp3", 422)):
        answer = http.post(TRANSCRIBE + "url/", json={"url": url}, headers={"Idempotency-Key": "two"})
        assert answer.status_code == expected
    assert len(server.backend.submissions) == 2


def test_one_job_through_any_door(http: httpx.Client, recording: bytes) -> None:
    files = {"file": ("talk.wav", recording)}
    theirs = {
        "openai": http.post("/v1/transcription-jobs", files=files, data={"diarize": "true"}).json()["id"],
        "suite": http.post("/api/transcribe/", files=files).json()["job_id"],
        "audio": http.post("/api/audio/process", files=files, data={"async_mode": "1"}).json()["job_id"],
    }
    for door, job_id in theirs.items():
        told = ended(http, job_id, segments="true")
        assert (told["transcript"], len(told["speakers"])) == (TEXT, 2), door
        assert told["segments"][0]["start"] == 0.0
    mine = start(http, recording, diarization="true", timestamps="false", webhook_url="https://a.com/hook")
    ended(http, mine)
    assert http.get(f"/v1/transcription-jobs/{mine}/result").json()["text"] == TEXT
    assert http.get(f"/api/transcribe/result/{mine}").json()["text"] == TEXT
    assert http.get(f"/api/audio/status/{mine}").json()["transcript"] == TEXT


def test_credits_that_do_not_suffice(http: httpx.Client, server: Running, recording: bytes) -> None:
    message = "You have 10 credits remaining but this transcription requires 30 credits."

    def submit(_: object) -> object:
        raise NotEnoughCredits(message)

    server.backend.submit = submit  # type: ignore[assignment, method-assign]
    for answer in (
        http.post(TRANSCRIBE, files={"file": ("talk.wav", recording)}),
        http.post(TRANSCRIBE + "url/", json={"url": "https://example.com/a.mp3"}),
    ):
        assert answer.status_code == 402
        assert answer.json() == {"error": "insufficient_credits", "message": message}
    assert not server.backend.keys(), "nothing is left behind"


def test_estimates(http: httpx.Client, recording: bytes) -> None:
    answer = http.post(TRANSCRIBE, files={"file": ("talk.wav", recording)}, data={"diarization": "1", "summary": "1"})
    assert answer.json()["estimated_credits"] == 0.05


def test_keys(serve: Serve, recording: bytes) -> None:
    server = serve(api_keys=("mine", "yours"))
    with httpx.Client(base_url=server.url, timeout=PATIENCE) as http:
        answer = http.post(TRANSCRIBE, files={"file": ("talk.wav", recording)})
        assert refused(answer) == (401, "invalid_api_key")
        assert answer.headers["www-authenticate"] == "Bearer"
        http.headers["Authorization"] = "Bearer mine"
        job_id = start(http, recording)
        ended(http, job_id)
        http.headers["Authorization"] = "Bearer yours"
        where = f"{TRANSCRIBE}{job_id}/"
        for answer in (http.get(where), http.delete(where), http.patch(where, json={"speakers": {}})):
            assert refused(answer) == (404, "job_not_found")
        assert http.get(TRANSCRIBE).json()["transcriptions"] == []


def test_state_of_a_job_whose_transcript_is_long(http: httpx.Client, recording: bytes) -> None:
    """The body is JSON in UTF-8, and small enough for a phone line without the segments."""
    answer = http.get(f"{TRANSCRIBE}{ended(http, start(http, recording))['id']}/")
    assert answer.headers["content-type"] == "application/json"
    assert "Zoë" in json.loads(answer.content)["transcript"]
