# SPDX-License-Identifier: Apache-2.0
"""A server without keys, before which somebody put a proxy: whoever comes through it is a stranger."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest
from tests.server.conftest import PATIENCE
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

if TYPE_CHECKING:
    from tests.server.conftest import Running, Serve

PROXIED = (
    ("X-Forwarded-For", "203.0.113.7"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Anything", ""),
    ("x-real-ip", "127.0.0.1"),
    ("Forwarded", "for=203.0.113.7"),
    ("Via", "1.1 proxy"),
    ("CF-Connecting-IP", "203.0.113.7"),
)
WHAT_TO_DO = "harken keys create"


def test_who_comes_through_a_proxy_needs_a_key(serve: Serve) -> None:
    server = serve()
    where = server.url + "/v1/models"
    for name, value in PROXIED:
        refused = httpx.get(where, headers={"Host": "localhost", name: value})
        assert refused.status_code == 403, name
        error = refused.json()["error"]
        assert error["code"] == "forbidden"
        assert name.lower() in error["message"]
        assert WHAT_TO_DO in error["message"]
    assert httpx.get(where, headers={"X-Forward": "1", "X-Request-ID": "1"}).status_code == 200
    assert httpx.get(server.url + "/healthz", headers=dict(PROXIED)).status_code == 200, "health tells nothing"
    key = server.gate.key(server.gate.account("a customer"))
    answer = httpx.get(where, headers={"Host": "harken.example", "Authorization": f"Bearer {key}", **dict(PROXIED)})
    assert answer.status_code == 200


def test_a_web_socket_through_a_proxy_needs_a_key(server: Running) -> None:
    url = f"ws://127.0.0.1:{server.port}/api/transcribe/live/00000000-0000-0000-0000-000000000000"
    with connect(url, additional_headers={"X-Forwarded-For": "203.0.113.7"}, open_timeout=PATIENCE) as socket:
        assert WHAT_TO_DO in str(socket.recv())
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4403
