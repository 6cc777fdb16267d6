# SPDX-License-Identifier: Apache-2.0
"""Whoever listens with a key that is revoked meanwhile is sent away: web sockets and streams of events."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx
import pytest
from tests.server.conftest import PATIENCE
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

import harken.server.feeds

if TYPE_CHECKING:
    from tests.server.conftest import Running

JOBS = "/v1/transcription-jobs"


def last(socket: ClientConnection) -> tuple[str, int]:
    """The last that is said, and the code that the socket closes with."""
    said = ""
    try:
        while True:
            said = str(socket.recv(PATIENCE))
    except ConnectionClosed as end:
        return said, end.rcvd.code if end.rcvd else 1006


def test_who_listens_is_sent_away_with_the_key(
    server: Running, recording: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(harken.server.feeds, "AGAIN", 0.2)
    account = server.gate.account("a customer")
    stays, goes = ({"Authorization": f"Bearer {key}"} for key in (server.gate.key(account), server.gate.key(account)))
    server.backend.hold()
    job = httpx.post(server.url + JOBS, files={"file": ("a.wav", recording)}, headers=goes).json()["id"]
    live = f"ws://127.0.0.1:{server.port}/api/transcribe/live/{job}"
    with (
        connect(live, additional_headers=goes, open_timeout=PATIENCE) as sent_away,
        connect(live, additional_headers=stays, open_timeout=PATIENCE) as staying,
        httpx.stream("GET", f"{server.url}{JOBS}/{job}/events", headers=goes, timeout=PATIENCE) as events,
    ):
        for socket in (sent_away, staying):
            assert json.loads(socket.recv(PATIENCE))["status"] == "processing"
        server.gate.revoke(goes["Authorization"].removeprefix("Bearer "))
        said, code = last(sent_away)
        assert (code, "revoked" in said) == (4401, True)
        told = [line for line in events.iter_lines() if line.startswith(("event", "data"))]
        assert told[-2] == "event: error"
        assert json.loads(told[-1].removeprefix("data: "))["error"]["code"] == "invalid_api_key"
        server.backend.go()
        assert json.loads(last(staying)[0])["status"] == "completed", "the job goes on, for those who may listen"
    server.clean()
