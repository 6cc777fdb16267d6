# SPDX-License-Identifier: Apache-2.0
"""The hosted dialect on the whole server: its document's command lines and programs on real speech, and webhooks.

The document itself is not here; its lines and programs are, with another key, host and file.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from standardwebhooks.webhooks import Webhook
from tests.curl import curl
from tests.net.far import Far, response
from tests.server.test_hosted_webhooks import says, sent
from tests.system.conftest import PATIENCE, until
from tests.system.test_kills import Server

from harken.bench.server import started
from harken.config import Settings
from harken.model.credits import CREDIT
from harken.wiring.accounts import offline_gate

CURL_KEY, PROGRAM_KEY, POOR_KEY = "the-key-of-command-lines", "the-key-of-programs", "somebody-with-ten-credits"
NPM_PATIENCE = 240.0

PYTHON = """
import requests

API_KEY = "your-api-key"
BASE_URL = "https://audiototextai.com/api/v1"

# Upload and transcribe
with open("audio.mp3", "rb") as f:
    response = requests.post(
        f"{BASE_URL}/transcribe/",
        headers={"Authorization": f"Bearer {API_KEY}"},
        files={"file": f},
        data={"diarization": "true"}
    )
    job = response.json()
    print(f"Job ID: {job['id']}")

# Poll for results
import time
while True:
    result = requests.get(
        f"{BASE_URL}/transcribe/{job['id']}/",
        headers={"Authorization": f"Bearer {API_KEY}"},
        params={"segments": "true"}
    ).json()

    if result["status"] == "completed":
        print(result["transcript"])
        break
    elif result["status"] == "failed":
        print(f"Error: {result['error_message']}")
        break

    time.sleep(5)
"""
JAVASCRIPT = """
const fs = require('fs');
const axios = require('axios');
const FormData = require('form-data');

const API_KEY = 'your-api-key';
const BASE_URL = 'https://audiototextai.com/api/v1';

async function transcribe(filePath) {
    const form = new FormData();
    form.append('file', fs.createReadStream(filePath));
    form.append('diarization', 'true');

    const { data: job } = await axios.post(
        `${BASE_URL}/transcribe/`,
        form,
        {
            headers: {
                'Authorization': `Bearer ${API_KEY}`,
                ...form.getHeaders()
            }
        }
    );

    console.log(`Job ID: ${job.id}`);

    // Poll for results
    while (true) {
        const { data: result } = await axios.get(
            `${BASE_URL}/transcribe/${job.id}/`,
            { headers: { 'Authorization': `Bearer ${API_KEY}` } }
        );

        if (result.status === 'completed') {
            return result;
        } else if (result.status === 'failed') {
            throw new Error(result.error_message);
        }

        await new Promise(r => setTimeout(r, 5000));
    }
}

transcribe('./audio.mp3').then(console.log);
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hosted")


@pytest.fixture(scope="module")
def server(
    base_model: Path, vad_model: Path, segmentation_model: Path, campplus_model: Path, folder: Path
) -> Iterator[str]:
    """The address of a server with keys, which may call this machine."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("HARKEN_API_KEYS", ",".join((CURL_KEY, PROGRAM_KEY, POOR_KEY)))
        environment.setenv("HARKEN_FETCH_ALLOW", "127.0.0.0/8")
        environment.setenv("HARKEN_FETCH_PORTS", "80,443,1024-65535")
        with started(folder) as url:
            yield url


@pytest.fixture(scope="module")
def http(server: str) -> Iterator[httpx.Client]:
    """Whoever types the document's lines."""
    with httpx.Client(base_url=server, timeout=PATIENCE, headers={"Authorization": f"Bearer {CURL_KEY}"}) as client:
        yield client


@pytest.fixture
def far() -> Iterator[Far]:
    with Far() as server:
        yield server


def ended(http: httpx.Client, job_id: str, **query: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        told: dict[str, Any] = http.get(f"/api/v1/transcribe/{job_id}/", params=query).json()
        return None if told["status"] == "processing" else told

    return until(look)


def started_by(answer: httpx.Response, credit: float | None) -> str:
    """The id of the job that was made, as documented."""
    assert answer.status_code == 202, answer.text
    told = answer.json()
    assert set(told) == {"id", "status", "estimated_credits"}
    assert (told["status"], told["estimated_credits"]) == ("processing", credit)
    job_id: str = told["id"]
    return job_id


def told_ours(program: str, server: str) -> str:
    """A program of the document, with nothing changed but host and key."""
    return program.replace("https://audiototextai.com", server).replace("your-api-key", PROGRAM_KEY)


def test_a_file_as_documented(http: httpx.Client, sample_wav: Path) -> None:
    line = r"""
        curl -X POST http://localhost:8000/api/v1/transcribe/ \
          -H "Authorization: Bearer the-key-of-command-lines" \
          -F "file=@audio.mp3" \
          -F "diarization=true" \
          -F "language=en"
    """
    job_id = started_by(curl(http, line, {"audio.mp3": sample_wav}), 0.5)
    seen: list[dict[str, Any]] = []

    def done() -> bool:
        seen.append(http.get(f"/api/v1/transcribe/{job_id}/", params={"segments": "true"}).json())
        return bool(seen[-1]["status"] != "processing")

    until(done)
    assert seen[0] == {"id": job_id, "status": "processing", "progress": seen[0]["progress"]}
    told = seen[-1]
    assert (told["status"], told["language"], told["credits_used"]) == ("completed", "en", 0.5)
    assert "This is Diane in New Jersey." in told["transcript"]
    assert told["duration_seconds"] == pytest.approx(30.0, abs=0.1)
    assert [one["label"] for one in told["speakers"]] == ["Speaker 1", "Speaker 2"]
    assert all(0 < one["speaking_time"] < 30 for one in told["speakers"])
    for segment in told["segments"]:
        assert set(segment) == {"start", "end", "text", "speaker", "confidence"}
        assert 0 <= segment["start"] <= segment["end"] <= told["duration_seconds"]
        assert segment["speaker"] in ("Speaker 1", "Speaker 2")
        assert 0 < segment["confidence"] <= 1
    assert (told["summary"], told["topics"], told["warnings"]) == (None, [], [])


def test_names_are_kept_and_told_through_every_door(http: httpx.Client, sample_wav: Path) -> None:
    with sample_wav.open("rb") as file:
        data = {
            "diarization": "true",
            "summary": "true",
            "word_timestamps": "true",
            "vocabulary": '["Diane", "Sheila"]',
        }
        job_id = http.post("/api/v1/transcribe", files={"file": file}, data=data).json()["id"]
    told = ended(http, job_id, segments="true")
    assert told["summary"]
    assert told["topics"]
    assert told["segments"][0]["words"]
    names = {"speakers": {"SPEAKER_00": "Host", "SPEAKER_01": "Guest"}}
    line = f"""
        curl -X PATCH http://localhost:8000/api/v1/transcribe/{job_id}/ \
          -H "Authorization: Bearer the-key-of-command-lines" -H "Content-Type: application/json" \
          -d '{json.dumps(names)}'
    """
    told = curl(http, line, {}).json()
    assert [one["label"] for one in told["speakers"]] == ["Host", "Guest"]
    told = ended(http, job_id, segments="true")
    assert {one["speaker"] for one in told["segments"]} == {"Host", "Guest"}
    suite = http.get(f"/api/transcribe/result/{job_id}").json()
    assert [one["speaker"] for one in suite["segments"]] == [one["speaker"] for one in told["segments"]]
    subtitles = http.get(f"/v1/transcription-jobs/{job_id}/result", params={"response_format": "vtt"}).text
    assert "Host" in subtitles
    assert http.delete(f"/api/v1/transcribe/{job_id}/").status_code == 204
    assert http.get(f"/v1/transcription-jobs/{job_id}").status_code == 404


def test_a_url_as_documented(http: httpx.Client, far: Far, beckett_wav: Path) -> None:
    line = r"""
        curl -X POST http://localhost:8000/api/v1/transcribe/url/ \
          -H "Authorization: Bearer the-key-of-command-lines" \
          -H "Content-Type: application/json" \
          -d '{"url": "https://example.com/podcast.mp3", "diarization": true}'
    """
    here = far.page("/podcast.mp3", response(beckett_wav.read_bytes(), content_type="audio/mpeg"))
    job_id = started_by(curl(http, line.replace("https://example.com/podcast.mp3", here), {}), None)
    told = ended(http, job_id)
    assert (told["status"], "Fail better" in told["transcript"]) == ("completed", True)
    assert len(told["speakers"]) == 1
    assert told["credits_used"] == pytest.approx(told["duration_seconds"] / 60, abs=0.001)
    missing = http.post("/api/v1/transcribe/url/", json={"url": far.url("/nothing.mp3")}).json()["id"]
    told = ended(http, missing)
    assert (told["status"], bool(told["error"]), bool(told["error_message"])) == ("failed", True, True)


def test_a_webhook_as_documented(http: httpx.Client, far: Far, beckett_wav: Path) -> None:
    line = r"""
        curl -X POST http://localhost:8000/api/v1/transcribe/ \
          -H "Authorization: Bearer the-key-of-command-lines" \
          -F "file=@audio.mp3" \
          -F "webhook_url=https://yourapp.com/transcription-complete"
    """
    # Failing at first: the pause after that is ten seconds at most.
    here = far.page("/transcription-complete", says(response(b"", "500 Internal Server Error"), response()))
    line = line.replace("https://yourapp.com/transcription-complete", here)
    job_id = curl(http, line, {"audio.mp3": beckett_wav}).json()["id"]
    until(lambda: len(far.requests) == 2)
    secret = http.get("/api/v1/webhooks/secret/").json()["secret"]
    for request in far.requests:
        assert request.startswith(b"POST /transcription-complete HTTP/1.1\r\n")
        headers, body = sent(request)
        assert headers["content-type"] == "application/json"
        assert Webhook(secret).verify(body, headers)["id"] == job_id
    told = http.get(f"/api/v1/transcribe/{job_id}/").json()
    assert json.loads(body) == told
    assert "Fail better" in told["transcript"]
    (delivery,) = until(lambda: delivered(http, job_id))
    assert [one["status_code"] for one in delivery["tries"]] == [500, 200]


def delivered(http: httpx.Client, job_id: str) -> list[dict[str, Any]]:
    told = http.get("/api/v1/webhooks/").json()["webhooks"]
    return [one for one in told if one["transcription_id"] == job_id and one["status"] == "delivered"]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_webhook_outlives_the_api(
    base_model: Path, vad_model: Path, far: Far, beckett_wav: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert base_model.parent == vad_model.parent.parent, "the server looks in the same folder"
    monkeypatch.setenv("HARKEN_FETCH_ALLOW", "127.0.0.0/8")
    # Those of the module's own server are still there.
    monkeypatch.delenv("HARKEN_API_KEYS", raising=False)
    here = far.page("/hook", response(b"", "503 Service Unavailable"))
    server = Server(tmp_path, tmp_path)
    try:
        server.wait_ready()
        with beckett_wav.open("rb") as file:
            answer = server.http.post("/api/v1/transcribe/", files={"file": file}, data={"webhook_url": here})
        assert answer.status_code == 202, answer.text
        job_id = answer.json()["id"]
        until(lambda: far.requests)
        os.kill(server.part("api"), signal.SIGKILL)
        far.page("/hook", response())
        server.wait_ready()
        (delivery,) = until(lambda: delivered(server.http, job_id))
        assert delivery["tries"][-1]["status_code"] == 200
        assert {sent(request)[0]["webhook-id"] for request in far.requests} == {delivery["id"]}
        server.stop()
    finally:
        server.close()


def test_credits_as_documented(server: str, folder: Path, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("HARKEN_API_KEYS", ",".join((CURL_KEY, PROGRAM_KEY, POOR_KEY)))
        with offline_gate(Settings(data_dir=folder / "data")) as gate:
            account = gate.accounts.caller(POOR_KEY).id
            gate.accounts.grant(account, 10 * CREDIT, "tests")
    half_an_hour = tmp_path / "long.wav"
    with wave.open(str(half_an_hour), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(8000)
        file.writeframes(bytes([128]) * (8000 * 1800))
    with httpx.Client(base_url=server, timeout=PATIENCE, headers={"Authorization": f"Bearer {POOR_KEY}"}) as http:
        with half_an_hour.open("rb") as recording:
            answer = http.post("/api/v1/transcribe/", files={"file": recording})
        assert answer.status_code == 402
        assert answer.json() == {
            "error": "insufficient_credits",
            "message": "You have 10 credits remaining but this transcription requires 30 credits.",
        }
        assert http.get("/api/v1/transcribe/").json()["transcriptions"] == []


def program(command: list[str], folder: Path, recording: Path) -> str:
    """What a program prints that sends ``audio.mp3``."""
    shutil.copy(recording, folder / "audio.mp3")
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_documents_python_program(server: str, beckett_wav: Path, tmp_path: Path) -> None:
    text = told_ours(PYTHON, server)
    printed = program([sys.executable, "-c", text], tmp_path, beckett_wav)
    assert printed.startswith("Job ID: ")
    assert "Fail better" in printed


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """A folder with axios and form-data, as npm gets them: by the versions and hashes that are written down here."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        message = "node and npm are not installed: apt-get install nodejs npm"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(Path(__file__).parent / "node" / name, tmp_path)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=NPM_PATIENCE)
    assert done.returncode == 0, f"npm cannot install what the document's program needs:\n{done.stderr}"
    return tmp_path


@pytest.mark.timeout(NPM_PATIENCE + PATIENCE)
def test_the_documents_javascript_program(server: str, beckett_wav: Path, packages: Path) -> None:
    (packages / "sample.js").write_text(told_ours(JAVASCRIPT, server))
    printed = program(["node", "sample.js"], packages, beckett_wav)
    assert printed.startswith("Job ID: ")
    assert "status: 'completed'" in printed
    assert "Fail better" in printed
