# SPDX-License-Identifier: Apache-2.0
"""Measuring a server, on one that answers as harken does and takes the time that the test says."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from harken.bench.server import Client, ServerFigures, _job_rate, measure_server
from harken.errors import HarkenError

PROCESSING = 60.0
"""What the server claims: no request takes so long, so what is left of it is below zero."""
ADDED = 0.03
"""What a request really takes at least."""


class Server(ThreadingHTTPServer):
    """Recognises nothing. A long job ends when it is cancelled, any other when its status is asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.long_ends = False
        self.jobs: dict[str, str] = {}
        self.uploads: list[bytes] = []
        self.keys: set[str | None] = set()
        self.broken = False
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    """Head and body in one packet; in two, the second waits for a delayed acknowledgement."""
    server: Server

    def do_GET(self) -> None:
        if self.path == "/healthz":
            self.answer(200, {"status": "ok"})
        elif self.path == "/readyz":
            self.answer(503 if self.server.broken else 200, {})
        else:
            self.answer(200, {"status": self.server.jobs[self.path.rsplit("/", 1)[1]]})

    def do_POST(self) -> None:
        if self.path.endswith("/cancel"):
            job = self.path.split("/")[-2]
            self.answer(409 if self.server.jobs[job] == "completed" else 200, {})
            self.server.jobs[job] = "cancelled"
            return
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with self.server.lock:
            self.server.uploads.append(body)
            self.server.keys.add(self.headers["Authorization"])
            job = str(len(self.server.uploads))
        if self.path == "/v1/audio/transcriptions":
            time.sleep(ADDED)
            if self.server.broken:
                self.answer(503, {"error": {"message": "no worker answers"}})
            else:
                self.answer(200, {"text": "", "timing": {"processing": PROCESSING}})
        else:
            done = "failed" if self.server.broken else "completed"
            self.server.jobs[job] = "processing" if b"long" in body and not self.server.long_ends else done
            self.answer(202, {"id": job, "status": "queued"})

    def answer(self, status: int, data: dict[str, Any]) -> None:
        body = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield running
    running.shutdown()
    thread.join()
    running.server_close()


def measured(server: Server, *, key: str | None = None) -> ServerFigures:
    return measure_server(
        Client(server.url + "/", key=key, model="base"),
        ("clip.wav", b"clip"),
        ("long.wav", b"long"),
        ("silence.wav", b"silence"),
        requests_count=3,
        jobs=5,
        seconds=2.0,
    )


def test_what_is_added_is_told_from_what_the_engine_took(server: Server) -> None:
    figures = measured(server, key="secret")
    assert figures.processing == PROCESSING
    assert ADDED - PROCESSING <= figures.overhead <= figures.overhead_p95 < 0
    assert 0 < figures.health_p50 <= figures.health_p99
    assert figures.checks >= 2
    assert figures.jobs_per_second > 0
    assert list(server.jobs.values()).count("cancelled") == 2 * (os.cpu_count() or 1)
    assert server.keys == {"Bearer secret"}
    # A request to warm up and three measured; twice as many recordings as cores; five small jobs.
    assert sum(b"clip" in body for body in server.uploads) == 4
    assert sum(b"long" in body for body in server.uploads) == 2 * (os.cpu_count() or 1)
    assert sum(b"silence" in body for body in server.uploads) == 5
    assert all(b'name="model"\r\n\r\nbase' in body for body in server.uploads)


def test_health_that_was_not_asked_under_load_is_no_figure(server: Server) -> None:
    server.long_ends = True
    with pytest.raises(HarkenError, match="give a longer one"):
        measured(server)


def test_errors_of_the_server_are_told(server: Server) -> None:
    client = Client(server.url)
    assert client.ready()
    server.broken = True
    assert not client.ready()
    with pytest.raises(HarkenError, match=r"503.*no worker answers"):
        client.transcribe("clip.wav", b"clip")
    with pytest.raises(HarkenError, match="not every small job was completed: failed"):
        _job_rate(client, ("silence.wav", b"silence"), 2)
    assert not Client("http://127.0.0.1:9").ready()


@pytest.mark.parametrize(
    ("overhead", "health", "reached"), [(0.15, 0.0499, [True, True]), (0.151, 0.05, [False, False])]
)
def test_targets(overhead: float, health: float, reached: list[bool]) -> None:
    figures = ServerFigures(overhead, overhead, 1.0, health, health, 100, 10.0)
    assert [target.reached for target in figures.targets()] == reached
