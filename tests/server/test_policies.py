# SPDX-License-Identifier: Apache-2.0
"""What a key may, over HTTP and in every dialect's words: models, languages, how fast, how much at once, and what it
costs. Two servers on one database are two processes to each other.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.server.conftest import PATIENCE, until

from harken.errors import NotEnoughCredits
from harken.model import EVERYDAY, Policy
from harken.server.auth import TRUST

if TYPE_CHECKING:
    from tests.server.conftest import Running, Serve

DOORS = ("/v1/audio/transcriptions", "/v1/transcription-jobs", "/api/audio/process", "/api/transcribe",
         "/api/retranslate/segment", "/api/v1/transcribe/")  # fmt: skip
MODEL = dict.fromkeys(DOORS, "model_name") | {"/api/audio/process": "whisper_model"}
MODEL |= {door: "model" for door in DOORS if door.startswith(("/v1", "/api/v1"))}


def authorized(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def send(server: Running, door: str, key: str, recording: bytes, **fields: str) -> httpx.Response:
    spans = {"segment_id": "s", "start_time": "0", "end_time": "1"} if "retranslate" in door else {}
    return httpx.post(
        server.url + door,
        files={"file": ("a.wav", recording)},
        data={**spans, **fields},
        headers=authorized(key),
        timeout=PATIENCE,
    )


def told(answer: httpx.Response) -> tuple[str | None, str]:
    """Code and message, by the dialect's shape; the dialects that tell a detail have no codes."""
    body: dict[str, Any] = answer.json()
    match body:
        case {"error": {"code": code, "message": message}}:
            return code, message
        case {"error": code, "message": message}:
            return code, message
    assert set(body) == {"detail"}
    return None, body["detail"]


@pytest.mark.parametrize("door", DOORS)
def test_models_and_languages(server: Running, recording: bytes, door: str) -> None:
    account = server.gate.account("a customer")
    key = server.gate.key(account, policy=Policy(EVERYDAY, models=("base",), languages=("en", "fr")))
    name = MODEL[door]
    refused = send(server, door, key, recording, **{name: "tiny"})
    assert refused.status_code == 403, refused.text
    assert told(refused)[0] in ("forbidden", None)
    assert told(refused)[1] == "this API key may not use the model tiny, only base"
    # The audio dialect's document has no language.
    if door != "/api/audio/process":
        refused = send(server, door, key, recording, **{name: "base", "language": "de"})
        assert refused.status_code == 403, refused.text
        assert told(refused)[1] == "this API key may not use the language de, only en, fr"
    assert not server.backend.submissions
    assert send(server, door, key, recording, **{name: "base"}).is_success
    assert server.backend.submissions[-1].job.options.languages == ("en", "fr"), "nothing else is detected"
    server.clean()


@pytest.mark.parametrize("door", DOORS)
def test_too_few_credits(server: Running, recording: bytes, monkeypatch: pytest.MonkeyPatch, door: str) -> None:
    def refuse(_: object) -> None:
        raise NotEnoughCredits("this takes 1 credit, and 0.5 are left")

    monkeypatch.setattr(server.backend, "submit", refuse)
    key = server.gate.key(server.gate.account("a customer"))
    refused = send(server, door, key, recording)
    assert refused.status_code == 402, refused.text
    code, message = told(refused)
    assert code in ("insufficient_credits", None)
    assert message == "this takes 1 credit, and 0.5 are left"
    if door.startswith("/v1"):
        assert refused.json()["error"]["type"] == "insufficient_quota"
    server.clean()


def test_a_rate_holds_over_processes(serve: Serve) -> None:
    servers = [serve(requests_per_minute=1000), serve(requests_per_minute=1000)]
    gate = servers[0].gate
    account = gate.account("a customer")
    slow, quick = gate.key(account, policy=Policy(EVERYDAY, rate=4)), gate.key(account)
    seen = [httpx.get(servers[turn % 2].url + "/v1/models", headers=authorized(slow)) for turn in range(6)]
    assert [answer.status_code for answer in seen] == [200, 200, 200, 200, 429, 429]
    assert 1 <= int(seen[-1].headers["retry-after"]) <= 15
    for path, shape in (
        ("/v1/models", "error"),
        ("/api/transcribe/jobs", "detail"),
        ("/api/v1/transcribe/", "message"),
    ):
        refused = httpx.get(servers[0].url + path, headers=authorized(slow))
        assert refused.status_code == 429
        assert shape in refused.json()
    # Another key of the same account has a rate of its own, and the server's.
    assert httpx.get(servers[0].url + "/v1/models", headers=authorized(quick)).status_code == 200


def test_places_hold_over_processes(serve: Serve, recording: bytes) -> None:
    servers = [serve(), serve()]
    gate = servers[0].gate
    account = gate.account("a customer")
    narrow, wide = gate.key(account, policy=Policy(EVERYDAY, concurrency=1)), gate.key(account)
    servers[0].backend.hold()
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(send, servers[0], "/v1/audio/transcriptions", narrow, recording)
        servers[0].backend.only()
        for server in servers:
            refused = send(server, "/v1/transcription-jobs", narrow, recording)
            assert refused.status_code == 429
            assert int(refused.headers["retry-after"]) >= 1
            assert told(refused)[0] == "too_many_requests"
        assert send(servers[1], "/v1/transcription-jobs", wide, recording).status_code == 202
        servers[0].backend.go()
        assert waiting.result(PATIENCE).status_code == 200
    assert until(lambda: send(servers[1], "/v1/transcription-jobs", narrow, recording).status_code == 202)


def test_a_key_that_is_revoked_opens_nothing_a_moment_later(server: Running) -> None:
    gate = server.gate
    account = gate.account("a customer")
    key = gate.key(account)
    assert httpx.get(server.url + "/v1/models", headers=authorized(key)).status_code == 200
    gate.revoke(key)
    assert until(lambda: httpx.get(server.url + "/v1/models", headers=authorized(key)).status_code == 401)
    assert TRUST <= 1
    other = gate.key(account)
    assert httpx.get(server.url + "/v1/models", headers=authorized(other)).status_code == 200
    gate.accounts.close(account.id, "tests")
    assert until(lambda: httpx.get(server.url + "/v1/models", headers=authorized(other)).status_code == 401)


def test_a_server_of_this_machine_alone_asks_for_a_key_once_there_is_one(server: Running) -> None:
    assert httpx.get(server.url + "/v1/models").status_code == 200
    key = server.gate.key(server.gate.account("a customer"))
    assert until(lambda: httpx.get(server.url + "/v1/models").status_code == 401)
    assert httpx.get(server.url + "/v1/models", headers=authorized(key)).status_code == 200
    server.gate.revoke(key)
    assert until(lambda: httpx.get(server.url + "/v1/models", headers=authorized(key)).status_code == 401)
    assert httpx.get(server.url + "/v1/models").status_code == 401, "revoking the last one opens nothing"


def test_without_a_key_other_machines_find_the_health_alone(serve: Serve) -> None:
    server = serve(optional=False)
    assert httpx.get(server.url + "/healthz").status_code == 200
    refused = httpx.get(server.url + "/v1/models")
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == "Bearer"
