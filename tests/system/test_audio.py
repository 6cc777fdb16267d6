# SPDX-License-Identifier: Apache-2.0
"""The audio dialect on the whole server: its document's command lines on real speech, and a language model that fails.

The document itself is not here; its lines are, with another token, host and file.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.curl import curl
from tests.system.conftest import until
from tests.system.test_kills import TRIGGERS, Server
from tests.text.chat_server import ChatServer, completion, refusal

STAGES = ["transcribing", "formatting", "done"]
NOTES = "# Meeting Notes\n\n## Summary\nDiane from New Jersey met Sheila.\n\n## Action Items\n- [ ] Diane to call"


def process(http: httpx.Client, recording: Path, **fields: str) -> httpx.Response:
    with recording.open("rb") as file:
        return http.post("/api/audio/process", files={"file": file}, data=fields)


def status(http: httpx.Client, job_id: str) -> dict[str, Any]:
    """What the document's second line tells, each field as it says."""
    line = 'curl -X GET "http://localhost:8000/api/audio/status/a1b2c3d4-e5f6-7890-abcd-ef1234567890"'
    answer = curl(http, line.replace("a1b2c3d4-e5f6-7890-abcd-ef1234567890", job_id), {})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    assert told["stage"] in (*STAGES, "error")
    assert isinstance(told.get("transcript"), str) or told["stage"] in ("transcribing", "error")
    assert isinstance(told.get("formatted"), str) == (told["stage"] == "done")
    assert isinstance(told.get("error"), str) == (told["stage"] == "error")
    return told


def test_process_as_documented(http: httpx.Client, sample_wav: Path) -> None:
    line = r"""
        curl -X POST "http://localhost:8000/api/audio/process" \
          -H "Authorization: Bearer YOUR_TOKEN" \
          -F "file=@meeting.mp3" \
          -F "instruction=Format as meeting notes with action items" \
          -F "whisper_model=base" \
          -F "async_mode=0"
    """
    answer = curl(http, line, {"meeting.mp3": sample_wav})
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert "This is Diane in New Jersey." in told["transcript"]
    assert told["formatted"].startswith("# Meeting notes\n")
    assert "action items" in told["formatted"]
    assert "**Speakers:**" in told["formatted"], "two people speak"
    assert (told["model"], told["warnings"]) == ("base", [])


def test_status_as_documented(http: httpx.Client, sample_wav: Path) -> None:
    answer = process(http, sample_wav, async_mode="1")
    assert answer.status_code == 202
    job_id = answer.json()["job_id"]
    seen: list[dict[str, Any]] = []

    def done() -> bool:
        seen.append(status(http, job_id))
        return bool(seen[-1]["stage"] == "done")

    until(done)
    assert seen[0]["stage"] == "transcribing"
    stages = [told["stage"] for told in seen]
    assert stages == sorted(stages, key=STAGES.index)
    progress = [told["progress"] for told in seen]
    assert progress == sorted(progress)
    last = seen[-1]
    assert "This is Diane in New Jersey." in last["transcript"]
    turns = last["formatted"].split("\n\n")
    assert len(turns) > 3
    assert all(turn.startswith("**SPEAKER") for turn in turns), "clean paragraphs with speakers, where nothing is asked"
    unknown = curl(http, 'curl "http://localhost:8000/api/audio/status/a1b2c3d4-e5f6-7890-abcd-ef1234567890"', {})
    assert (unknown.status_code, set(unknown.json())) == (404, {"detail"})


@pytest.fixture(scope="module")
def chat() -> Iterator[ChatServer]:
    """Where the language model is."""
    server = ChatServer()
    yield server
    server.close()


@pytest.fixture(scope="module")
def modelled(
    chat: ChatServer, base_model: Path, vad_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server with a language model; every window that it saves leaves a row."""
    assert base_model.parent == vad_model.parent.parent, "the server looks in the same folder"
    folder = tmp_path_factory.mktemp("modelled")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("HARKEN_LLM_BASE_URL", chat.url)
        environment.setenv("HARKEN_LLM_MODEL", "test-model")
        server = Server(folder, folder)
        try:
            server.wait_ready()
            server.sql(*TRIGGERS["sqlite"])
            yield server
            server.stop()
        finally:
            server.close()


def test_a_language_model_follows_any_instruction(chat: ChatServer, modelled: Server, beckett_wav: Path) -> None:
    chat.says(completion(NOTES))
    answer = process(modelled.http, beckett_wav, instruction="Write it as a letter to my aunt")
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["formatted"], told["generated"], told["formatted_by"]) == (NOTES, True, "test-model-2026")
    assert any("New Jersey" in warning or "Diane" in warning for warning in told["warnings"]), "nobody said so"
    assert "Write it as a letter to my aunt" in chat.last().text
    assert "Fail better" in told["transcript"]
    assert "Fail better" in chat.last().text


def test_a_language_model_that_fails_costs_no_transcript(chat: ChatServer, modelled: Server, beckett_wav: Path) -> None:
    chat.says(refusal(401, "the key sk-secret is wrong"))
    answer = process(modelled.http, beckett_wav, instruction="notes")
    told = answer.json()
    assert answer.status_code == 502
    assert told["detail"].startswith("the text could not be formatted: ")
    assert "sk-secret" not in answer.text
    assert "Fail better" in told["transcript"]
    ended = status(modelled.http, told["job_id"])
    assert (ended["stage"], ended["error"], ended["transcript"]) == ("error", told["detail"], told["transcript"])


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_worker_killed_while_formatting(chat: ChatServer, modelled: Server, beckett_wav: Path) -> None:
    gate = threading.Event()
    held = completion(NOTES)
    held.gate = gate
    chat.says(held, completion(NOTES))
    job_id = process(modelled.http, beckett_wav, instruction="notes", async_mode="1").json()["job_id"]
    chat.gone.clear()
    asked = len(chat.asked)
    seen = until(lambda: told if (told := status(modelled.http, job_id))["stage"] == "formatting" else None)
    assert "Fail better" in seen["transcript"]
    until(lambda: len(chat.asked) > asked)
    os.kill(modelled.part("worker"), signal.SIGKILL)
    assert chat.gone.wait(60)
    ended = until(lambda: told if (told := status(modelled.http, job_id))["stage"] not in STAGES[:2] else None)
    assert ended["stage"] == "done", ended
    assert (ended["formatted"], ended["transcript"]) == (NOTES, seen["transcript"])
    assert set(modelled.saved(job_id).values()) == {1}, "nothing is recognised twice"
    gate.set()
