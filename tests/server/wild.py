# SPDX-License-Identifier: Apache-2.0
"""A client that sends whatever bytes it is told to, and what must hold of any answer to them."""

from __future__ import annotations

import contextlib
import json
import logging
import re
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.server.conftest import PATIENCE, until, wav

if TYPE_CHECKING:
    from tests.server.conftest import Running

_HEAD = re.compile(rb"HTTP/1\.1 (\d{3}) [^\r\n]*\r\n((?:[!-~]+: ?[^\r\n]*\r\n)*)\r\n")
_FIRST = ((b"Host", b"localhost"), (b"Connection", b"close"))
UNREADABLE = b"Invalid HTTP request received."
"""What uvicorn answers to bytes that are no HTTP, before the application sees them."""


@dataclass(frozen=True, slots=True)
class Told:
    """An answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def talk(url: str, sent: bytes, *, complete: bool = True) -> Told | None:
    """What the server answers to these bytes, which ask for ``Connection: close``.

    A request that is not ``complete`` ends with the client's leaving, and the server may leave as well. Any other must
    have an answer, unless the server closed before it had read all: then TCP may lose it. Whoever waits longer than
    patience has met a hang.
    """
    lost = False
    came = bytearray()
    with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=PATIENCE) as connection:
        try:
            connection.sendall(sent)
            if not complete:
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            lost = True
        try:
            while block := connection.recv(65536):
                came += block
        except TimeoutError:
            pytest.fail(f"no end of the answer within {PATIENCE} s; so far {bytes(came[:500])!r}")
        except ConnectionResetError:
            lost = True
    told = _answer(bytes(came))
    assert told is not None or lost or not complete, "a whole request has no answer"
    return told


def _answer(came: bytes) -> Told | None:
    """The last of what came that is no interim answer."""
    while found := _HEAD.match(came):
        if found[1] != b"100":
            lines = [line.partition(b":") for line in found[2].split(b"\r\n") if line]
            headers = {name.decode().lower(): value.strip().decode("latin-1") for name, _, value in lines}
            return Told(int(found[1]), headers, came[found.end() :])
        came = came[found.end() :]
    assert not came, f"the answer is no HTTP: {came[:200]!r}"
    return None


def sane(told: Told | None, path: str) -> None:
    """Whatever was sent, the answer is one that a client can make sense of, and no fault of the server."""
    if told is None:
        return
    assert told.status < 500, (path, told)
    if UNREADABLE in told.body:
        assert told.status == 400
        return
    assert "x-request-id" in told.headers, told
    if told.status >= 400:
        assert "transfer-encoding" not in told.headers
        problem = json.loads(told.body) if told.body else {}
        assert {"error", "detail", "message"} & problem.keys() or not told.body, told


def request(method: str, target: bytes, headers: list[tuple[bytes, bytes]], body: bytes = b"") -> bytes:
    """A request as it is written. ``Host`` and ``Connection`` are added where they are not given."""
    given = {name.lower() for name, _ in headers}
    first = [(name, value) for name, value in _FIRST if name.lower() not in given]
    lines = b"".join(name + b": " + value + b"\r\n" for name, value in [*first, *headers])
    return method.encode() + b" " + target + b" HTTP/1.1\r\n" + lines + b"\r\n" + body


@dataclass(frozen=True, slots=True)
class Route:
    """An operation of the document that the server gives of itself."""

    method: str
    path: str
    takes: tuple[str, ...]
    names: tuple[str, ...]
    """Fields of its body."""
    query: tuple[str, ...]
    schema: Any = field(repr=False)
    """Of its body as JSON, or None."""

    def target(self, ids: Mapping[str, str]) -> str:
        """Its path with these ids."""
        return re.sub(r"\{(\w+)\}", lambda found: ids.get(found[1], "nothing"), self.path)


def routes(url: str) -> list[Route]:
    """Every operation that is documented, so that none is forgotten."""
    document = httpx.get(f"{url}/openapi.json", timeout=PATIENCE).json()
    return [_route(document, path, method) for path, found in document["paths"].items() for method in found]


def _route(document: Mapping[str, Any], path: str, method: str) -> Route:
    operation = document["paths"][path][method]
    content = _whole(document, operation.get("requestBody", {}).get("content", {}))
    names = {name for kind in content.values() for name in _names(kind["schema"])}
    query = tuple(one["name"] for one in operation.get("parameters", ()) if one["in"] == "query")
    return Route(
        method.upper(),
        path,
        tuple(content),
        tuple(sorted(names)),
        query,
        content.get("application/json", {}).get("schema"),
    )


def _whole(document: Mapping[str, Any], schema: Any) -> Any:
    """A schema with what it refers to in its place."""
    match schema:
        case {"$ref": str(name)}:
            return _whole(document, document["components"]["schemas"][name.rpartition("/")[2]])
        case dict():
            return {key: _whole(document, value) for key, value in schema.items()}
        case list():
            return [_whole(document, value) for value in schema]
    return schema


def _names(schema: Any) -> Iterator[str]:
    """The names of every property below a schema."""
    for value in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from _names(value)
    if isinstance(schema, dict):
        yield from schema["properties"] if isinstance(schema.get("properties"), dict) else ()


def ids(server: Running) -> dict[str, str]:
    """A completed job and a stage of it, so that routes have something to work on."""
    jobs = f"{server.url}/v1/transcription-jobs"
    answer = httpx.post(jobs, files={"file": ("a.wav", wav(1.2))}, timeout=PATIENCE)
    job: str = answer.json()["id"]
    until(lambda: server.backend.job(job).state.ended)
    answer = httpx.post(f"{jobs}/{job}/summary", json={}, timeout=PATIENCE)
    assert answer.status_code == 202, answer.text
    return {"job_id": job, "stage_id": server.backend.stages.stages(job)[0].id}


@contextlib.contextmanager
def unharmed(url: str, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Afterwards the server is well and met nothing that it did not expect."""
    with caplog.at_level(logging.ERROR):
        yield
    assert httpx.get(f"{url}/healthz", timeout=PATIENCE).status_code == 200
    assert not [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
