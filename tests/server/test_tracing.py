# SPDX-License-Identifier: Apache-2.0
"""The spans of requests and web sockets."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI, Request, Response, WebSocket
from fastapi.testclient import TestClient
from starlette.middleware import Middleware
from starlette.websockets import WebSocketDisconnect
from tests.collector import Collector, Seen, collecting

from harken.server.middleware import JOB, RequestContext
from harken.server.tracing import Trace
from harken.service import Caller
from harken.telemetry import traces

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
SECRET = "sk-a-secret"


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with collecting() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.address)
        traces.switch_on("api")
        yield collector
        traces.close(60)


@pytest.fixture
def client() -> Iterator[TestClient]:
    app = FastAPI(middleware=[Middleware(RequestContext), Middleware(Trace)])

    @app.get("/healthz")
    def health() -> None: ...

    @app.post("/v1/jobs/{name}")
    def make(request: Request, name: str) -> str | None:
        request.state.caller = Caller("account-1")
        request.state.headers[JOB] = str(uuid.UUID(int=7))
        with traces.span("inside"):
            return traces.current()

    @app.get("/fails/{how}")
    def fails(how: str) -> Response:
        if how == "badly":
            raise ValueError(SECRET)
        return Response(status_code=503)

    @app.websocket("/listen/{job_id}")
    async def listen(socket: WebSocket, job_id: str) -> None:
        await socket.accept()
        await socket.send_text(traces.trace_id() or "")
        await socket.close()

    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def _all(collector: Collector) -> list[Seen]:
    traces.close(60)
    assert SECRET.encode() not in collector.raw
    return collector.spans


def _one(collector: Collector, name: str) -> Seen:
    (found,) = [span for span in _all(collector) if span.name == name]
    return found


def test_a_request_is_part_of_what_its_caller_does(collector: Collector, client: TestClient) -> None:
    headers = {"traceparent": CALLER, "X-Request-ID": "r-1", "Authorization": f"Bearer {SECRET}"}
    answer = client.post(f"/v1/jobs/{SECRET}?key={SECRET}", headers=headers)
    span = _one(collector, "POST /v1/jobs/{name}")
    assert (span.trace, span.parent) == (CALLER.split("-")[1], CALLER.split("-")[2])
    assert span.kind == 2  # a server's
    assert span.attributes == {
        "http.request.method": "POST",
        "http.route": "/v1/jobs/{name}",
        "http.response.status_code": 200,
        "url.scheme": "http",
        "harken.request.id": "r-1",
        "harken.account": "account-1",
        "harken.job.id": str(uuid.UUID(int=7)),
    }
    inside = collector.named("inside")
    assert inside.parent == span.id
    assert answer.json() == f"00-{inside.trace}-{inside.id}-01"


def test_a_request_of_nobody_begins_a_trace(collector: Collector, client: TestClient) -> None:
    for headers in ([], [("traceparent", "00-nonsense")], [("traceparent", CALLER), ("traceparent", CALLER)]):
        client.post("/v1/jobs/a", headers=headers)
    traces.close(60)
    requests = [span for span in collector.spans if span.parent == ""]
    assert len(requests) == len({span.trace for span in requests} - {CALLER.split("-")[1]}) == 3


def test_what_a_caller_does_not_want_traced_is_not(collector: Collector, client: TestClient) -> None:
    client.post("/v1/jobs/a", headers={"traceparent": CALLER[:-2] + "00"})
    client.get("/healthz", headers={"traceparent": CALLER})
    traces.close(60)
    assert collector.spans == []


def test_a_path_that_is_not_there_is_not_told(collector: Collector, client: TestClient) -> None:
    client.get(f"/{SECRET}")
    client.request(SECRET.upper(), "/healthz2")
    span = _one(collector, "GET other")
    assert (span.attributes["http.response.status_code"], span.failed) == (404, False)
    assert "other other" in {span.name for span in collector.spans}


def test_a_request_that_fails_is_marked(collector: Collector, client: TestClient) -> None:
    client.get("/fails/well")
    client.get("/fails/badly")
    assert {"503", "ValueError"} == {span.attributes["error.type"] for span in _all(collector) if span.failed}


def test_a_web_socket_is_traced_to_its_end(collector: Collector, client: TestClient) -> None:
    with client.websocket_connect(f"/listen/{uuid.UUID(int=8)}?key={SECRET}") as socket:
        trace = socket.receive_text()
        with pytest.raises(WebSocketDisconnect):
            socket.receive_text()
    span = _one(collector, "GET /listen/{job_id}")
    assert span.trace == trace
    assert span.attributes["http.response.status_code"] == 101
    assert span.attributes["harken.job.id"] == str(uuid.UUID(int=8))


SERVER = """
import socket, sys
from fastapi import FastAPI
from starlette.middleware import Middleware
from harken.server.middleware import RequestContext
from harken.server.serving import server
from harken.server.tracing import Trace
from harken.telemetry import traces

traces.switch_on("api")
app = FastAPI(middleware=[Middleware(RequestContext), Middleware(Trace)])
app.get("/last")(lambda: None)
with socket.create_server(("127.0.0.1", 0)) as listener:
    print(listener.getsockname()[1], flush=True)
    server(app, drain=1).run(sockets=[listener])
"""


def test_a_server_that_stops_sends_what_it_has(collector: Collector) -> None:
    with subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        assert httpx.get(f"http://127.0.0.1:{port}/last").status_code == 200
        process.terminate()
        process.wait(60)
    assert [span.name for span in collector.spans] == ["GET /last"]
