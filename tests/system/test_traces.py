# SPDX-License-Identifier: Apache-2.0
"""Traces of the whole server: from a request to the windows of its recording, whoever dies meanwhile."""

from __future__ import annotations

import json
import os
import signal
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
import psutil
import pytest
from tests.collector import Collector, Seen, collecting, tree
from tests.net.far import Far, response
from tests.system.conftest import PATIENCE, until

from harken.bench.server import started

pytestmark = pytest.mark.slow

NAME = "a-name-that-is-nobodys-business"
WORDS = "words that are nobody's business"
KEY = "a-key-that-is-nobodys-business"


class Server:
    """A server that sends its traces to a collector."""

    def __init__(self, http: httpx.Client, log: Path, collector: Collector) -> None:
        self.http = http
        self.log = log
        self.collector = collector

    def post(self, path: str, headers: Mapping[str, str] = MappingProxyType({}), **what: Any) -> tuple[str, str]:
        """A trace of ours, and the job or stage that is part of it."""
        trace = uuid.uuid4().hex
        headers = {"traceparent": f"00-{trace}-{CALLER}-01", **headers}
        answer = self.http.post(path, params={"secret": KEY}, headers=headers, **what)
        assert answer.status_code == 202, answer.text
        return trace, answer.json()["id"]

    def submit(self, recording: Path) -> tuple[str, str]:
        files = {"file": (f"{NAME}.wav", recording.read_bytes())}
        return self.post("/v1/transcription-jobs", files=files, data={"language": "en", "prompt": WORDS})

    def job(self, job_id: str) -> dict[str, Any]:
        answer = self.http.get(f"/v1/transcription-jobs/{job_id}")
        found: dict[str, Any] = answer.json()
        return found

    def completed(self, job_id: str) -> dict[str, Any]:
        job = until(lambda: None if self.job(job_id)["status"] in {"queued", "processing"} else self.job(job_id))
        assert job["status"] == "completed", job
        return job

    def worker(self) -> psutil.Process:
        def look() -> psutil.Process | None:
            for process in psutil.Process().children(recursive=True):
                if process.cmdline()[2:4] == ["harken.cli.internal", "worker"]:
                    return process
            return None

        return until(look)

    def spans(self, trace: str) -> dict[str, Seen]:
        """The whole trace of a job that has ended, by id."""

        def whole(spans: list[Seen]) -> bool:
            mine = [span for span in spans if span.trace == trace]
            ids = {span.id for span in mine}
            return "job" in {span.name for span in mine} and {span.parent for span in mine} <= ids | {CALLER}

        return tree(self.collector.wait(whole), trace)


URL = "/api/v1/transcribe/url/"
SETTINGS = {
    "HARKEN_TRACES": "true",
    "OTEL_BSP_SCHEDULE_DELAY": "50",
    # FastAPI's own tracing, which tells queries, is no way around our setting.
    "FASTAPI_OTEL_AUTO_CONFIGURE": "true",
    "HARKEN_LOG_FORMAT": "json",
    "HARKEN_CHILDREN": "1",
    "HARKEN_BATCH_SIZE": "1",
    "HARKEN_API_KEYS": KEY,
    "HARKEN_DEAD_AFTER": "60",
    "HARKEN_FETCH_ALLOW": "127.0.0.0/8",
    "HARKEN_FETCH_PORTS": "1024-65535",
}
CALLER = "b7ad6b7169203331"
"""Our own span, which the requests are part of."""


@pytest.fixture(scope="module")
def server(base_model: Path, vad_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    assert base_model.parent == vad_model.parent.parent, "the server looks in the same folder"
    folder = tmp_path_factory.mktemp("traced")
    with pytest.MonkeyPatch.context() as monkeypatch, collecting() as collector:
        for name, value in {**SETTINGS, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.address}.items():
            monkeypatch.setenv(name, value)
        with (
            started(folder) as url,
            httpx.Client(base_url=url, timeout=PATIENCE, headers={"Authorization": f"Bearer {KEY}"}) as http,
        ):
            yield Server(http, folder / "server.log", collector)


def _tree(spans: dict[str, Seen]) -> set[tuple[str, str]]:
    """What is part of what, by name."""
    return {(span.name, spans[span.parent].name if span.parent in spans else "") for span in spans.values()}


def _named(spans: dict[str, Seen], name: str) -> list[Seen]:
    return [span for span in spans.values() if span.name == name]


def test_a_request_its_job_and_its_windows_are_one_trace(server: Server, sample_wav: Path) -> None:
    with Far() as far:
        what = {
            "url": far.page(f"/{NAME}.wav", response(sample_wav.read_bytes())) + f"?key={KEY}",
            "webhook_url": far.page("/hook", response()) + f"?key={KEY}",
            "language": "en",
            "summary": "true",
            "vocabulary": WORDS,
        }
        trace, job_id = server.post("/api/v1/transcribe/url/", {"Idempotency-Key": KEY}, json=what)
        server.completed(job_id)
        server.collector.wait(lambda spans: "webhook" in {span.name for span in spans})
    spans = server.spans(trace)
    assert _tree(spans) == {
        (f"POST {URL}", ""),
        ("job", f"POST {URL}"),
        ("wait", "job"),
        ("fetch", "job"),
        ("chapter", "job"),
        ("plan", "chapter"),
        ("window", "chapter"),
        ("summarise", "job"),
        ("attempt", "summarise"),
        ("webhook", "job"),
    }
    (request,) = _named(spans, f"POST {URL}")
    assert request.parent == CALLER
    (job,) = _named(spans, "job")
    assert job.attributes["harken.job.id"] == request.attributes["harken.job.id"] == job_id
    assert job.attributes["harken.job.state"] == "completed"
    windows = sorted(_named(spans, "window"), key=lambda span: span.start)
    assert [span.attributes["harken.window.index"] for span in windows] == list(range(len(windows)))
    assert len(windows) == sum(int(span.attributes["harken.window.count"]) for span in _named(spans, "chapter"))
    for span in windows:
        about = span.attributes
        assert (about["harken.model"], about["harken.batch.size"]) == ("base", 1)
        assert float(about["harken.rtf"]) == pytest.approx(span.seconds / float(about["harken.window.seconds"]), 0.01)
        assert about["harken.child.pid"] != span.resource["process.pid"]
        assert job.start <= span.start <= span.end <= job.end
    assert {span.resource["service.name"] for span in (request, *windows)} == {"harken-api", "harken-worker"}
    assert not any(span.failed for span in spans.values())
    answer = server.http.get(f"/v1/transcription-jobs/{job_id}/result", params={"response_format": "text"})
    for said in (NAME, WORDS, KEY, answer.text[:20]):
        assert said.encode() not in server.collector.raw
    # A library that traces on its own account would be named as the instrument.
    assert b"fastapi" not in server.collector.raw
    logged = [json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")]
    (ended,) = [line for line in logged if line["message"] == f"job {job_id}: completed"]
    assert ended["trace_id"] == trace

    # The same request again points to the job; it makes none, and the job stays in its trace.
    again, same = server.post("/api/v1/transcribe/url/", {"Idempotency-Key": KEY}, json=what)
    assert same == job_id
    (second,) = tree(server.collector.wait(lambda spans: again in {span.trace for span in spans}), again).values()
    assert second.links == (job.id,)

    # What is done with it later is part of what asked for it, and points to it too.
    later, _ = server.post(f"/v1/transcription-jobs/{job_id}/summary", json={})
    made = tree(server.collector.wait(lambda spans: len([s for s in spans if s.trace == later]) == 4), later)
    asked = "POST /v1/transcription-jobs/{job_id}/summary"
    assert _tree(made) == {(asked, ""), ("summarise", asked), ("wait", "summarise"), ("attempt", "summarise")}
    assert {span.name: span.links for span in made.values() if span.links} == {asked: (job.id,), "attempt": (job.id,)}


def test_a_trace_goes_on_when_its_worker_dies(server: Server, recording: Path) -> None:
    trace, job_id = server.submit(recording)
    until(lambda: server.job(job_id)["position"] > 20 or None)
    server.collector.wait(lambda spans: len([s for s in spans if s.trace == trace and s.name == "window"]) > 1)
    os.kill(server.worker().pid, signal.SIGKILL)
    server.completed(job_id)
    spans = server.spans(trace)
    windows = _named(spans, "window")
    assert {spans[span.parent].name for span in windows} == {"chapter"}
    assert len({span.resource["process.pid"] for span in windows}) == 2
    # A window that was saved just before the end may not have been sent.
    assert {0, 4} <= {span.attributes["harken.window.index"] for span in windows} <= set(range(5))
    assert len(_named(spans, "job")) == 1
    assert NAME.encode() not in server.collector.raw


def test_jobs_end_when_nobody_takes_their_traces(server: Server, beckett_wav: Path) -> None:
    server.collector.refusing = True
    server.collector.refused.clear()
    _, job_id = server.submit(beckett_wav)
    server.completed(job_id)
    assert server.collector.refused.wait(PATIENCE)


def test_a_server_that_does_not_trace_has_nothing_of_it(
    base_model: Path, vad_model: Path, beckett_wav: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every process tells what it imports, from its start to its end."""
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    monkeypatch.setenv("HARKEN_CHILDREN", "1")
    # Others may have set it, for all that runs on the machine.
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    with started(tmp_path) as url, beckett_wav.open("rb") as file:
        answer = httpx.post(f"{url}/v1/audio/transcriptions", files={"file": file}, timeout=PATIENCE)
        assert answer.status_code == 200
    # The processes write all at once, so that single lines may be mixed up.
    imported = (tmp_path / "server.log").read_text()
    assert all(room in imported for room in ("harken.server", "harken.jobs", "harken.worker"))
    # FastAPI itself imports the interface, which records nothing.
    assert not [name for name in ("opentelemetry.sdk", "opentelemetry.exporter") if name in imported]
