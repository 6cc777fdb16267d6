# SPDX-License-Identifier: Apache-2.0
"""What every answer has: ids, times, CORS, one shape of errors. And the pages for operators."""

from __future__ import annotations

import contextlib
import http.client
import re
import select
import socket
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx
import pytest
from tests.server.conftest import PATIENCE, until

from harken.ports import Readiness

if TYPE_CHECKING:
    from tests.server.conftest import Running, Serve


def shape(answer: httpx.Response) -> dict[str, str | None]:
    """The error of an answer, which must have all its parts."""
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert set(body) == {"error"}
    error: dict[str, str | None] = body["error"]
    assert set(error) == {"message", "type", "code", "param", "request_id"}
    assert error["message"]
    assert error["request_id"] == answer.headers["x-request-id"]
    return error


def test_request_id_and_time_on_everything(server: Running) -> None:
    for path in ("/", "/healthz", "/v1/models", "/nowhere", "/v1/transcription-jobs/none"):
        answer = httpx.get(server.url + path, headers={"X-Request-ID": "mine-1.2:3"})
        assert answer.headers["x-request-id"] == "mine-1.2:3"
        assert float(answer.headers["x-process-time-ms"]) >= 0


@pytest.mark.parametrize("silly", ["", "a b", "<script>", "x" * 129, "é"])
def test_an_id_that_is_not_sane_is_replaced(server: Running, silly: str) -> None:
    answer = httpx.get(server.url + "/healthz", headers=[(b"X-Request-ID", silly.encode())])
    assert answer.headers["x-request-id"] != silly
    assert len(answer.headers["x-request-id"]) == 32


def test_router_errors_have_the_shape(server: Running) -> None:
    assert shape(httpx.get(server.url + "/nowhere"))["code"] == "not_found"
    refused = httpx.put(server.url + "/v1/audio/transcriptions")
    assert refused.status_code == 405
    assert refused.headers["allow"] == "POST"
    assert shape(refused)["code"] == "method_not_allowed"
    own = httpx.options(f"{server.url}/api/v1/transcribe/url/")
    assert (own.status_code, own.headers["allow"]) == (405, "POST"), "not those of /api/v1/transcribe/{job_id}/"
    assert httpx.put(server.url + "/v1/transcription-jobs/x").headers["allow"] == "GET, DELETE"
    wrong = httpx.get(server.url + "/v1/transcription-jobs?limit=many")
    assert wrong.status_code == 400
    assert shape(wrong)["param"] == "limit"


def test_a_500_is_shaped_logged_and_readable_by_browsers(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve(cors_origins=("https://page.example",))
    monkeypatch.setattr(server.backend, "jobs", lambda *_: 1 / 0)
    answer = httpx.get(server.url + "/v1/transcription-jobs", headers={"Origin": "https://page.example"})
    assert answer.status_code == 500
    error = shape(answer)
    assert error["code"] == "internal_error"
    assert "division" not in str(error["message"])
    assert answer.headers["access-control-allow-origin"] == "https://page.example"
    assert "x-process-time-ms" in answer.headers
    assert str(error["request_id"]) in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_cors_stands_on_refusals_and_preflights(serve: Serve) -> None:
    server = serve(cors_origins=("https://page.example",), api_keys=("key",))
    origin = {"Origin": "https://page.example"}
    refused = httpx.get(server.url + "/v1/models", headers=origin)
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == "Bearer"
    assert refused.headers["access-control-allow-origin"] == "https://page.example"
    asked = httpx.options(
        server.url + "/v1/audio/transcriptions",
        headers={**origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"},
    )
    assert asked.status_code == 200
    assert "authorization" in asked.headers["access-control-allow-headers"].lower()
    other = httpx.get(server.url + "/healthz", headers={"Origin": "https://other.example"})
    assert "access-control-allow-origin" not in other.headers


def test_without_origins_no_browser_may_read(server: Running) -> None:
    answer = httpx.get(server.url + "/healthz", headers={"Origin": "https://page.example"})
    assert "access-control-allow-origin" not in answer.headers


def test_pages_of_others_have_nothing_done_where_there_are_no_keys(serve: Serve) -> None:
    server = serve(cors_origins=("https://page.example",))
    rotate = server.url + "/api/v1/webhooks/secret/rotate/"
    for origin in ("https://evil.example", "http://localhost:1", "null"):
        refused = httpx.post(rotate, headers={"Origin": origin})
        assert refused.status_code == 403
        assert "HARKEN_CORS_ORIGINS" in refused.json()["message"]
    for own in ({}, {"Origin": server.url}, {"Origin": "https://page.example"}):
        assert httpx.post(rotate, headers=own).status_code == 200
    assert httpx.get(server.url + "/v1/models", headers={"Origin": "https://evil.example"}).status_code == 200
    keyed = serve(api_keys=("key",))
    told = {"Origin": "https://evil.example", "Authorization": "Bearer key"}
    assert httpx.post(keyed.url + "/api/v1/webhooks/secret/rotate/", headers=told).status_code == 200


def test_keys_guard_everything_but_health_and_documentation(serve: Serve) -> None:
    server = serve(api_keys=("key",))
    for path in ("/", "/healthz", "/readyz", "/openapi.json", "/docs"):
        assert httpx.get(server.url + path).status_code == 200
    for path in ("/v1/models", "/metrics", "/v1/transcription-jobs", "/nowhere"):
        refused = httpx.get(server.url + path)
        assert refused.status_code == 401
        assert shape(refused)["type"] == "authentication_error"
        assert httpx.get(server.url + path, headers={"Authorization": "Basic key"}).status_code == 401
    assert httpx.get(server.url + "/v1/models", headers={"Authorization": "bearer key"}).status_code == 200


def test_documentation_needs_no_network_and_no_key(serve: Serve) -> None:
    server = serve(api_keys=("key",))
    page = httpx.get(server.url + "/docs").text
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(loaded) == 3, "a script, a style, an icon"
    for path in loaded:
        assert path.startswith("/"), "from here"
        assert httpx.get(server.url + path).status_code == 200
    assert "//" not in re.sub(r"(?m)^\s*//.*$", "", page)
    assert httpx.get(server.url + "/docs/assets/../../v1/models").status_code == 401


@pytest.mark.parametrize("host", ["evil.example", "127.evil.example:80", "10.0.0.7", "[::2]:1", ""])
def test_without_keys_no_other_name_is_answered(serve: Serve, host: str) -> None:
    open_server = serve()
    refused = httpx.get(open_server.url + "/v1/models", headers={"Host": host})
    assert refused.status_code == 403
    assert shape(refused)["code"] == "forbidden"
    keyed = serve(api_keys=("key",))
    headers = {"Host": host, "Authorization": "Bearer key"}
    assert httpx.get(keyed.url + "/v1/models", headers=headers).status_code == 200


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:1", "[::1]:8000"])
def test_without_keys_this_machine_is_answered(server: Running, host: str) -> None:
    assert httpx.get(server.url + "/v1/models", headers={"Host": host}).status_code == 200


def test_rate_limit(serve: Serve) -> None:
    server = serve(requests_per_minute=3)
    answers = [httpx.get(server.url + "/v1/models") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert shape(answers[3])["type"] == "rate_limit_error"
    assert 1 <= int(answers[3].headers["retry-after"]) <= 20
    assert httpx.get(server.url + "/healthz").status_code == 200


def test_concurrency_limit(serve: Serve, recording: bytes) -> None:
    server = serve(max_concurrent_requests=2)
    server.backend.hold()
    waiting = [
        threading.Thread(
            target=httpx.post,
            args=(server.url + "/v1/audio/transcriptions",),
            kwargs={"files": {"file": recording}, "timeout": PATIENCE},
        )
        for _ in range(2)
    ]
    for thread in waiting:
        thread.start()
    try:
        until(lambda: len(server.backend.submissions) == 2)
        refused = httpx.post(server.url + "/v1/audio/transcriptions", files={"file": recording})
        assert refused.status_code == 429
        assert shape(refused)["code"] == "too_many_requests"
        assert int(refused.headers["retry-after"]) >= 1
        assert httpx.get(server.url + "/v1/transcription-jobs").status_code == 200, "asking is not limited by it"
    finally:
        server.backend.go()
        for thread in waiting:
            thread.join()
    assert len(server.backend.submissions) == 2
    assert httpx.post(server.url + "/v1/audio/transcriptions", files={"file": recording}).status_code == 200
    server.clean()


def test_a_full_queue_is_a_429_that_leaves_nothing_behind(server: Running, recording: bytes) -> None:
    server.backend.hold()
    server.backend.queue_limit = 1
    first = httpx.post(server.url + "/v1/transcription-jobs", files={"file": recording})
    refused = httpx.post(server.url + "/v1/transcription-jobs", files={"file": recording})
    assert (first.status_code, refused.status_code) == (202, 429)
    assert shape(refused)["code"] == "queue_full"
    assert "retry-after" in refused.headers
    server.clean()
    assert server.backend.keys() == {first.json()["id"]}


def test_health_is_not_held_up_by_waiting_requests(serve: Serve, recording: bytes) -> None:
    server = serve(max_concurrent_requests=200)
    server.backend.hold()
    threads = [
        threading.Thread(
            target=httpx.post,
            args=(server.url + "/v1/audio/transcriptions",),
            kwargs={"files": {"file": recording}, "timeout": PATIENCE},
        )
        for _ in range(64)
    ]
    for thread in threads:
        thread.start()
    until(lambda: len(server.backend.submissions) == 64)
    for path in ("/healthz", "/readyz", "/v1/models"):
        assert httpx.get(server.url + path, timeout=PATIENCE).status_code == 200
    server.backend.go()
    for thread in threads:
        thread.join()
    server.clean()


def test_readiness_names_the_part_that_fails(server: Running) -> None:
    assert httpx.get(server.url + "/readyz").json()["status"] == "ready"
    server.backend.ready[1] = Readiness("workers", False, "no worker is alive")
    answer = httpx.get(server.url + "/readyz")
    assert answer.status_code == 503
    assert "retry-after" in answer.headers
    body = answer.json()
    assert body["error"]["message"] == "workers: no worker is alive"
    assert [check["part"] for check in body["checks"] if not check["ok"]] == ["workers"]


@pytest.mark.parametrize("stream", ["false", "true"])
def test_waiting_requests_outlast_a_database_that_is_away_for_a_moment(
    server: Running, recording: bytes, stream: str
) -> None:
    server.backend.hold()
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(
            httpx.post,
            f"{server.url}/v1/audio/transcriptions",
            files={"file": ("a.wav", recording)},
            data={"model": "base", "stream": stream},
            timeout=PATIENCE,
        )
        server.backend.only()
        server.backend.away = 5
        until(lambda: server.backend.away == 0)
        server.backend.go()
        answer = waiting.result(PATIENCE)
    assert answer.status_code == 200
    assert "how are <you>?" in answer.text


def test_a_database_that_is_away_is_a_503(server: Running) -> None:
    server.backend.away = 1
    answer = httpx.get(f"{server.url}/v1/transcription-jobs/{uuid.uuid4()}")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "2"
    assert answer.json()["error"]["code"] == "store_unavailable"


def test_metrics_count_by_route(server: Running, recording: bytes) -> None:
    job = httpx.post(server.url + "/v1/transcription-jobs", files={"file": recording}).json()["id"]
    httpx.get(server.url + f"/v1/transcription-jobs/{job}")
    httpx.request("BREW", server.url + "/healthz")
    page = httpx.get(server.url + "/metrics")
    assert page.headers["content-type"].startswith("text/plain")
    assert 'route="/v1/transcription-jobs/{job_id}",status="200"' in page.text
    assert job not in page.text
    assert "BREW" not in page.text


def test_the_front_door_and_heads(server: Running) -> None:
    front = httpx.get(server.url + "/").json()
    assert front["name"] == "harken"
    assert httpx.get(server.url + front["documentation"]).status_code == 200
    assert httpx.head(server.url + "/healthz").status_code == 200
    assert httpx.head(server.url + "/readyz").status_code == 200


def test_who_looks_now_and_then_keeps_the_connection(server: Running) -> None:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)) as connection:
        connection.request("GET", "/healthz")
        assert connection.getresponse().read()
        own = connection.sock
        # Document 004's programs look at a job every five seconds. Nothing comes, not even an end.
        assert select.select([own], [], [], 8.0)[0] == []
        connection.request("GET", "/healthz")
        assert connection.getresponse().status == 200
        assert connection.sock is own


def test_an_answer_goes_out_at_once(server: Running) -> None:
    with socket.create_connection(("127.0.0.1", server.port)):
        listening = server.http.servers[0].sockets
        assert all(one.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) for one in listening)
