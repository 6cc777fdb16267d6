# SPDX-License-Identifier: Apache-2.0
"""Every route of every dialect, called by everybody who must not: nobody, keys that are none any more, keys that may
not do this, keys of another account. A route that is in no line of the table fails.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi.routing import APIWebSocketRoute, iter_route_contexts
from starlette.routing import Mount
from tests.server.conftest import PATIENCE, running, until, wav
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from harken.model import Account, Scope, Voice

if TYPE_CHECKING:
    from tests.server.conftest import Running

TRANSCRIBE, READ, TEXT, ADMIN = Scope.TRANSCRIBE, Scope.READ, Scope.TEXT, Scope.ADMIN
SECRETS = ("Hello there", "confidential.wav")
"""What is the owner's alone: what was said, what the file is called."""
ASK = {"messages": [{"role": "user", "content": "What was said?"}]}


@dataclass(frozen=True)
class Things:
    """What the owner has."""

    job: str
    stage: str
    delivery: str
    voice: str = "Ann of ours"


@dataclass(frozen=True)
class Call:
    """How a route is called so that it does its work, and what those get who may not."""

    scopes: tuple[Scope, ...] = ()
    """Any one of these is enough. None: every key may."""
    send: Callable[[Things], dict[str, Any]] = lambda _: {}
    public: bool = False
    foreign: int | None = None
    """The status that others get for what is not theirs; None where the call names nothing of anybody's."""
    beside: tuple[Scope, ...] = ()
    """What is needed as well."""
    path: str = ""
    """Where parameters of the path are not enough."""


def upload(_: Things) -> dict[str, Any]:
    return {"files": {"file": ("a.wav", wav(1.0))}}


def body(**fields: Any) -> Callable[[Things], dict[str, Any]]:
    return lambda _: {"json": fields}


PUBLIC = Call(public=True)
ANYBODY = Call()
OWN = Call((READ,))
THEIRS = Call((READ,), foreign=404)
UPLOAD = Call((TRANSCRIBE,), upload)
END = Call((TRANSCRIBE,), foreign=404)
MEND = Call((TRANSCRIBE, TEXT), foreign=404)
SPAN = Call(
    (TRANSCRIBE,),
    lambda things: {
        "params": {"job_id": things.job},
        "json": {"segment_id": "seg-1", "start_time": 1.4, "end_time": 2.9},
    },
    foreign=404,
    beside=(READ,),
)
CLIP = Call(
    (TRANSCRIBE,),
    lambda things: {**upload(things), "data": {"segment_id": "seg-1", "start_time": "0.0", "end_time": "1.0"}},
)
WRITE = Call((TEXT,), body(full_text="We met. We spoke of the harbour. We agreed to build it."))
CHAT = Call((TEXT,), body(full_text="We agreed to build the harbour.", **ASK))
FETCH = Call((TRANSCRIBE,), body(url="http://recordings.example/a.wav"))
NAMES = Call((TRANSCRIBE, TEXT), body(speakers={}), beside=(READ,), foreign=404)


def both(path: str, method: str, call: Call) -> dict[str, Call]:
    """Of a route that is there with and without a slash at its end."""
    return {f"{method} {path}": call, f"{method} {path}/": call}


JOBS = "/v1/transcription-jobs"
STAGES = JOBS + "/{job_id}/stages/{stage_id}"
HOSTED = "/api/v1"
TABLE: Mapping[str, Call] = {
    "GET /openapi.json": PUBLIC,
    "HEAD /openapi.json": PUBLIC,
    "GET /docs": PUBLIC,
    "GET /docs/oauth2-redirect": PUBLIC,
    "MOUNT /docs/assets": Call(public=True, path="/docs/assets/swagger-ui.css"),
    **{f"{method} {path}": PUBLIC for path in ("/", "/health", "/healthz", "/readyz") for method in ("GET", "HEAD")},
    "GET /metrics": Call((ADMIN,)),
    "POST /v1/audio/transcriptions": UPLOAD,
    "POST /v1/audio/translations": UPLOAD,
    f"POST {JOBS}": UPLOAD,
    f"GET {JOBS}": OWN,
    f"GET {JOBS}/{{job_id}}": THEIRS,
    f"DELETE {JOBS}/{{job_id}}": END,
    f"GET {JOBS}/{{job_id}}/result": THEIRS,
    f"GET {JOBS}/{{job_id}}/events": THEIRS,
    f"POST {JOBS}/{{job_id}}/cancel": END,
    f"POST {JOBS}/{{job_id}}/diarization": Call((TRANSCRIBE,), body(), foreign=404),
    f"POST {JOBS}/{{job_id}}/summary": Call((TEXT,), body(), foreign=404),
    f"POST {JOBS}/{{job_id}}/formatted": Call((TEXT,), body(), foreign=404),
    f"POST {JOBS}/{{job_id}}/chat": Call((TEXT,), body(**ASK), foreign=404),
    f"GET {STAGES}": THEIRS,
    f"POST {STAGES}/cancel": MEND,
    f"POST {STAGES}/retry": Call((TEXT,), foreign=404),
    "GET /v1/voices": OWN,
    "POST /v1/voices": Call((TRANSCRIBE,), lambda things: {**upload(things), "data": {"name": "Zoë"}}),
    "DELETE /v1/voices/{name}": Call((TRANSCRIBE,), foreign=404),
    "GET /v1/transcription-models": ANYBODY,
    "GET /v1/models": ANYBODY,
    "GET /v1/models/{model_id}": ANYBODY,
    "POST /api/audio/process": Call((TRANSCRIBE,), upload, beside=(TEXT,)),
    "POST /api/audio/format/{job_id}": Call((TEXT,), body(), foreign=404),
    "GET /api/audio/status/{job_id}": THEIRS,
    **both(f"{HOSTED}/transcribe", "POST", UPLOAD),
    **both(f"{HOSTED}/transcribe/url", "POST", FETCH),
    **both(f"{HOSTED}/transcribe", "GET", OWN),
    **both(f"{HOSTED}/transcribe/{{job_id}}", "GET", THEIRS),
    **both(f"{HOSTED}/transcribe/{{job_id}}", "PATCH", NAMES),
    **both(f"{HOSTED}/transcribe/{{job_id}}", "DELETE", END),
    **both(f"{HOSTED}/languages", "GET", ANYBODY),
    **both(f"{HOSTED}/webhooks", "GET", OWN),
    **both(f"{HOSTED}/webhooks/secret", "GET", Call((TRANSCRIBE, TEXT))),
    **both(f"{HOSTED}/webhooks/secret/rotate", "POST", Call((TRANSCRIBE, TEXT))),
    **both(f"{HOSTED}/webhooks/{{delivery_id}}/replay", "POST", MEND),
    "GET /api/transcribe/models": ANYBODY,
    **both("/api/transcribe", "POST", UPLOAD),
    "GET /api/transcribe/jobs": OWN,
    # As its document has it: nobody can tell another's job from none.
    "GET /api/transcribe/status/{job_id}": Call((READ,), foreign=200),
    "GET /api/transcribe/result/{job_id}": THEIRS,
    "GET /api/transcribe/debug/{job_id}": THEIRS,
    "SOCKET /api/transcribe/live/{job_id}": THEIRS,
    **both("/api/summary", "POST", WRITE),
    "GET /api/summary/status/{job_id}": THEIRS,
    "GET /api/summary/{job_id}": THEIRS,
    "GET /api/chat/models": ANYBODY,
    **both("/api/chat", "POST", CHAT),
    **both("/api/retranslate/segment", "POST", CLIP),
    **both("/api/retranslate/segment-from-full", "POST", SPAN),
}


@dataclass(frozen=True)
class House:
    """A server, the account whose jobs they are, and another."""

    server: Running
    owner: Account
    key: str
    stranger: str
    http: httpx.Client
    scoped: dict[frozenset[Scope], str] = field(default_factory=dict)

    def key_with(self, *scopes: Scope) -> str:
        wanted = frozenset(scopes)
        if wanted not in self.scoped:
            self.scoped[wanted] = self.server.gate.key(self.owner, *wanted)
        return self.scoped[wanted]

    def things(self) -> Things:
        """A new job of the owner's, all done: heard, summarised, told to its receiver, with a voice beside."""
        made = self._mine(
            "POST",
            f"{HOSTED}/transcribe/",
            files={"file": ("confidential.wav", wav())},
            data={"webhook_url": "http://127.0.0.1:9/nobody"},
        )
        job = made["id"]
        until(lambda: self._mine("GET", f"{JOBS}/{job}")["status"] == "completed")
        stage = self._mine("POST", f"{JOBS}/{job}/summary")["id"]
        until(lambda: self._mine("GET", f"{JOBS}/{job}/stages/{stage}")["status"] == "completed")
        sent = until(lambda: self._mine("GET", f"{HOSTED}/webhooks/")["webhooks"])
        voices = self.server.backend.voices
        if "Ann of ours" not in {voice.name for voice in voices.voices(self.owner.id)}:
            voices.enrol(Voice(self.owner.id, "Ann of ours", (1.0, 0.0), 5.0, 1.0))
        return Things(job, stage, sent[0]["id"])

    def _mine(self, method: str, path: str, **sent: Any) -> Any:
        answer = self.http.request(method, path, headers={"Authorization": f"Bearer {self.key}"}, **sent)
        assert answer.is_success, answer.text
        return answer.json()

    def call(self, route: str, things: Things, key: str | None) -> tuple[int, str]:
        """Status and text of an answer; those of a refused web socket as a request would have them."""
        call = TABLE[route]
        method, path = route.split(" ")
        path = (
            (call.path or path)
            .replace(":path", "")
            .format(
                job_id=things.job,
                stage_id=things.stage,
                delivery_id=things.delivery,
                name=things.voice,
                model_id="base",
            )
        )
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        if method == "SOCKET":
            return self._listen(path, headers)
        method = "GET" if method == "MOUNT" else method
        answer = self.http.request(method, path, headers=headers, **call.send(things))
        return answer.status_code, answer.text

    def _listen(self, path: str, headers: dict[str, str]) -> tuple[int, str]:
        said: list[str] = []
        address = f"ws://127.0.0.1:{self.server.port}{path}"
        with connect(address, additional_headers=headers, open_timeout=PATIENCE) as socket:
            try:
                while True:
                    said.append(str(socket.recv(PATIENCE)))
            except ConnectionClosed as closed:
                code = closed.rcvd.code if closed.rcvd else 1006
        return {1000: 200}.get(code, code - 4000), "\n".join(said)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(running(tmp_path_factory.mktemp("house"), {"optional": False}))
        gate = server.gate
        owner = gate.account("owner")
        http = stack.enter_context(httpx.Client(base_url=server.url, timeout=PATIENCE))
        yield House(server, owner, gate.key(owner), gate.key(gate.account("stranger")), http)


def test_every_route_is_in_the_table(house: House) -> None:
    found = set()
    for route in iter_route_contexts(house.server.app.routes):
        if isinstance(route.original_route, Mount):
            methods = {"MOUNT"}
        elif isinstance(route.original_route, APIWebSocketRoute):
            methods = {"SOCKET"}
        else:
            methods = set(route.methods or ())
            assert methods, f"{route.path}: what kind of route is this?"
        path = re.sub(r"\{(\w+):\w+\}", r"{\1}", str(route.path))
        found |= {f"{method} {path}" for method in methods}
    assert found == set(TABLE)


@pytest.mark.parametrize("route", sorted(TABLE))
def test_who_may_call(house: House, route: str) -> None:
    call, gate = TABLE[route], house.server.gate
    things = house.things()
    if call.public:
        assert house.call(route, things, None)[0] == 200
        return

    revoked, expired = gate.key(house.owner), gate.key(house.owner)
    gate.revoke(revoked)
    gate.expire(expired)
    unknown = house.key[:-1] + ("a" if house.key[-1] != "a" else "b")
    for key, why in (
        (None, "wants an API key"),
        (revoked, "revoked"),
        (expired, "expired"),
        (unknown, "not valid"),
        ("not-a-key", "not valid"),
    ):
        status, text = house.call(route, things, key)
        assert (status, told(route, text)[0]) == (401, "invalid_api_key"), text
        assert why in told(route, text)[1]
        assert not any(secret in text for secret in SECRETS)

    if call.scopes:
        key = house.key_with(*set(Scope).difference(call.scopes))
        status, text = house.call(route, things, key)
        assert (status, told(route, text)[0]) == (403, "forbidden"), text
        assert all(repr(scope.value) in told(route, text)[1] for scope in call.scopes)
        assert "scope" in told(route, text)[1]
        assert not any(secret in text for secret in SECRETS)

    stranger = house.stranger if call.scopes != (ADMIN,) else gate.key(gate.account("operator"), ADMIN)
    status, text = house.call(route, things, stranger)
    # What is heard of a recording of their own is the same here.
    assert not any(secret in text for secret in SECRETS[1 if call.foreign is None else 0 :]), text
    if call.foreign is None:
        assert status < 400, text
        assert things.job not in text
    else:
        assert status == call.foreign, text
        if status == 200:
            assert json.loads(text)["status"] == "not_found"

    # That these were refused for who they were: whoever may gets through, with no scope but the one that is needed.
    for scope in call.scopes or (READ,):
        status, text = house.call(route, house.things(), house.key_with(scope, *call.beside))
        assert status < 400 or (status == 409 and call in (END, MEND)), text


def told(route: str, text: str) -> tuple[str, str]:
    """Code and message of an error, in the shape that the dialect of a route has."""
    body = json.loads(text)
    path = route.split(" ")[1]
    if path.startswith(HOSTED):
        assert set(body) == {"error", "message"}
        return body["error"], body["message"]
    if route.startswith("SOCKET"):
        return _code(body["message"]), body["message"]
    if path.startswith("/api/"):
        assert set(body) == {"detail"}
        return _code(body["detail"]), body["detail"]
    error = body["error"]
    assert set(error) == {"message", "type", "code", "param", "request_id"}
    if error["code"] == "forbidden":
        assert (error["type"], error["param"]) == ("permission_error", "scope")
    return error["code"], error["message"]


def _code(message: str) -> str:
    """Of dialects whose errors have none: by what is said."""
    return "forbidden" if "scope" in message else "invalid_api_key"
