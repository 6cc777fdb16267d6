# SPDX-License-Identifier: Apache-2.0
"""What the whole server logs when it is told to log all it can: ids to find things by, nothing that is anybody's."""

from __future__ import annotations

import json
import re
from pathlib import Path

import httpx
import pytest
from tests.system.conftest import PATIENCE, until
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from harken.bench.server import started
from harken.config import Settings
from harken.model import Policy
from harken.wiring.accounts import offline_gate

STATIC = "a-static-key-from-the-settings"
LANGUAGE_MODEL_KEY = "the-key-of-the-language-model"
SERVER_SECRET = "a-secret-of-the-server-of-32-characters"


def test_logs_have_ids_and_no_secrets(
    base_model: Path, vad_model: Path, beckett_wav: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "HARKEN_LOG_LEVEL": "debug",
        "HARKEN_LOG_FORMAT": "json",
        "HARKEN_CHILDREN": "1",
        "HARKEN_API_KEYS": STATIC,
        "HARKEN_SECRET": SERVER_SECRET,
        # Nobody is there, so that its failures are logged too.
        "HARKEN_LLM_BASE_URL": "http://127.0.0.1:9/v1",
        "HARKEN_LLM_API_KEY": LANGUAGE_MODEL_KEY,
        "HARKEN_LLM_MODEL": "none",
        "HARKEN_LLM_TIMEOUT": "2",
    }.items():
        monkeypatch.setenv(name, value)
    with started(tmp_path) as url, httpx.Client(base_url=url, timeout=PATIENCE) as http:
        settings = Settings(data_dir=tmp_path / "data")
        with offline_gate(settings) as gate:
            account = gate.accounts.create("a customer", "tests")
            known, key = gate.accounts.create_key(account.id, "phone", Policy(), "tests")
            _, revoked = gate.accounts.create_key(account.id, "lost phone", Policy(), "tests")
            gate.accounts.revoke_key(gate.accounts.key(revoked.split("_")[1]).id, "tests")
        mine = {"Authorization": f"Bearer {key}", "X-Request-ID": "one-of-ours"}
        heard = http.post(
            "/v1/audio/transcriptions",
            files={"file": ("a private matter.wav", beckett_wav.read_bytes())},
            data={"model": "base", "prompt": "confidential spelling"},
            headers=mine,
        )
        assert heard.status_code == 200, heard.text
        job, text = heard.headers["x-harken-job"], heard.json()["text"]

        live = f"{url.replace('http', 'ws', 1)}/api/transcribe/live/{job}"
        with connect(live, subprotocols=[Subprotocol("bearer"), Subprotocol(key)], open_timeout=PATIENCE) as socket:
            assert "segment" in str(socket.recv(PATIENCE)) + str(socket.recv(PATIENCE))
        theirs = {"Authorization": f"Bearer {revoked}"}
        with connect(f"{live}?token={key}", additional_headers=theirs, open_timeout=PATIENCE) as socket:
            assert "revoked" in str(socket.recv(PATIENCE))
        made = http.post(f"/v1/transcription-jobs/{job}/summary", headers=mine).json()
        stage = f"/v1/transcription-jobs/{job}/stages/{made['id']}"
        until(lambda: http.get(stage, headers=mine).json()["status"] == "failed")
        for refused in (revoked, f"{key}x", "nonsense"):
            headers = {"Authorization": f"Bearer {refused}"}
            assert http.get(f"/v1/models?api_key={refused}", headers=headers).status_code == 401
        assert http.get("/v1/voices", headers={"Authorization": f"Bearer {STATIC}"}).status_code == 200
        broken = http.post(
            "/api/v1/transcribe/", files={"file": ("a private matter.mp3", b"ID3 rubbish")}, headers=mine
        )
        assert broken.status_code == 415

    lines = (tmp_path / "server.log").read_text().splitlines()
    told = [line for line in lines if not line.startswith("{")]
    assert len(told) == 1, told
    assert "administrator's password" in told[0]
    password = told[0].split()[-1]
    log = "\n".join(line for line in lines if line.startswith("{"))
    assert len(log) > 1000, "it is to log all it can"

    spoken = re.findall(r"\w+", text)
    assert len(spoken) > 9
    phrases = {" ".join(spoken[place : place + 3]) for place in range(len(spoken) - 2)}
    plain = " ".join(re.findall(r"\w+", log))
    assert not [phrase for phrase in phrases if phrase.lower() in plain.lower()]
    secrets = (key, revoked, key.split("_")[2], STATIC, LANGUAGE_MODEL_KEY, SERVER_SECRET, password)
    for secret in (*secrets, "private matter", "confidential spelling", "Bearer"):
        assert secret not in log, secret

    entries = [json.loads(line) for line in log.splitlines()]
    request = [entry for entry in entries if entry.get("request_id") == "one-of-ours" and entry.get("job_id") == job]
    assert request, "the request that made the job"
    assert (request[0]["account"], request[0]["key"]) == (account.id, known.id)
    assert request[0]["message"].startswith("POST /v1/audio/transcriptions: 200 in ")
    assert [entry["message"] for entry in entries if entry.get("job_id") == job and "harken.jobs" in entry["logger"]][
        :1
    ] == [f"job {job}: completed"]
