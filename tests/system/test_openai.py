# SPDX-License-Identifier: Apache-2.0
"""The whole house: ``harken serve`` as a user starts it, real clients, a real phone call."""

from __future__ import annotations

import concurrent.futures
import contextlib
import io
import json
import socket
import struct
import subprocess
import time
import urllib.request
import uuid
import warnings
from pathlib import Path
from typing import Any, Literal

import httpx
import openai
import pysubs2
import pytest
import webvtt
from openai.types.audio import TranscriptionTextDeltaEvent, TranscriptionTextDoneEvent
from tests.server.test_schema import fuzz
from tests.system.conftest import PATIENCE, until

from harken.bench.server import started

SAID = ("Hello", "Diane", "New Jersey", "Sheila", "Chicago")
"""What even a small model hears in the phone call."""


def heard(text: str) -> None:
    """The text must be that of the phone call."""
    assert [name for name in SAID if name not in text] == []


def test_json_tells_everything(client: openai.OpenAI, sample_wav: Path) -> None:
    answer = client.audio.transcriptions.create(model="whisper-1", file=sample_wav, language="English")
    heard(answer.text)
    told: dict[str, Any] = answer.model_dump()
    assert (told["language"], told["runtime"]["model"]) == ("en", "base")
    assert told["duration"] == pytest.approx(30, abs=0.1)
    assert told["timing"]["processing"] > 0
    assert 0 <= told["coverage"]["missed"] <= told["coverage"]["speech"] < 30
    ends = [segment["end"] for segment in told["segments"]]
    assert ends == sorted(ends)
    assert ends[-1] <= told["duration"]


def test_verbose_with_words(client: openai.OpenAI, sample_wav: Path) -> None:
    answer = client.audio.transcriptions.create(
        model="base", file=sample_wav, response_format="verbose_json", timestamp_granularities=["word", "segment"]
    )
    heard(answer.text)
    assert answer.language == "english"
    assert answer.segments
    assert all(segment.tokens and segment.avg_logprob < 0 for segment in answer.segments)
    assert answer.words
    assert answer.words[0].word.startswith("Hello")
    starts = [word.start for word in answer.words]
    assert starts == sorted(starts)
    assert all(word.start <= word.end <= 30.1 for word in answer.words)


def test_subtitles_from_one_job(http: httpx.Client, sample_wav: Path) -> None:
    made = http.post("/v1/transcription-jobs", files={"file": sample_wav.read_bytes()}, data={"response_format": "srt"})
    assert made.status_code == 202
    job = made.json()["id"]
    until(lambda: http.get(f"/v1/transcription-jobs/{job}").json()["status"] == "completed")

    def result(form: str) -> str:
        return http.get(f"/v1/transcription-jobs/{job}/result", params={"response_format": form}).text

    assert http.get(f"/v1/transcription-jobs/{job}/result").text == result("srt"), "the format it was made with"
    for form in ("srt", "vtt", "ass"):
        cues = pysubs2.SSAFile.from_string(result(form), format_=form)
        assert len(cues) > 5
        assert all(cue.start < cue.end <= 30_100 for cue in cues)
        assert all(len(line) <= 42 for cue in cues for line in cue.plaintext.splitlines())
        assert max(cue.plaintext.count("\n") for cue in cues) <= 1
    assert len(webvtt.from_buffer(io.StringIO(result("vtt"))).captions) > 5
    heard(result("text"))
    assert len(result("tsv").splitlines()) == len(json.loads(result("json"))["segments"]) + 1


def test_stream(client: openai.OpenAI, two_cities_wav: Path) -> None:
    with client.audio.transcriptions.create(model="whisper-1", file=two_cities_wav, stream=True) as stream:
        events = list(stream)
    deltas = [event.delta for event in events if isinstance(event, TranscriptionTextDeltaEvent)]
    done = events[-1]
    assert isinstance(done, TranscriptionTextDoneEvent)
    assert len(deltas) > 1
    assert "".join(deltas) == done.text
    assert "best of times" in done.text
    assert done.usage is not None
    assert done.usage.output_tokens > 50


def test_the_first_words_come_while_the_rest_is_recognised(
    server: str, http: httpx.Client, two_cities_wav: Path
) -> None:
    with http.stream(
        "POST", "/v1/audio/transcriptions", files={"file": two_cities_wav.read_bytes()}, data={"stream": "true"}
    ) as answer:
        job = answer.headers["x-harken-job"]
        lines = (line for line in answer.iter_lines() if line.startswith("data:"))
        assert "transcript.text.delta" in next(lines)
        assert httpx.get(f"{server}/v1/transcription-jobs/{job}").json()["status"] == "processing"
        assert "transcript.text.done" in list(lines)[-1]


def test_events_of_a_job_are_its_result(http: httpx.Client, two_cities_wav: Path) -> None:
    job = http.post("/v1/transcription-jobs", files={"file": two_cities_wav.read_bytes()}).json()["id"]
    with http.stream("GET", f"/v1/transcription-jobs/{job}/events") as answer:
        data = [json.loads(line[6:]) for line in answer.iter_lines() if line.startswith("data: ")]
    assert data[-1]["status"] == "completed"
    assert [event["window"] for event in data[:-1]] == list(range(len(data) - 1))
    live = [segment["text"] for event in data[:-1] for segment in event["segments"]]
    result = http.get(f"/v1/transcription-jobs/{job}/result").json()
    assert live == [segment["text"] for segment in result["segments"]]


@pytest.mark.filterwarnings("ignore")  # litellm's own
def test_litellm(server: str, sample_wav: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import litellm
    with sample_wav.open("rb") as file:
        answer = litellm.transcription(model="openai/whisper-1", file=file, api_base=f"{server}/v1", api_key="any")
    heard(answer.text)


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")  # OpenAI retires its own
def test_translation(client: openai.OpenAI, http: httpx.Client, tmp_path: Path) -> None:
    path = tmp_path / "german.wav"
    said = (
        "Guten Morgen. Heute ist das Wetter sehr schön und die Sonne scheint. "
        "Meine Mutter wohnt in einem kleinen Haus in Berlin."
    )
    subprocess.run(["espeak-ng", "-v", "de", "-s", "140", "-w", path, said], check=True)
    english = client.audio.translations.create(model="whisper-1", file=path).text
    assert [word for word in ("morning", "mother", "house", "Berlin") if word not in english] == []
    assert "Mutter" not in english
    german = http.post("/v1/audio/transcriptions", files={"file": path.read_bytes()}).json()
    assert german["language"] == "de"
    assert "Meine Mutter" in german["text"]


def test_a_form_written_by_hand(server: str, beckett_wav: Path) -> None:
    """The standard library only, with a preset for its model, as the examples of the interface do it."""
    border = uuid.uuid4().hex
    body = b""
    for name, value in (
        ("model", b"cpu-lite"),
        ("language", b"en"),
        ('file"; filename="a.wav', beckett_wav.read_bytes()),
    ):
        body += f'--{border}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + value + b"\r\n"
    body += f"--{border}--\r\n".encode()
    request = urllib.request.Request(
        f"{server}/v1/audio/transcriptions",
        data=body,
        headers={"Authorization": "Bearer any", "Content-Type": f"multipart/form-data; boundary={border}"},
    )
    with urllib.request.urlopen(request, timeout=PATIENCE) as response:
        told = json.load(response)
    assert told["language"] == "en"
    assert told["runtime"]["model"] == "base"
    assert len(told["text"].split()) > 10


@pytest.mark.parametrize("form", ["text", "srt", "vtt"])
def test_plain_formats(client: openai.OpenAI, sample_wav: Path, form: Literal["text", "srt", "vtt"]) -> None:
    said: object = client.audio.transcriptions.create(model="base", file=sample_wav, response_format=form)
    assert isinstance(said, str)
    if form != "text":
        cues = pysubs2.SSAFile.from_string(said, format_=form)
        said = " ".join(cue.plaintext.replace("\n", " ") for cue in cues)
    heard(said)


def test_schemathesis(server: str, http: httpx.Client, tmp_path: Path) -> None:
    # The administrator's routes want a session, and have such a test of their own.
    fuzz(server, tmp_path, 3, "--exclude-path-regex", "^/admin/")
    assert http.get("/readyz").status_code == 200


def test_no_network_is_needed_for_what_is_installed(
    base_model: Path, vad_model: Path, beckett_wav: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARKEN_OFFLINE", "true")
    monkeypatch.setenv("HARKEN_MODELS_DIR", str(base_model.parent))
    with started(tmp_path) as url:
        answer = httpx.post(
            f"{url}/v1/audio/transcriptions", files={"file": beckett_wav.read_bytes()}, timeout=PATIENCE
        )
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["text"].split()) > 10


def test_refusals(client: openai.OpenAI, http: httpx.Client, sample_wav: Path, tmp_path: Path) -> None:
    sound = sample_wav.read_bytes()
    for content, status in ((b"", 415), (b"text that says it is music", 415), (sound[:30], 415)):
        with pytest.raises(openai.APIStatusError) as refused:
            client.audio.transcriptions.create(model="whisper-1", file=("song.mp3", content))
        assert refused.value.status_code == status
    for model in ("no-such-model", "silero-vad"):
        with pytest.raises(openai.BadRequestError):
            client.audio.transcriptions.create(model=model, file=sound)
    assert http.get("/readyz").status_code == 200


def test_hang_up_cancels(server: str, http: httpx.Client, two_cities_wav: Path) -> None:
    before = {job["id"] for job in http.get("/v1/transcription-jobs?limit=100").json()["data"]}
    request = httpx.Client().build_request(
        "POST", f"{server}/v1/audio/transcriptions", files={"file": two_cities_wav.read_bytes()}
    )
    head = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    with contextlib.closing(socket.create_connection((request.url.host, request.url.port or 80))) as connection:
        connection.sendall(f"POST {request.url.path} HTTP/1.1\r\n{head}\r\n".encode() + request.read())

        def mine() -> dict[str, Any] | None:
            jobs = http.get("/v1/transcription-jobs?limit=100").json()["data"]
            return next((job for job in jobs if job["id"] not in before), None)

        job = until(mine)["id"]
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    until(lambda: http.get(f"/v1/transcription-jobs/{job}").json()["status"] == "cancelled")


def test_idempotency_outlives_everything_but_the_job(http: httpx.Client, beckett_wav: Path) -> None:
    def post(**fields: str) -> httpx.Response:
        return http.post(
            "/v1/transcription-jobs",
            files={"file": beckett_wav.read_bytes()},
            data=fields,
            headers={"Idempotency-Key": "the same"},
        )

    first = post().json()["id"]
    assert post().json()["id"] == first
    assert post(model="base.en").status_code == 422
    assert http.delete(f"/v1/transcription-jobs/{first}").status_code == 200
    assert post().json()["id"] != first


def test_many_at_once_and_health_meanwhile(server: str, http: httpx.Client, beckett_wav: Path) -> None:
    sound = beckett_wav.read_bytes()
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        answers = [
            pool.submit(httpx.post, f"{server}/v1/audio/transcriptions", files={"file": sound}, timeout=PATIENCE)
            for _ in range(12)
        ]
        while not all(answer.done() for answer in answers):
            assert http.get("/healthz").status_code == 200
            time.sleep(0.05)
    texts = {answer.result().json()["text"] for answer in answers}
    assert len(texts) == 1, "a text does not depend on what else is recognised"
