# SPDX-License-Identifier: Apache-2.0
"""Segments as they are recognised, from ``harken serve`` with real models, with parts of it killed meanwhile."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.system.test_kills import Server
from tests.worker.conftest import eventually, gone
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

Message = dict[str, Any]
Story = tuple[list[Message], int]
"""All that a socket was told, and the code it was closed with."""

PATIENCE = 180.0


@pytest.fixture(scope="module")
def server(
    base_model: Path,
    vad_model: Path,
    segmentation_model: Path,
    campplus_model: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("live")
    with contextlib.closing(Server(folder, folder)) as server:
        server.wait_ready()
        yield server
        server.stop()


def start(server: Server, recording: Path, **fields: str) -> str:
    with recording.open("rb") as file:
        answer = server.http.post("/api/transcribe/", files={"file": file}, data={"language": "en", **fields})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["job_id"])


def ask(server: Server, what: str, job: str) -> Message:
    answer = server.http.get(f"/api/transcribe/{what}/{job}")
    assert answer.status_code == 200, answer.text
    told: Message = answer.json()
    return told


def listen(stack: contextlib.ExitStack, server: Server, job: str, **options: Any) -> ClientConnection:
    url = f"ws://127.0.0.1:{server.port}/api/transcribe/live/{job}"
    # The client reads no pong either while it reads nothing.
    connection: ClientConnection = stack.enter_context(
        connect(url, proxy=None, open_timeout=PATIENCE, ping_interval=None, **options)
    )
    return connection


def rest(listener: ClientConnection) -> Story:
    told: list[Message] = []
    try:
        while True:
            told.append(json.loads(listener.recv(PATIENCE)))
    except ConnectionClosed as end:
        return told, end.rcvd.code if end.rcvd else 1006


def until(listener: ClientConnection, segments: int) -> list[Message]:
    """What is said up to so many segments."""
    told: list[Message] = []
    while len(spoken(told)) < segments:
        told.append(json.loads(listener.recv(PATIENCE)))
        assert told[-1].get("status") not in ("completed", "failed"), "it ended before"
    return told


def spoken(told: list[Message]) -> list[Message]:
    return [message for message in told if message["type"] == "segment"]


def check(told: list[Message]) -> None:
    """A story as it must be told: it begins with a status, goes on and ends well."""
    assert (told[0]["type"], told[0]["status"]) == ("status", "processing")
    assert (told[-1]["status"], told[-1]["progress"]) == ("completed", 100)
    at = told[-1]["chunk_info"]
    assert at["current_chunk"] == at["total_chunks"] == 2
    progress = [message["progress"] for message in told if message["type"] == "status"]
    assert progress == sorted(progress)
    starts = [message["start"] for message in spoken(told)]
    assert starts == sorted(starts)


def test_everyone_hears_every_segment_once_though_a_worker_is_killed(server: Server, recording: Path) -> None:
    with contextlib.ExitStack() as stack:
        job = start(server, recording, diarize="false")
        early = listen(stack, server, job)
        slow = listen(stack, server, job, max_queue=1)
        begun = until(early, 1)
        late = listen(stack, server, job)
        victim = server.part("worker")
        os.kill(victim, signal.SIGKILL)
        told, code = rest(early)
        story = [*begun, *told]
        assert code == 1000
        check(story)
        assert eventually(lambda: gone([victim]))
        for listener in (late, slow, listen(stack, server, job)):
            other, code = rest(listener)
            assert code == 1000
            check(other)
            assert spoken(other) == spoken(story)
    result = ask(server, "result", job)
    assert [{"type": "segment", **segment} for segment in result["segments"]] == spoken(story)
    assert "best of times" in result["text"]
    assert {segment["speaker"] for segment in result["segments"]} == {None}
    told_of = ask(server, "debug", job)
    assert told_of["windows"]["done"] >= 5
    assert told_of["cached_segments"] == len(spoken(story))
    assert told_of["worker"]


def test_who_speaks_is_told_after_the_end(server: Server, recording: Path) -> None:
    with contextlib.ExitStack() as stack:
        job = start(server, recording)
        told, code = rest(listen(stack, server, job))
        check(told)
        assert code == 1000
        assert {message["speaker"] for message in spoken(told)} == {None}
        assert "Finding out who speaks" in [message.get("message") for message in told]
        after, code = rest(listen(stack, server, job))
        check(after)
        assert code == 1000
    assert {type(message["speaker"]) for message in spoken(after)} == {str}
    assert {type(message["speaker_confidence"]) for message in spoken(after)} == {float}
    # Segments in which two speak are cut between them, at words.
    assert (
        " ".join(one["text"] for one in spoken(after)).split() == " ".join(one["text"] for one in spoken(told)).split()
    )
    assert [{"type": "segment", **one} for one in ask(server, "result", job)["segments"]] == spoken(after)
    assert [stage["kind"] for stage in ask(server, "debug", job)["stages"]] == ["diarize"]


def test_a_listener_comes_back_after_the_api_was_killed(server: Server, recording: Path) -> None:
    with contextlib.ExitStack() as stack:
        job = start(server, recording, diarize="false")
        listener = listen(stack, server, job)
        begun = until(listener, 1)
        os.kill(server.part("api"), signal.SIGKILL)
        assert rest(listener)[1] == 1006
        server.wait_ready()
        told, code = rest(listen(stack, server, job))
        assert code == 1000
        check(told)
        assert spoken(told)[: len(spoken(begun))] == spoken(begun)


def test_a_listener_is_told_that_the_server_stops(server: Server, recording: Path) -> None:
    with contextlib.ExitStack() as stack:
        job = start(server, recording, diarize="false")
        listener = listen(stack, server, job)
        begun = until(listener, 1)
        server.process.terminate()
        told, code = rest(listener)
        assert code == 1012
        assert told[-1]["status"] == "processing"
        assert "the server is stopping" in told[-1]["message"]
        server.stop()
        server.process = server.command()
        server.wait_ready()
        again, code = rest(listen(stack, server, job))
        assert code == 1000
        check(again)
        heard = [*spoken(begun), *spoken(told)]
        assert spoken(again)[: len(heard)] == heard


def test_the_document(server: Server, beckett_wav: Path) -> None:
    """What a client of the document does, one after the other."""
    http = server.http
    assert http.get("/health").json()["status"] == "ok"
    assert http.get("/").json()["endpoints"]["transcribe"] == "/api/transcribe"
    models = {model["name"]: model for model in http.get("/api/transcribe/models").json()["models"]}
    assert models["base"]["is_downloaded"]
    assert models["base"]["full_name"] == "openai/whisper-base"
    job = start(server, beckett_wav, model_name="base", diarize="true")
    assert eventually(lambda: ask(server, "status", job)["status"] == "completed", PATIENCE)
    listed = http.get("/api/transcribe/jobs").json()
    assert listed["jobs"][0] == ask(server, "status", job)
    result = ask(server, "result", job)
    assert len(result["text"].split()) > 10
    assert {segment["speaker"] for segment in result["segments"]} == {"SPEAKER_00"}
    assert result["audio_duration"] == pytest.approx(10, abs=1)
