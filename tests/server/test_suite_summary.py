# SPDX-License-Identifier: Apache-2.0
"""Summaries over HTTP: every documented field, what clients send wrong, and jobs of other doors."""

from __future__ import annotations

import contextlib
import json
import socket
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.server.conftest import PATIENCE, until
from tests.server.test_suite import problem, start, typed

from harken.errors import TextUnavailable
from harken.model import JobState
from harken.server import bodies
from harken.server.dialects.suite import given
from harken.server.dialects.suite.schema import SuiteDebug
from harken.server.dialects.suite.text_schema import SuiteSummary, SuiteSummaryStarted, SuiteSummaryStatus
from harken.service import EVERYONE

if TYPE_CHECKING:
    from tests.server.conftest import Running, Serve

SAID = [
    {"start": 0.0, "end": 4.0, "text": "We ship the red boat in June.", "speaker": "Anna"},
    {"start": 4.0, "end": 9.0, "text": "The harbour master wants twelve crates of oranges.", "speaker": "Bo"},
    {"start": 9.0, "end": 12.0, "text": "Then we sail to Lisbon before the storm.", "speaker": None},
]
FULL = " ".join(str(segment["text"]) for segment in SAID)


def ask(server: Running, body: dict[str, Any] | None = None, path: str = "/api/summary/", **how: Any) -> httpx.Response:
    how = how if body is None else {"json": body, **how}
    return httpx.post(server.url + path, timeout=PATIENCE, **how)


def begin(server: Running, body: dict[str, Any], **how: Any) -> str:
    answer = ask(server, body, **how)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    SuiteSummaryStarted.model_validate(told, strict=True, extra="forbid")
    typed(told, {"job_id": str, "status": str, "message": str})
    assert answer.headers["x-harken-job"] == told["job_id"]
    return str(told["job_id"])


def status(server: Running, job: str) -> dict[str, Any]:
    told: dict[str, Any] = httpx.get(f"{server.url}/api/summary/status/{job}").json()
    SuiteSummaryStatus.model_validate(told, strict=True, extra="forbid")
    return told


def result(server: Running, job: str) -> dict[str, Any]:
    until(lambda: status(server, job)["status"] != "processing")
    answer = httpx.get(f"{server.url}/api/summary/{job}")
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    SuiteSummary.model_validate(told, strict=True, extra="forbid")
    typed(told, {"summary": str, "topics": list, "length": int, "model_used": str})
    return told


def test_a_summary_from_start_to_result(server: Running) -> None:
    server.backend.texts.held.set()
    answer = ask(server, {"transcript": SAID, "model_name": "gpt-3.5-turbo", "max_length": 500, "format": "paragraph"})
    assert answer.json()["status"] == "processing"
    job = answer.json()["job_id"]
    told = until(lambda: (now := status(server, job))["progress"] and now)
    assert told == {"status": "processing", "message": "Writing the summary (50%)", "progress": 50}
    assert "not done yet" in problem(httpx.get(f"{server.url}/api/summary/{job}"), 409)
    server.backend.texts.held.clear()
    found = result(server, job)
    assert status(server, job) == {"status": "completed", "message": "Summary completed", "progress": 100}
    assert "red boat" in found["summary"]
    assert found["length"] == len(found["summary"].split())
    assert (found["model_used"], found["generated"], found["warnings"]) == ("extractive", False, [])
    assert {"index": 0, "start": 0.0, "end": 4.0} in found["sources"]


def test_every_format_holds_its_length(server: Running) -> None:
    for form in ("paragraph", "bullet_points", "key_points"):
        found = result(server, begin(server, {"transcript": SAID, "format": form, "max_length": 14}))
        assert 0 < found["length"] <= 14
        assert len(found["summary"].split()) == found["length"]


@pytest.mark.parametrize("path", ["/api/summary", "/api/summary/"])
def test_both_addresses_take_a_full_text(server: Running, path: str) -> None:
    answer = ask(server, {"full_text": FULL, "transcript": None, "max_length": None, "format": None}, path)
    assert answer.status_code == 200, answer.text
    found = result(server, answer.json()["job_id"])
    assert "boat" in found["summary"]
    assert found["sources"]
    assert all((source["start"], source["end"]) == (None, None) for source in found["sources"])


def test_segments_in_any_order_are_read_in_that_of_time(server: Running) -> None:
    found = result(server, begin(server, {"transcript": SAID[::-1], "max_length": 100}))
    places = [found["summary"].index(word) for word in ("boat", "oranges", "Lisbon")]
    assert places == sorted(places)
    assert [source["start"] for source in found["sources"]] == [0.0, 4.0, 9.0]


def test_unknown_fields_are_told(server: Running) -> None:
    said = [{**SAID[0], "mood": "glad", "words": [], "start_display": "0"}, {**SAID[1], "mood": "sad"}]
    body = {"transcript": said, "colour": "red", "\x00" * 300: 1, **{f"x{number}": 1 for number in range(100)}}
    answer = ask(server, body)
    warnings = answer.json()["warnings"]
    assert warnings[0] == "the field 'colour' is not known here and was ignored"
    assert len(warnings) <= 20
    assert max(map(len, warnings)) < 600
    told = result(server, begin(server, {"transcript": said}))["warnings"]
    assert told == ["the field 'transcript[].mood' is not known here and was ignored"]


def test_results_of_ours_can_be_sent_as_they_are(server: Running) -> None:
    job = start(server, diarize="true")
    until(lambda: httpx.get(f"{server.url}/api/transcribe/status/{job}").json()["status"] == "completed")
    transcript = httpx.get(f"{server.url}/api/transcribe/result/{job}").json()
    answer = ask(server, {"transcript": transcript["segments"], "full_text": transcript["text"]})
    assert "warnings" not in answer.json()
    assert "Zoë" in result(server, answer.json()["job_id"])["summary"]


BAD: list[tuple[bytes | dict[str, Any], str]] = [
    ({}, "transcript or full_text"),
    ({"transcript": [], "full_text": ""}, "transcript or full_text"),
    ({"transcript": [{"start": 0, "end": 1, "text": "  "}]}, "transcript or full_text"),
    ({"transcript": "hello"}, "transcript: "),
    ({"transcript": {"segments": SAID}}, "transcript: "),
    ({"transcript": [7]}, "transcript[0]: "),
    ({"transcript": [SAID[0], {"end": 1.0, "text": "a"}]}, "transcript[1].start: "),
    ({"transcript": [{"start": 2, "end": 1, "text": "a"}]}, "transcript[0].end"),
    ({"transcript": [{"start": -1, "end": 1, "text": "a"}]}, "transcript[0].start"),
    ({"transcript": [{"start": True, "end": 1, "text": "a"}]}, "transcript[0].start"),
    ({"transcript": [{"start": "0", "end": 1, "text": "a"}]}, "transcript[0].start"),
    ({"transcript": [{"start": 0, "end": 1, "text": None}]}, "transcript[0].text"),
    ({"transcript": [{"start": 0, "end": 10**300, "text": "a"}]}, "transcript[0].end"),
    ({"transcript": [{"start": 0, "end": 1, "text": "a", "speaker": 7}]}, "transcript[0].speaker"),
    ({"transcript": [{"start": 0, "end": 1, "text": "a", "speaker": "x" * 101}]}, "transcript[0].speaker"),
    ({"full_text": 7}, "full_text: "),
    ({"full_text": "a " * 1_000_001}, "full_text: "),
    ({"full_text": FULL, "format": "sonnet"}, "format: "),
    ({"full_text": FULL, "format": ["paragraph"]}, "format: "),
    ({"full_text": FULL, "max_length": 0}, "max_length: "),
    ({"full_text": FULL, "max_length": "500"}, "max_length: "),
    ({"full_text": FULL, "max_length": 10**30}, "max_length: "),
    ({"full_text": FULL, "model_name": "gpt-9"}, "'gpt-9'"),
    ({"full_text": FULL, "model_name": 4}, "model_name: "),
    (b'{"full_text": "a", "max_length": NaN}', "max_length: "),
    (b'{"transcript": [{"start": NaN, "end": Infinity, "text": "a"}]}', "transcript[0].start"),
    (b'{"transcript": [{"start": 0, "end": 1e999, "text": "a"}]}', "transcript[0].end"),
    (b'{"max_length": ' + b"9" * 100_000 + b"}", "JSON"),
    (b'{"full_text": "\\ud800"}', "JSON"),
    (b'{"full_text": "\xed\xa0\x80"}', "JSON"),
    (b'{"full_text": "\xff"}', "JSON"),
    (b'{"x": ' + b"[" * 100_000, "JSON"),
    (b'{"x": ' + b'{"x": ' * 100_000, "JSON"),
    (b"[1]", "JSON object"),
    (b"null", "JSON object"),
    (b"full_text=hello", "JSON"),
    (b"{", "JSON"),
    (b"", "transcript or full_text"),
]


def test_what_cannot_be_summarised_is_refused_by_name(server: Running) -> None:
    for body, told in BAD:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        assert told in problem(ask(server, content=content), 400), content[:100]
    assert not server.backend.submissions


def test_bodies_have_an_end(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(given, "MOST_BYTES", 100_000)
    assert "100000 bytes" in problem(ask(server, {"full_text": "a " * 60_000}), 413)
    pieces = (b" " * 10_000 for _ in range(100))
    assert "100000 bytes" in problem(ask(server, content=pieces), 413), (
        "nor does it matter that it does not say how long it is"
    )
    result(server, begin(server, {"full_text": "boats sail. " * 8_000}))


def test_transcripts_have_an_end(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    values = b'{"x": [' + b"[]," * 600_000 + b"[]]}"
    assert "1000000 values" in problem(ask(server, content=values), 413)
    assert "20000 items" in problem(ask(server, {"transcript": [SAID[0]] * 20_001}), 413)
    monkeypatch.setattr(given, "MOST_SEGMENTS", 3)
    assert "3 sentences" in problem(ask(server, {"full_text": FULL + " And so on."}), 413)
    assert not server.backend.submissions
    begin(server, {"transcript": SAID, "full_text": FULL})


def test_speakers_are_there_through_other_doors(server: Running) -> None:
    job = begin(server, {"transcript": SAID})
    result(server, job)
    found = httpx.get(f"{server.url}/api/transcribe/result/{job}").json()
    assert [segment["speaker"] for segment in found["segments"]] == ["Anna", "Bo", None]
    assert found["text"] == FULL
    full = httpx.get(f"{server.url}/v1/transcription-jobs/{job}/result").json()
    assert full["text"] == FULL


def test_a_body_that_stalls_is_given_up(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "IDLE_SECONDS", 0.1)
    with contextlib.closing(socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)) as connection:
        connection.sendall(b"POST /api/summary/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{")
        assert connection.recv(4096).startswith(b"HTTP/1.1 408")


def test_a_summary_that_fails(server: Running) -> None:
    server.backend.unwritten = TextUnavailable("the model at localhost does not answer")
    job = begin(server, {"full_text": FULL})
    until(lambda: status(server, job)["status"] == "failed")
    assert status(server, job) == {
        "status": "failed",
        "message": "the model at localhost does not answer",
        "progress": 0,
    }
    assert problem(httpx.get(f"{server.url}/api/summary/{job}"), 500) == "the model at localhost does not answer"
    server.backend.unwritten = None
    (stage,) = server.backend.stages.stages(job)
    again = httpx.post(f"{server.url}/v1/transcription-jobs/{job}/stages/{stage.id}/retry")
    assert again.status_code == 202, again.text
    assert "boat" in result(server, job)["summary"], "the latest summary is the one that counts"


def test_a_summary_is_cancelled_by_the_other_door(server: Running) -> None:
    server.backend.texts.held.set()
    job = begin(server, {"full_text": FULL})
    (stage,) = server.backend.stages.stages(job)
    answer = httpx.post(f"{server.url}/v1/transcription-jobs/{job}/stages/{stage.id}/cancel")
    assert answer.status_code == 200, answer.text
    assert status(server, job) == {"status": "failed", "message": "The summary was cancelled", "progress": 50}
    assert "cancelled" in problem(httpx.get(f"{server.url}/api/summary/{job}"), 500)


def test_jobs_without_a_summary(server: Running) -> None:
    recording = start(server)
    for job in (recording, "00000000-0000-0000-0000-000000000000", "nonsense", "status"):
        for path in (f"/api/summary/{job}", f"/api/summary/status/{job}"):
            problem(httpx.get(server.url + path), 404)


def test_a_recording_whose_summary_was_asked_for_is_read_here(server: Running, recording: bytes) -> None:
    job = start(server)
    until(lambda: server.backend.job(job).state is JobState.COMPLETED)
    jobs = f"{server.url}/v1/transcription-jobs/{job}"
    question = {"messages": [{"role": "user", "content": "Who is Zoë?"}]}
    assert httpx.post(f"{jobs}/chat", json=question).status_code == 202
    until(lambda: all(stage.state.ended for stage in server.backend.stages.stages(job)))
    problem(httpx.get(f"{server.url}/api/summary/{job}"), 404)
    answer = httpx.post(f"{jobs}/summary", json={"max_length": 20})
    assert answer.status_code == 202, answer.text
    assert "Zoë" in result(server, job)["summary"]


def test_debug_of_a_summary(server: Running) -> None:
    job = begin(server, {"transcript": SAID})
    until(lambda: server.service.stages(job, EVERYONE)[0].state is JobState.COMPLETED)
    told = httpx.get(f"{server.url}/api/transcribe/debug/{job}").json()
    SuiteDebug.model_validate(told, strict=True, extra="forbid")
    assert (told["lane"], told["stages"][0]["kind"], told["audio_kept"]) == ("text", "summarise", False)


def test_the_same_key_gives_the_same_summary(server: Running) -> None:
    key: dict[str, Any] = {"headers": {"Idempotency-Key": "k"}}
    job = begin(server, {"full_text": FULL}, **key)
    result(server, job)
    again = ask(server, {"full_text": FULL}, **key).json()
    assert (again["job_id"], again["status"]) == (job, "completed")
    problem(ask(server, {"full_text": FULL, "max_length": 3}, **key), 422)
    problem(ask(server, {"full_text": FULL}, headers={"Idempotency-Key": "k" * 256}), 400)


def test_summaries_are_their_owners(serve: Serve) -> None:
    server = serve(api_keys=("one", "two"))
    mine, yours = ({"Authorization": f"Bearer {key}"} for key in ("one", "two"))
    job = begin(server, {"full_text": FULL}, headers=mine)
    assert httpx.get(f"{server.url}/api/summary/status/{job}", headers=mine).status_code == 200
    problem(httpx.get(f"{server.url}/api/summary/status/{job}", headers=yours), 404)
    problem(httpx.get(f"{server.url}/api/summary/{job}", headers=yours), 404)
    problem(ask(server, {"full_text": FULL}), 401)
