# SPDX-License-Identifier: Apache-2.0
"""Who speaks, over HTTP: OpenAI's ``diarized_json`` by its official client, our own fields, stages and voices."""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import openai
import pysubs2
import pytest
import webvtt
from openai.types.audio import TranscriptionDiarized, TranscriptionTextDoneEvent
from openai.types.audio.transcription_text_segment_event import TranscriptionTextSegmentEvent
from tests.server.conftest import PATIENCE, PEOPLE, TEXT, until, wav

from harken.errors import AudioGone
from harken.model import Diarization, JobState, Speaker, Transcript
from harken.server.dialects.openai.answers import (
    DiarizedTranscription,
    Transcription,
    TranscriptionJob,
    TranscriptionStage,
    VerboseTranscription,
    VoiceList,
)
from harken.server.dialects.openai.diarized import letters

if TYPE_CHECKING:
    from tests.server.conftest import Running, Serve

JOBS = "/v1/transcription-jobs"
SAID = ["Hello there, Zoë", "how are <you>?"]


@pytest.fixture
def client(server: Running) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="any", max_retries=0) as client:
        yield client


@pytest.fixture
def http(server: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=PATIENCE) as client:
        yield client


def reference(seconds: float) -> str:
    return "data:audio/wav;base64," + base64.b64encode(wav(seconds)).decode()


def job(http: httpx.Client, recording: bytes, **fields: Any) -> str:
    made = http.post(JOBS, files={"file": ("a talk.wav", recording)}, data=fields)
    assert made.status_code == 202, made.text
    job_id: str = made.json()["id"]
    until(lambda: http.get(f"{JOBS}/{job_id}").json()["status"] == "completed")
    return job_id


def result(http: httpx.Client, job_id: str, form: str, **query: Any) -> httpx.Response:
    return http.get(f"{JOBS}/{job_id}/result", params={"response_format": form, **query})


def refusal(answer: httpx.Response) -> tuple[int, str, str | None]:
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["param"]


def test_diarized_json(client: openai.OpenAI, server: Running, recording: bytes) -> None:
    answer = client.audio.transcriptions.create(
        model="whisper-1", file=recording, response_format="diarized_json", chunking_strategy="auto"
    )
    assert isinstance(answer, TranscriptionDiarized)
    assert [(segment.id, segment.speaker, segment.text) for segment in answer.segments] == [
        ("seg_0", "A", SAID[0]),
        ("seg_1", "B", SAID[1]),
    ]
    assert {segment.type for segment in answer.segments} == {"transcript.text.segment"}
    assert (answer.task, answer.text, answer.duration) == ("transcribe", TEXT, 3.0)
    assert answer.usage is not None
    assert answer.usage.type == "duration"
    assert answer.segments[1].start == 1.5
    options = server.backend.only().options
    assert (options.diarize, options.vad_filter, options.word_timestamps) == (True, True, False)
    told = answer.model_dump()
    DiarizedTranscription.model_validate(told, extra="forbid")
    assert [(speaker["id"], speaker["label"]) for speaker in told["speakers"]] == [
        ("SPEAKER_00", "A"),
        ("SPEAKER_01", "B"),
    ]
    assert "centroid" not in json.dumps(told), "a voiceprint is nobody's business"


def test_known_speakers(client: openai.OpenAI, server: Running, recording: bytes) -> None:
    answer = client.audio.transcriptions.create(
        model="whisper-1",
        file=recording,
        response_format="diarized_json",
        known_speaker_names=["B"],
        known_speaker_references=[reference(2.5)],
    )
    assert isinstance(answer, TranscriptionDiarized)
    assert [segment.speaker for segment in answer.segments] == ["B", "A"], "a letter that is a name names nobody else"
    (voice,) = server.backend.only().options.known_voices
    assert voice.name == "B"
    assert len(voice.centroid) == 192
    server.clean()


def test_known_speakers_of_full_size(client: openai.OpenAI, server: Running, recording: bytes) -> None:
    url = "data:audio/wav;base64," + base64.b64encode(wav(10.0, 48_000 * 2)).decode()
    client.audio.transcriptions.create(
        model="whisper-1",
        file=recording,
        response_format="diarized_json",
        known_speaker_names=["a", "b", "c", "d"],
        known_speaker_references=[url] * 4,
    )
    assert [voice.name for voice in server.backend.only().options.known_voices] == ["a", "b", "c", "d"]


def test_references_are_known_again_by_their_bytes(
    http: httpx.Client, server: Running, recording: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def send(url: str, name: str = "Zoë") -> httpx.Response:
        fields = {"known_speaker_names[]": name, "known_speaker_references[]": url}
        return http.post(JOBS, files={"file": recording}, data=fields, headers={"Idempotency-Key": "k"})

    first = send(reference(2))
    assert first.status_code == 202
    monkeypatch.setattr(server.service, "voiceprint", lambda _: (2.0, (0.6000001, 0.8)))  # as of another processor
    assert send(reference(2)).json()["id"] == first.json()["id"]
    assert refusal(send(reference(3)))[1] == "idempotency_conflict"
    assert refusal(send(reference(2), "Eve"))[1] == "idempotency_conflict"


def test_voices_that_are_slow_to_learn_hold_up_no_jobs(
    http: httpx.Client, server: Running, recording: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()

    def slow(_: Path) -> tuple[float, tuple[float, ...]]:
        assert gate.wait(PATIENCE), "the job waited for the voices"
        return 4.5, (0.6, 0.8)

    monkeypatch.setattr(server.service, "voiceprint", slow)

    def enrol(number: int) -> int:
        return http.post("/v1/voices", files={"file": recording}, data={"name": str(number)}).status_code

    with ThreadPoolExecutor(20) as threads:
        try:
            asked = [threads.submit(enrol, number) for number in range(20)]
            until(lambda: [path.stat().st_size for path in server.spooled()] == [len(recording)] * 20)
            assert job(http, recording)
        finally:
            gate.set()
        assert [one.result() for one in asked] == [201] * 20


def test_references_that_are_too_much(http: httpx.Client, server: Running, recording: bytes) -> None:
    big = "data:audio/wav;base64," + "A" * (13 * 1024 * 1024)
    answer = http.post(
        JOBS, files={"file": recording}, data={"known_speaker_names[]": "a", "known_speaker_references[]": big}
    )
    assert refusal(answer) == (400, "invalid_option", "known_speaker_references[]")
    assert "longer than" in answer.json()["error"]["message"]
    server.clean()


@pytest.mark.parametrize(
    ("names", "references", "param"),
    [
        (["Zoë"], [], "known_speaker_names[]"),
        (["Zoë", "Bob"], [reference(3)], "known_speaker_references[]"),
        ([], [reference(3)], "known_speaker_references[]"),
        (["Zoë"], ["https://example.com/zoe.wav"], "known_speaker_references[]"),
        (["Zoë"], ["data:audio/wav;base64,AAAA"], "known_speaker_references[]"),
        (["Zoë"], [reference(0.5)], "known_speaker_references[]"),
        (["Zoë"], [reference(11)], "known_speaker_references[]"),
        (["Zoë", "Zoë"], [reference(3)] * 2, "known_speaker_names[]"),
        (["a", "b", "c", "d", "e"], [reference(2)] * 5, "known_speaker_references[]"),
    ],
)
def test_known_speakers_that_cannot_be_known(
    client: openai.OpenAI, server: Running, recording: bytes, names: list[str], references: list[str], param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.audio.transcriptions.create(
            model="whisper-1",
            file=recording,
            response_format="diarized_json",
            known_speaker_names=names,
            known_speaker_references=references,
        )
    assert refused.value.param == param
    assert not server.backend.submissions
    server.clean()


def test_fields_may_come_in_any_order(server: Running, recording: bytes) -> None:
    """A name before the recording and its reference after it are no mistake."""
    border = "border"
    parts = [
        ('name="known_speaker_names[]"', b"Zo\xc3\xab"),
        ('name="file"; filename="a.wav"', recording),
        ('name="known_speaker_references[]"', reference(2).encode()),
    ]
    body = b"".join(
        f"--{border}\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + content + b"\r\n"
        for head, content in parts
    )
    answer = httpx.post(
        server.url + JOBS,
        content=body + f"--{border}--\r\n".encode(),
        headers={"Content-Type": f"multipart/form-data; boundary={border}"},
    )
    assert answer.status_code == 202, answer.text
    assert [voice.name for voice in server.backend.only().options.known_voices] == ["Zoë"]


def test_stream(client: openai.OpenAI, server: Running, recording: bytes) -> None:
    server.backend.hold()
    server.backend.let(1)
    with client.audio.transcriptions.create(
        model="whisper-1", file=recording, stream=True, response_format="diarized_json"
    ) as stream:
        first = next(iter(stream))
        assert first.type == "transcript.text.delta"
        assert not server.backend.only().state.ended, "text comes at once, though nobody knows yet whose it is"
        server.backend.go()
        rest = list(stream)
    assert [event.type for event in rest] == [
        "transcript.text.delta",
        "transcript.text.segment",
        "transcript.text.segment",
        "transcript.text.done",
    ]
    told = [event for event in rest if isinstance(event, TranscriptionTextSegmentEvent)]
    assert [(event.id, event.speaker, event.text) for event in told] == [
        ("seg_0", "A", SAID[0]),
        ("seg_1", "B", SAID[1]),
    ]
    done = rest[-1]
    assert isinstance(done, TranscriptionTextDoneEvent)
    assert done.text == TEXT
    assert [speaker["label"] for speaker in done.model_dump()["speakers"]] == ["A", "B"]


def test_stream_of_other_formats_calls_speakers_by_our_ids(client: openai.OpenAI, recording: bytes) -> None:
    with client.audio.transcriptions.create(
        model="whisper-1", file=recording, stream=True, extra_body={"diarize": "true"}
    ) as stream:
        events = list(stream)
    told = [event.speaker for event in events if isinstance(event, TranscriptionTextSegmentEvent)]
    assert told == ["SPEAKER_00", "SPEAKER_01"]
    assert [speaker["label"] for speaker in events[-1].model_dump()["speakers"]] == told


def test_nobody_asked_nobody_is_told(client: openai.OpenAI, recording: bytes) -> None:
    with client.audio.transcriptions.create(model="whisper-1", file=recording, stream=True) as stream:
        assert {event.type for event in stream} == {"transcript.text.delta", "transcript.text.done"}
    answer = client.audio.transcriptions.create(model="whisper-1", file=recording)
    assert "speaker" not in json.dumps(answer.model_dump())


def test_json_tells_speakers(http: httpx.Client, recording: bytes) -> None:
    told = result(http, job(http, recording, diarize="true", num_speakers="2"), "json").json()
    Transcription.model_validate(told, extra="forbid")
    assert [(s["speaker"], s["speaker_confidence"]) for s in told["segments"]] == [
        ("SPEAKER_00", 0.98),
        ("SPEAKER_01", 0.91),
    ]
    assert told["speakers"] == [
        {"id": "SPEAKER_00", "label": "SPEAKER_00", "name": None, "similarity": None, "speaking_time": 1.2},
        {"id": "SPEAKER_01", "label": "SPEAKER_01", "name": None, "similarity": None, "speaking_time": 1.6},
    ]
    assert told["turns"][1] == {"start": 1.4, "end": 3.0, "speaker": "SPEAKER_01", "confidence": 0.91}
    assert "words" not in told["segments"][0], "words were timed to tell speakers apart, and nobody asked for them"


def test_words_have_speakers_when_words_are_asked_for(http: httpx.Client, recording: bytes) -> None:
    made = job(http, recording, diarize="true", response_format="verbose_json", word_timestamps="true")
    told = result(http, made, "verbose_json").json()
    VerboseTranscription.model_validate(told, extra="forbid")
    assert [word["speaker"] for word in told["words"]] == ["SPEAKER_00"] * 3 + ["SPEAKER_01"] * 3
    assert [segment["speaker"] for segment in told["segments"]] == ["SPEAKER_00", "SPEAKER_01"]
    full = result(http, made, "json").json()
    assert [word["speaker"] for word in full["segments"][1]["words"]] == ["SPEAKER_01"] * 3


def test_words_that_were_timed_can_be_asked_for_later(http: httpx.Client, recording: bytes) -> None:
    made = job(http, recording, diarize="true")
    told = result(http, made, "verbose_json", **{"timestamp_granularities[]": "word"}).json()
    assert [word["word"] for word in told["words"]][:2] == ["Hello", "there,"]


def test_events_leave_out_words_that_nobody_asked_for(http: httpx.Client, recording: bytes) -> None:
    for fields, words in ({"diarize": "true"}, False), ({"word_timestamps": "true"}, True):
        events = http.get(f"{JOBS}/{job(http, recording, **fields)}/events").text
        assert ('"words"' in events) is words


def test_files_have_labels(http: httpx.Client, recording: bytes) -> None:
    made = job(http, recording, diarize="true")
    assert result(http, made, "text").text == f"[SPEAKER_00]: {SAID[0]}\n[SPEAKER_01]: {SAID[1]}\n"
    srt = pysubs2.SSAFile.from_string(result(http, made, "srt").text, format_="srt")
    assert [cue.plaintext[:14] for cue in srt] == ["[SPEAKER_00]: ", "[SPEAKER_01]: "]
    vtt = webvtt.from_buffer(io.StringIO(result(http, made, "vtt").text))
    assert [cue.voice for cue in vtt.captions] == ["SPEAKER_00", "SPEAKER_01"]
    answer = result(http, made, "rttm")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text == (
        "SPEAKER a_talk 1 0.000 1.200 <NA> <NA> SPEAKER_00 <NA> <NA>\n"
        "SPEAKER a_talk 1 1.400 1.600 <NA> <NA> SPEAKER_01 <NA> <NA>\n"
    )


def test_speakers_that_nobody_looked_for_cannot_be_told(http: httpx.Client, recording: bytes) -> None:
    made = job(http, recording)
    for form in ("diarized_json", "rttm"):
        assert refusal(result(http, made, form)) == (400, "invalid_option", "response_format")
    assert result(http, made, "text").text == TEXT + "\n"


def test_nobody_was_found(http: httpx.Client, server: Running, recording: bytes) -> None:
    server.backend.people = Diarization()
    made = job(http, recording, diarize="true", response_format="diarized_json")
    told = result(http, made, "diarized_json").json()
    assert {segment["speaker"] for segment in told["segments"]} == {"unknown"}
    assert (told["speakers"], told["turns"]) == ([], [])
    assert result(http, made, "json").json()["segments"][0]["speaker"] is None
    assert result(http, made, "rttm").text == ""


def test_one_speaker_is_a(http: httpx.Client, server: Running, recording: bytes) -> None:
    server.backend.people = Diarization(PEOPLE.turns[:1], PEOPLE.speakers[:1])
    made = job(http, recording, diarize="true")
    told = result(http, made, "diarized_json").json()
    assert [(s["speaker"], s["speaker_confidence"]) for s in told["segments"]] == [("A", None)] * 2
    assert result(http, made, "text").text == TEXT + "\n", "there is nobody to tell them from"


def test_letters_go_on_after_z() -> None:
    people = tuple(Speaker(f"SPEAKER_{number:02}") for number in range(54))

    crowd = Transcript((), "en", 1.0, "base", speakers=(*people, Speaker("known", name="AC")))
    told = list(letters(crowd).values())
    assert told[:2] + told[24:30] + told[51:] == ["A", "B", "Y", "Z", "AA", "AB", "AD", "AE", "BA", "BB", "BC", "AC"]
    assert len(set(told)) == len(told)


@pytest.mark.parametrize(
    "body",
    [
        {"json": {"num_speakers": 2}},
        {"data": {"num_speakers": "2"}},
        {"files": {"num_speakers": (None, "2")}},
        {"content": b'{"num_speakers": "2"}'},
    ],
)
def test_diarization_again(http: httpx.Client, server: Running, recording: bytes, body: dict[str, Any]) -> None:
    made = job(http, recording)
    assert http.get(f"{JOBS}/{made}").json()["stages"] == []
    answer = http.post(f"{JOBS}/{made}/diarization", **body)
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"{JOBS}/{made}"
    stage = answer.json()
    TranscriptionStage.model_validate(stage, extra="forbid")
    assert (stage["kind"], stage["status"], stage["job_id"], stage["error"]) == ("diarize", "queued", made, None)
    assert server.backend.stages.kept[stage["id"]].options["num_speakers"] == 2
    assert refusal(http.post(f"{JOBS}/{made}/diarization"))[:2] == (409, "stage_running")
    kept = server.backend.stages.kept[stage["id"]]
    server.backend.stages.kept[stage["id"]] = replace(
        kept, state=JobState.FAILED, error_code="recogniser_crashed", error_message="it died"
    )
    now = http.get(f"{JOBS}/{made}").json()
    TranscriptionJob.model_validate(now, extra="forbid")
    assert [(one["id"], one["status"]) for one in now["stages"]] == [(stage["id"], "failed")]
    assert now["stages"][0]["error"] == {"code": "recogniser_crashed", "message": "it died"}
    assert "stages" not in http.get(JOBS).json()["data"][0]


def test_diarization_without_a_body(http: httpx.Client, recording: bytes) -> None:
    assert http.post(f"{JOBS}/{job(http, recording)}/diarization").status_code == 202


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"json": {"num_speakers": 0}}, "num_speakers"),
        ({"json": {"num_speakers": True}}, "num_speakers"),
        ({"json": {"num_speakers": [2]}}, "num_speakers"),
        ({"data": {"max_speakers": "51"}}, "max_speakers"),
        ({"json": {"min_speakers": 3, "max_speakers": 2}}, "min_speakers"),
        ({"content": b"[1]"}, None),
        ({"content": b"num_speakers=2"}, None),
        ({"content": b"[" * 5000}, None),
        ({"content": b" " * 70_000}, None),
        ({"content": b"x", "headers": {"Content-Type": "multipart/form-data"}}, None),
        ({"content": b"x", "headers": {"Content-Type": "multipart/form-data; boundary=b"}}, None),
    ],
)
def test_diarization_as_nobody_can_do_it(
    http: httpx.Client, server: Running, recording: bytes, body: dict[str, Any], param: str | None
) -> None:
    status, _, named = refusal(http.post(f"{JOBS}/{job(http, recording)}/diarization", **body))
    assert (status, named) == (400, param)
    assert not server.backend.stages.kept


def test_unknown_fields_of_diarization_are_told(http: httpx.Client, recording: bytes) -> None:
    answer = http.post(f"{JOBS}/{job(http, recording)}/diarization", json={"colour": "red", "num_speakers": None})
    assert answer.json()["warnings"] == ["the field 'colour' is not known here and was ignored"]


def test_diarization_of_what_is_not_there(http: httpx.Client, server: Running, recording: bytes) -> None:
    nobody = "00000000-0000-0000-0000-000000000000"
    assert refusal(http.post(f"{JOBS}/{nobody}/diarization"))[:2] == (404, "job_not_found")
    made = job(http, recording)

    def gone(stage: object) -> Any:
        raise AudioGone("the recording is not kept any more")

    server.backend.submit_stage = gone  # type: ignore[method-assign]
    assert refusal(http.post(f"{JOBS}/{made}/diarization"))[:2] == (410, "audio_gone")
    server.backend.hold()
    running = http.post(JOBS, files={"file": recording}).json()["id"]
    del server.backend.submit_stage
    assert refusal(http.post(f"{JOBS}/{running}/diarization"))[:2] == (409, "job_not_finished")


def test_voices(client: openai.OpenAI, http: httpx.Client, server: Running, recording: bytes) -> None:
    made = http.post("/v1/voices", files={"file": wav(4)}, data={"name": " Zoë/Lee "})
    assert made.status_code == 201, made.text
    listed = http.get("/v1/voices").json()
    VoiceList.model_validate(listed, extra="forbid")
    assert listed["data"] == [made.json()]
    assert (made.json()["name"], made.json()["seconds"]) == ("Zoë/Lee", 4.0)
    answer = client.audio.transcriptions.create(
        model="whisper-1", file=recording, response_format="diarized_json", known_speaker_names=["Zoë/Lee"]
    )
    assert isinstance(answer, TranscriptionDiarized)
    assert refusal(http.post("/v1/voices", files={"file": wav(4)}, data={"name": "Zoë/Lee"}))[:2] == (
        409,
        "voice_exists",
    )
    gone = http.delete("/v1/voices/Zo%C3%AB%2FLee")
    assert gone.json() == {"object": "voice", "name": "Zoë/Lee", "deleted": True}
    assert refusal(http.delete("/v1/voices/Zo%C3%AB%2FLee"))[:2] == (404, "voice_not_found")
    assert http.get("/v1/voices").json()["data"] == []
    server.clean()


@pytest.mark.parametrize(
    ("content", "fields", "told"),
    [
        (wav(4), {}, (400, "invalid_option", "name")),
        (wav(4), {"name": " "}, (400, "invalid_option", "name")),
        (wav(4), {"name": "x" * 101}, (400, "invalid_option", "name")),
        (wav(4), {"name": "a\tb"}, (400, "invalid_option", "name")),
        (wav(0.5), {"name": "Zoë"}, (400, "unusable_voice", None)),
        (b"no sound at all", {"name": "Zoë"}, (415, "not_media", None)),
    ],
)
def test_voices_that_cannot_be_enrolled(
    http: httpx.Client, server: Running, content: bytes, fields: dict[str, str], told: tuple[int, str, str | None]
) -> None:
    assert refusal(http.post("/v1/voices", files={"file": content}, data=fields)) == told
    server.clean()


def test_voices_are_their_owners(serve: Serve) -> None:
    server = serve(api_keys=("one", "two"))
    for key, names in (("one", ["Zoë"]), ("two", [])):
        headers = {"Authorization": f"Bearer {key}"}
        if names:
            httpx.post(server.url + "/v1/voices", files={"file": wav(4)}, data={"name": "Zoë"}, headers=headers)
        listed = httpx.get(server.url + "/v1/voices", headers=headers).json()["data"]
        assert [voice["name"] for voice in listed] == names
    assert httpx.get(server.url + "/v1/voices").status_code == 401
