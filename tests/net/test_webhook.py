# SPDX-License-Identifier: Apache-2.0
"""Webhooks: what receivers verify with the reference library, and what comes of receivers that do not play along."""

from __future__ import annotations

import json
import socket
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from tests.net.far import Far, response

from harken.errors import JobCancelled
from harken.net.addresses import networks
from harken.net.guard import Guard
from harken.net.watch import Limits
from harken.net.webhook import Outcome, Receipt, delay, deliver, new_secret, sign

BODY = json.dumps({"id": "550e8400", "status": "completed", "transcript": "Grüße, 你好"}, ensure_ascii=False).encode()
SECRET = new_secret()


def send(guard: Guard, url: str, *secrets: str, limits: Limits | None = None, **more: Any) -> Receipt:
    more |= {"limits": limits} if limits else {}
    return deliver(guard, url, BODY, secrets or [SECRET], message_id="msg_1", timestamp=int(time.time()), **more)


def head_of(request: bytes) -> dict[str, str]:
    lines = request.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}


def test_the_reference_library_verifies_what_arrives(far: Far, guard: Guard) -> None:
    receipt = send(guard, far.page("/hook", response(b"thanks")))
    assert receipt == Receipt(Outcome.DELIVERED, 200, answer="thanks")
    (request,) = far.requests
    assert request.startswith(b"POST /hook HTTP/1.1\r\n")
    body = request.partition(b"\r\n\r\n")[2]
    assert body == BODY
    headers = head_of(request)
    assert headers["content-type"] == "application/json"
    assert Webhook(SECRET).verify(body, headers)["status"] == "completed"
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body.replace(b"completed", b"failed"), headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body, headers | {"webhook-id": "msg_2"})


def test_both_secrets_verify_while_they_change(far: Far, guard: Guard) -> None:
    old, new = new_secret(), new_secret()
    send(guard, far.page("/hook", response()), new, old)
    for secret in (old, new):
        Webhook(secret).verify(BODY, head_of(far.requests[0]))


def test_the_example_of_the_specification() -> None:
    """As the reference libraries' own tests have it."""
    headers = sign(
        b'{"test": 2432232314}', ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    "secret",
    ["", "whsec_", "whsec_c2hvcnQ=", "whsec_no base64!", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_" + "A" * 92],
)
def test_what_is_no_secret(secret: str) -> None:
    with pytest.raises(ValueError, match="a webhook secret is whsec_ and"):
        sign(BODY, [secret], "msg_1", 1)


def test_nothing_goes_out_unsigned() -> None:
    with pytest.raises(ValueError, match="secret"):
        sign(BODY, [], "msg_1", 1)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("200 OK", Outcome.DELIVERED),
        ("204 No Content", Outcome.DELIVERED),
        ("301 Moved Permanently", Outcome.FAILED),
        ("400 Bad Request", Outcome.FAILED),
        ("410 Gone", Outcome.GONE),
        ("500 Oops", Outcome.FAILED),
    ],
)
def test_what_a_status_means(status: str, outcome: Outcome, far: Far, guard: Guard) -> None:
    receipt = send(guard, far.page("/hook", response(status=status)))
    assert (receipt.outcome, receipt.status) == (outcome, int(status[:3]))
    assert (receipt.reason is None) == (outcome is Outcome.DELIVERED)


def test_a_redirect_is_not_followed(far: Far, guard: Guard) -> None:
    other = far.page("/other", response())
    receipt = send(guard, far.page("/hook", response(status="307 Elsewhere", location=other)))
    assert receipt.outcome is Outcome.FAILED
    assert receipt.reason is not None
    assert "redirect" in receipt.reason
    assert len(far.requests) == 1


@pytest.mark.parametrize(
    "url", ["http://10.0.0.1/", "http://169.254.169.254/x", "http://localhost:8080/", "ftp://x/", "x"]
)
def test_private_addresses_are_not_called(url: str) -> None:
    receipt = send(Guard(resolve=lambda host, port: ["127.0.0.1"]), url)
    assert receipt.outcome is Outcome.REFUSED
    assert receipt.status is None


def test_a_name_that_turns_private_between_tries_is_refused(far: Far) -> None:
    answers = iter([["127.0.0.1"], ["192.168.0.1"]])
    guard = Guard(networks(["127.0.0.1"]), resolve=lambda host, port: next(answers))
    far.page("/hook", response())
    url = far.url("/hook", "hooks.example")
    assert [send(guard, url).outcome for _ in range(2)] == [Outcome.DELIVERED, Outcome.REFUSED]
    assert far.calls == 1


def test_a_receiver_that_is_down_slow_or_rude(far: Far, guard: Guard) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert send(guard, f"http://127.0.0.1:{port}/").outcome is Outcome.FAILED

    def silent(line: socket.socket, request: bytes) -> None:
        far.closing.wait()

    short = Limits(max_bytes=10, idle=0.1)
    assert send(guard, far.page("/silent", silent), limits=short).outcome is Outcome.FAILED
    assert send(guard, far.page("/rude", b"no\r\n\r\n")).outcome is Outcome.FAILED


def test_a_receiver_that_does_not_take_the_body(far: Far, guard: Guard) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/"
        receipt = deliver(
            guard, url, bytes(64_000_000), [SECRET], message_id="m", timestamp=1, limits=Limits(max_bytes=1, idle=0.2)
        )
    assert receipt.outcome is Outcome.FAILED
    assert receipt.reason is not None
    assert "silent" in receipt.reason


def test_only_the_beginning_of_an_answer_is_read(far: Far, guard: Guard) -> None:
    def endless(line: socket.socket, request: bytes) -> None:
        line.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while not far.closing.is_set():
            line.sendall(b"yes " * 1000)

    receipt = send(guard, far.page("/endless", endless), limits=Limits(max_bytes=10))
    assert receipt == Receipt(Outcome.DELIVERED, 200, answer="yes yes ye")

    def stuck(line: socket.socket, request: bytes) -> None:
        line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nyes")
        far.closing.wait()

    receipt = send(guard, far.page("/stuck", stuck), limits=Limits(max_bytes=10, idle=4.0))
    assert receipt == Receipt(Outcome.DELIVERED, 200, answer="yes")


def test_a_receiver_may_ask_for_a_pause(far: Far, guard: Guard) -> None:
    for asked, pause in (("120", 120.0), ("99999999", 86400.0), ("soon", None), ("-1", None)):
        url = far.page("/hook", response(status="429 Too Many", retry_after=asked))
        assert send(guard, url).retry_after == pause


def test_cancelling_is_not_a_failure_of_the_receiver(far: Far, guard: Guard) -> None:
    with pytest.raises(JobCancelled):
        send(guard, far.page("/hook", response()), cancelled=lambda: True)


@given(st.integers(1, 50), st.floats(0, 1))
def test_pauses_grow_and_come_to_an_end(failed: int, chance: float) -> None:
    pause = delay(failed, chance)
    longest = delay(failed, 1.0)
    assert (pause is None) == (longest is None)
    if pause is not None and longest is not None:
        assert 0 <= pause <= longest
        assert pause == pytest.approx(longest * chance)
        assert failed == 1 or longest > (delay(failed - 1, 1.0) or 0)


def test_there_are_several_tries_over_about_a_day() -> None:
    pauses: list[float] = []
    while (pause := delay(len(pauses) + 1, 0.5)) is not None:
        pauses.append(pause)
    assert len(pauses) + 1 >= 5
    assert 20 * 3600 < sum(pauses) < 30 * 3600
