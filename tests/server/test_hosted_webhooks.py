# SPDX-License-Identifier: Apache-2.0
"""Webhooks of the hosted dialect, sent for real to receivers on loopback that do as they should, or not."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from tests.net.far import Far, response
from tests.server.conftest import PATIENCE, running, until
from tests.server.mail import TRIES
from tests.server.test_hosted import NOBODY, ended, refused, start, strict

from harken.errors import CorruptMedia
from harken.server.dialects.hosted.schema import HostedDeliveries, HostedDelivery, HostedSecret

if TYPE_CHECKING:
    from tests.server.conftest import Running, Serve

WEBHOOKS = "/api/v1/webhooks/"


@pytest.fixture
def http(server: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=PATIENCE) as client:
        yield client


@pytest.fixture
def far() -> Iterator[Far]:
    with Far() as receiver:
        yield receiver


def says(*answers: bytes) -> Callable[[socket.socket, bytes], None]:
    """Give one answer after the other, and the last from then on."""
    left = list(answers)

    def answer(line: socket.socket, _: bytes) -> None:
        line.sendall(left.pop(0) if len(left) > 1 else left[0])

    return answer


def sent(request: bytes) -> tuple[dict[str, str], bytes]:
    """Headers and body of what a receiver got."""
    head, _, body = request.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    return {name.lower(): value for name, value in headers.items()}, body


def deliveries(http: httpx.Client) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = strict(HostedDeliveries, http.get(WEBHOOKS))["webhooks"]
    return told


def delivery(http: httpx.Client, status: str) -> dict[str, Any]:
    """The newest delivery, once that is what became of it."""

    def look() -> dict[str, Any] | None:
        told = deliveries(http)
        return told[0] if told and told[0]["status"] == status else None

    return until(look)


def secret(http: httpx.Client) -> str:
    told: str = strict(HostedSecret, http.get(WEBHOOKS + "secret/"))["secret"]
    return told


def test_the_result_comes_signed(http: httpx.Client, far: Far, recording: bytes) -> None:
    url = far.page("/transcription-complete", response(b"thanks"))
    job_id = start(http, recording, diarization="true", summary="true", webhook_url=url)
    told = delivery(http, "delivered")
    (request,) = far.requests
    assert request.startswith(b"POST /transcription-complete HTTP/1.1\r\n")
    headers, body = sent(request)
    assert headers["content-type"] == "application/json"
    assert Webhook(secret(http)).verify(body, headers) == json.loads(body)
    assert json.loads(body) == http.get(f"/api/v1/transcribe/{job_id}/").json(), "what is told to who asks"
    assert headers["webhook-id"] == told["id"]
    assert (told["transcription_id"], told["url"], told["next_try_at"]) == (job_id, url, None)
    assert [(one["delivered"], one["status_code"]) for one in told["tries"]] == [(True, 200)]
    with pytest.raises(WebhookVerificationError):
        Webhook(secret(http)).verify(body.replace(b"there", b"where"), headers)


def test_a_failure_is_told_too(http: httpx.Client, server: Running, far: Far, recording: bytes) -> None:
    server.backend.failure = CorruptMedia("it breaks off")
    url = far.page("/hook", response())
    job_id = start(http, recording, webhook_url=url)
    delivery(http, "delivered")
    assert json.loads(sent(far.requests[0])[1]) == {
        "id": job_id, "status": "failed", "error": "corrupt_media", "error_message": "it breaks off",
    }  # fmt: skip


def test_what_came_from_a_url_is_told(http: httpx.Client, far: Far) -> None:
    told = {"url": "https://example.com/a.mp3", "webhook_url": far.page("/hook", response())}
    job_id = http.post("/api/v1/transcribe/url/", json=told).json()["id"]
    assert delivery(http, "delivered")["transcription_id"] == job_id
    assert json.loads(sent(far.requests[0])[1])["status"] == "completed"


def test_a_receiver_that_fails_first(http: httpx.Client, far: Far, recording: bytes) -> None:
    broken = response(b"oh no", "500 Internal Server Error")
    url = far.page("/hook", says(broken, broken, response()))
    start(http, recording, webhook_url=url)
    told = delivery(http, "delivered")
    assert [one["status_code"] for one in told["tries"]] == [500, 500, 200]
    assert [one["delivered"] for one in told["tries"]] == [False, False, True]
    assert "500" in told["tries"][0]["reason"]
    messages = [sent(request) for request in far.requests]
    assert {headers["webhook-id"] for headers, _ in messages} == {told["id"]}, "one message, whatever the try"
    assert len({body for _, body in messages}) == 1


def test_a_receiver_that_is_down_harms_no_job(http: httpx.Client, recording: bytes) -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
    job_id = start(http, recording, webhook_url=f"http://127.0.0.1:{port}/hook")
    told = delivery(http, "failed")
    assert len(told["tries"]) == TRIES
    assert all(one["status_code"] is None and one["reason"] for one in told["tries"])
    assert ended(http, job_id)["status"] == "completed"


def test_a_dead_receiver_is_paused_until_something_is_sent_again(
    http: httpx.Client, far: Far, recording: bytes
) -> None:
    url = far.page("/hook", response(b"", "503 Service Unavailable"))
    start(http, recording, webhook_url=url)
    first = delivery(http, "failed")
    start(http, recording, webhook_url=url)
    delivery(http, "paused")
    assert len(far.requests) == TRIES, "it is left alone"
    far.page("/hook", response())
    answer = http.post(f"{WEBHOOKS}{first['id']}/replay/")
    assert answer.status_code == 202
    assert strict(HostedDelivery, answer)["status"] == "waiting"
    until(lambda: {one["status"] for one in deliveries(http)} == {"delivered"})
    assert len(far.requests) == TRIES + 2


def test_what_arrived_can_be_sent_again(http: httpx.Client, far: Far, recording: bytes) -> None:
    url = far.page("/hook", response())
    job_id = start(http, recording, diarization="true", webhook_url=url)
    told = delivery(http, "delivered")
    http.patch(f"/api/v1/transcribe/{job_id}/", json={"speakers": {"SPEAKER_00": "Host"}})
    assert http.post(f"{WEBHOOKS}{told['id']}/replay").status_code == 202
    until(lambda: len(far.requests) == 2)
    assert json.loads(sent(far.requests[1])[1])["speakers"][0]["label"] == "Host", "the result as it is now"
    assert sent(far.requests[1])[0]["webhook-id"] == told["id"]


@pytest.mark.parametrize("where", ["/inside", "http://169.254.169.254/latest/meta-data/"])
def test_no_redirect_is_followed(http: httpx.Client, server: Running, far: Far, recording: bytes, where: str) -> None:
    server.backend.mail.pause = lambda _: None
    far.page("/inside", response())
    start(http, recording, webhook_url=far.page("/hook", response(b"", "302 Found", location=where)))
    (tried,) = delivery(http, "failed")["tries"]
    assert (tried["status_code"], "redirects" in tried["reason"]) == (302, True)
    assert len(far.requests) == 1


def test_private_addresses_are_not_called(http: httpx.Client, recording: bytes) -> None:
    start(http, recording, webhook_url="http://169.254.169.254/latest/meta-data/")
    told = delivery(http, "failed")
    assert [one["status_code"] for one in told["tries"]] == [None], "it gets no better by trying again"
    assert told["tries"][0]["reason"]


def test_who_wants_no_more_gets_no_more(http: httpx.Client, far: Far, recording: bytes) -> None:
    url = far.page("/hook", response(b"", "410 Gone"))
    start(http, recording, webhook_url=url)
    assert len(delivery(http, "failed")["tries"]) == 1
    start(http, recording, webhook_url=url)
    delivery(http, "paused")
    assert len(far.requests) == 1


def test_a_slow_receiver_holds_up_nobody(http: httpx.Client, far: Far, recording: bytes) -> None:
    answer = threading.Event()

    def slowly(line: socket.socket, _: bytes) -> None:
        assert answer.wait(PATIENCE)
        line.sendall(response())

    slow = start(http, recording, webhook_url=far.page("/slow", slowly))
    until(lambda: far.requests)
    fast = start(http, recording, webhook_url=far.page("/fast", response()))
    assert delivery(http, "delivered")["transcription_id"] == fast
    assert ended(http, slow)["status"] == "completed"
    assert deliveries(http)[1]["status"] == "waiting"
    answer.set()
    until(lambda: {one["status"] for one in deliveries(http)} == {"delivered"})


def test_a_server_that_stops_waits_for_no_receiver(tmp_path: Path, far: Far, recording: bytes) -> None:
    def never(_line: socket.socket, _request: bytes) -> None:
        far.closing.wait()

    url = far.page("/hook", never)
    with running(tmp_path, {}) as server, httpx.Client(base_url=server.url, timeout=PATIENCE) as http:
        start(http, recording, webhook_url=url)
        until(lambda: far.requests)
    caller = server.gate.accounts.caller(None)
    (told,) = server.backend.mail.webhooks.deliveries(caller).deliveries
    assert (told.state, told.tries) == ("waiting", ()), "that was no try; it is made when the lease is over"
    server.backend.mail.close()


def test_what_is_deleted_is_not_told(http: httpx.Client, server: Running, far: Far, recording: bytes) -> None:
    server.backend.mail.pause = lambda _: 3600.0
    url = far.page("/hook", response(b"", "500 Internal Server Error"))
    job_id = start(http, recording, webhook_url=url)
    until(lambda: deliveries(http) and deliveries(http)[0]["tries"])
    assert http.delete(f"/api/v1/transcribe/{job_id}/").status_code == 204
    assert deliveries(http) == []


def test_secrets_change_with_an_overlap(http: httpx.Client, far: Far, recording: bytes) -> None:
    old = secret(http)
    assert secret(http) == old
    assert http.get(WEBHOOKS + "secret/").headers["cache-control"] == "no-store"
    told = strict(HostedSecret, http.post(WEBHOOKS + "secret/rotate/"))
    assert told["previous"] == [old]
    assert told["secret"] == secret(http) != old
    start(http, recording, webhook_url=far.page("/hook", response()))
    delivery(http, "delivered")
    headers, body = sent(far.requests[0])
    for one in (old, told["secret"]):
        assert Webhook(one).verify(body, headers)


def test_webhooks_are_their_owners(serve: Serve, far: Far, recording: bytes) -> None:
    server = serve(api_keys=("mine", "yours"))
    url = far.page("/hook", response())
    mine, yours = ({"Authorization": f"Bearer {key}"} for key in ("mine", "yours"))
    with httpx.Client(base_url=server.url, timeout=PATIENCE, headers=mine) as http:
        assert refused(httpx.get(server.url + WEBHOOKS)) == (401, "invalid_api_key")
        start(http, recording, webhook_url=url)
        told = delivery(http, "delivered")
        theirs = http.get(WEBHOOKS, headers=yours)
        assert theirs.json() == {"webhooks": [], "next_cursor": None}
        assert refused(http.post(f"{WEBHOOKS}{told['id']}/replay/", headers=yours)) == (404, "delivery_not_found")
        assert http.get(WEBHOOKS + "secret/", headers=yours).json()["secret"] != secret(http)
        assert refused(http.post(f"{WEBHOOKS}{NOBODY}/replay/")) == (404, "delivery_not_found")


def test_pages_of_deliveries(http: httpx.Client, far: Far, recording: bytes) -> None:
    url = far.page("/hook", response())
    for _ in range(3):
        start(http, recording, webhook_url=url)
    until(lambda: len(deliveries(http)) == 3)
    first = http.get(WEBHOOKS, params={"limit": 2}).json()
    rest = http.get(WEBHOOKS, params={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert rest["next_cursor"] is None
    told = [one["id"] for one in (*first["webhooks"], *rest["webhooks"])]
    assert told == [one["id"] for one in deliveries(http)]
    assert refused(http.get(WEBHOOKS, params={"cursor": "x"})) == (400, "invalid_option")
