# SPDX-License-Identifier: Apache-2.0
"""``harken serve`` with its recordings in a bucket of a real S3-compatible store, which goes away, and comes back."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import tempfile
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pytest
from tests.s3 import S3Server, s3_server
from tests.system.conftest import until
from tests.worker.conftest import clip, eventually

from harken.bench.server import free_port, launched
from harken.store.objects import PART, S3Blobs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

__all__ = ["clip"]

JOBS = "/v1/transcription-jobs"
PATIENCE = 400.0
"""Seconds that a client waits at most."""


@dataclass
class House:
    """A server, its store and its data folder."""

    http: httpx.Client
    s3: S3Server
    bucket: str
    data: Path
    log: Path
    pid: int

    def ready(self) -> dict[str, Any] | None:
        """What /readyz says, once it says something."""
        with contextlib.suppress(httpx.TransportError):
            answer = self.http.get("/readyz")
            return {**answer.json(), "status": answer.status_code}
        return None

    def until_ready(self) -> None:
        assert eventually(lambda: (self.ready() or {}).get("status") == 200, PATIENCE), self.log.read_text()

    def submit(self, recording: Path) -> httpx.Response:
        with recording.open("rb") as file:
            return self.http.post(JOBS, files={"file": file}, data={"language": "en"})

    def ended(self, job: str) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            found: dict[str, Any] = self.http.get(f"{JOBS}/{job}").json()
            return found if found["status"] in {"completed", "failed"} else None

        return until(look)

    def text(self, job: str) -> str:
        assert self.ended(job)["status"] == "completed", self.ended(job)
        return self.http.get(f"{JOBS}/{job}/result", params={"response_format": "text"}).text

    def part(self, name: str) -> int:
        """Process id of the API or the worker."""

        def look() -> int | None:
            for process in psutil.Process(self.pid).children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    if process.cmdline()[2:4] == ["harken.cli.internal", name]:
                        return process.pid
            return None

        return until(look)

    def files(self) -> list[str]:
        """Recordings in the data folder, whole or not."""
        return [str(path) for name in ("spool", "audio") for path in (self.data / name).rglob("*")]


@pytest.fixture(scope="module")
def house(base_model: Path, vad_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with tempfile.TemporaryDirectory(prefix="harken-s3-") as own, s3_server(Path(own)) as s3:
        bucket = s3.make_bucket("harken-recordings") + "/talks"
        data, port = tmp_path_factory.mktemp("data"), free_port()
        environment = {**os.environ, **s3.env, "HARKEN_DATA_DIR": str(data), "HARKEN_BLOBS": bucket}
        environment |= {"HARKEN_CHILDREN": "1", "HARKEN_BATCH_SIZE": "1", "HARKEN_HOST": "127.0.0.1"}
        log = Path(own) / "server.log"
        with (
            launched(["serve", "--port", str(port)], environment, log) as process,
            httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as http,
        ):
            house = House(http, s3, bucket, data, log, process.pid)
            house.until_ready()
            yield house
            assert "no-secret-at-all" not in log.read_text()


@pytest.fixture(scope="module")
def talk(recording: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Speech of a minute, with samples enough for an upload of several parts."""
    path = tmp_path_factory.mktemp("talk") / "talk.wav"
    with wave.open(str(recording), "rb") as narrow, wave.open(str(path), "wb") as wide:
        samples = np.frombuffer(narrow.readframes(narrow.getnframes()), np.int16)
        wide.setnchannels(1)
        wide.setsampwidth(2)
        wide.setframerate(6 * narrow.getframerate())
        wide.writeframes(np.repeat(samples, 6).tobytes())
    assert path.stat().st_size > PART
    return path


@pytest.fixture(scope="module")
def text(server: str, talk: Path) -> str:
    """What a server with a folder hears."""
    with httpx.Client(base_url=server, timeout=PATIENCE) as http, talk.open("rb") as file:
        answer = http.post(
            "/v1/audio/transcriptions", files={"file": file}, data={"language": "en", "response_format": "text"}
        )
    assert answer.status_code == 200
    assert len(answer.text.split()) > 40
    return answer.text


def test_the_text_is_that_of_a_folder(house: House, talk: Path, text: str) -> None:
    job = house.submit(talk).json()["id"]
    assert house.s3.objects(house.bucket) == {job: talk.stat().st_size}
    assert house.text(job) == text
    assert house.files() == []
    assert house.http.delete(f"{JOBS}/{job}").status_code == 200
    assert house.s3.objects(house.bucket) == {}


def test_what_is_refused_or_breaks_off_leaves_nothing(house: House) -> None:
    junk = house.http.post(JOBS, files={"file": b"this is no music" * 10**6})
    assert junk.status_code == 415
    with uploading(house, 8 * PART):
        until(lambda: house.s3.uploads(house.bucket))
        assert house.files() == []
    until(lambda: not house.s3.uploads(house.bucket))
    assert house.s3.objects(house.bucket) == {}


def test_the_api_is_killed_in_the_middle_of_an_upload(house: House, clip: Path) -> None:
    with uploading(house, 8 * PART):
        until(lambda: house.s3.uploads(house.bucket))
        os.kill(house.part("api"), signal.SIGKILL)
    house.until_ready()
    assert house.s3.objects(house.bucket) == {}
    (left,) = house.s3.uploads(house.bucket)
    job = house.submit(clip).json()["id"]
    assert house.ended(job)["status"] == "completed"
    with house.s3.around():
        S3Blobs(house.bucket, max_bytes=2**30).sweep(older_than=-60.0)
    assert house.s3.uploads(house.bucket) == [], f"{left} is dropped when it is a day old"
    house.http.delete(f"{JOBS}/{job}")


def test_the_store_is_away_and_comes_back(house: House, talk: Path, clip: Path, text: str) -> None:
    worker = house.part("worker")
    os.kill(worker, signal.SIGSTOP)
    job = house.submit(talk).json()["id"]
    house.s3.stop()
    os.kill(worker, signal.SIGCONT)
    refused = house.submit(clip)
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "storage_unavailable")
    assert int(refused.headers["retry-after"]) > 0
    until(lambda: "the store of recordings does not answer" in house.log.read_text())
    said = house.ready()
    assert said is not None
    assert said["status"] == 503
    assert {part["part"]: part["ok"] for part in said["checks"]}["storage"] is False
    until(lambda: house.log.read_text().count("WARNING harken.jobs.hands: the store of recordings does not") > 1)
    assert house.http.get(f"{JOBS}/{job}").json()["status"] in {"queued", "processing"}
    house.s3.start()
    assert house.text(job) == text
    house.until_ready()


@contextlib.contextmanager
def uploading(house: House, size: int) -> Iterator[None]:
    """Most of an upload is sent; the client goes when the context ends."""
    boundary = "a-boundary"
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
    url = house.http.base_url
    with socket.create_connection((url.host, url.port or 80), timeout=60) as connection:
        connection.sendall(
            f"POST {JOBS} HTTP/1.1\r\nHost: {url.host}\r\nContent-Length: {size}\r\n"
            f"Content-Type: multipart/form-data; boundary={boundary}\r\n\r\n{head}".encode()
        )
        for _ in range(size // 2**20 - 1):
            connection.sendall(bytes(2**20))
        yield
