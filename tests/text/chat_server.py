# SPDX-License-Identifier: Apache-2.0
"""A server on loopback that speaks ``/v1/chat/completions`` as servers do, well or badly, and keeps the requests."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests

KEY = "sk-secret-0123456789"


@dataclass
class Answer:
    """What the server answers to one request."""

    body: bytes | dict[str, Any] = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    """The connection closes after so many bytes."""
    gate: threading.Event | None = None
    """The answer waits for it."""


@dataclass
class Asked:
    """A request."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def text(self) -> str:
        """All that the model is told."""
        return "\n".join(message["content"] for message in self.body["messages"])

    @property
    def format(self) -> str | None:
        """The kind of ``response_format``."""
        asked = self.body.get("response_format")
        return None if asked is None else str(asked["type"])


def completion(content: Any, finish: str = "stop", **more: Any) -> Answer:
    """A chat completion; ``more`` goes into its message."""
    return Answer(
        {
            "object": "chat.completion",
            "model": "test-model-2026",
            "choices": [
                {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": content, **more}}
            ],
            "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
        }
    )


def refusal(status: int, message: str, code: str | None = None, param: str | None = None, **headers: str) -> Answer:
    """An error as OpenAI words it."""
    error = {"message": message, "type": "invalid_request_error", "code": code, "param": param}
    return Answer({"error": error}, status, {name.replace("_", "-"): value for name, value in headers.items()})


Says = Answer | Callable[[Asked], Answer]
"""An answer, or what makes one of a request."""


class ChatServer:
    """Answers in turn, the last answer for ever; or whatever a function makes of the request."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.gone = threading.Event()
        """Set when a client left while its answer waited."""
        self._answers: list[Says] = [completion("ok")]
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                server._answer(self)

            def do_GET(self) -> None:
                self.send_error(405)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        self.url = f"http://{self.host}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def says(self, *answers: Says) -> None:
        self._answers = list(answers)

    def does(self, make: Callable[[Asked], Answer]) -> None:
        self._answers = [make]

    def last(self) -> Asked:
        return self.asked[-1]

    def until_asked(self, times: int) -> None:
        """Wait for what was sent and may not have been read yet, by a client that did not wait for its answer."""
        end = time.monotonic() + 60
        while len(self.asked) < times:
            assert time.monotonic() < end, "it was not asked"
            time.sleep(0.01)

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        body = json.loads(request.rfile.read(int(request.headers["Content-Length"])))
        asked = Asked(request.path, {key.lower(): value for key, value in request.headers.items()}, body)
        self.asked.append(asked)
        said = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        answer = said if isinstance(said, Answer) else said(asked)
        if answer.gate is not None:
            self._wait(request.connection, answer.gate)
        content = json.dumps(answer.body).encode() if isinstance(answer.body, dict) else answer.body
        with contextlib.suppress(OSError):  # the client may be gone
            request.send_response(answer.status)
            for name, value in answer.headers.items():
                request.send_header(name, value)
            request.send_header("Content-Length", str(len(content)))
            request.end_headers()
            request.wfile.write(content if answer.cut is None else content[: answer.cut])
        request.close_connection = True

    def _wait(self, connection: socket.socket, gate: threading.Event) -> None:
        connection.settimeout(0.02)
        while not gate.is_set():
            try:
                if connection.recv(1) == b"":
                    self.gone.set()
                    return
            except TimeoutError:
                continue
            except OSError:
                self.gone.set()
                return
        connection.settimeout(None)


def points(*said: tuple[str, Sequence[int]], topics: Sequence[str] = ()) -> str:
    """The JSON that summaries and notes are asked for as."""
    return json.dumps(
        {"points": [{"text": text, "segments": list(segments)} for text, segments in said], "topics": list(topics)}
    )


_FIELDS = {
    "model": str,
    "messages": list,
    "max_tokens": int,
    "max_completion_tokens": int,
    "temperature": int | float,
    "stream": bool,
    "response_format": dict,
}
"""What of the documented request is used, and its types."""


def checked(asked: Asked, context: int) -> Answer | None:
    """What a server that keeps to the documentation refuses a request with, if it does."""
    body, headers = asked.body, asked.headers
    if asked.path != "/v1/chat/completions":
        return refusal(404, f"no such path: {asked.path}")
    if headers.get("authorization") != f"Bearer {KEY}":
        return refusal(401, "Incorrect API key provided", "invalid_api_key")
    if headers.get("content-type") != "application/json":
        return refusal(400, "the request is not JSON")
    strange = [name for name, value in body.items() if not isinstance(value, _FIELDS.get(name, ()))]
    if strange or not {"model", "messages"} <= body.keys() or body.get("stream"):
        return refusal(400, f"what is this: {strange or body}")
    for message in body["messages"]:
        if message.keys() != {"role", "content"} or message["role"] not in {"system", "user", "assistant"}:
            return refusal(400, f"no message: {message}")
    if not 0 <= body.get("temperature", 1) <= 2 or body.get("max_tokens", 1) < 1:
        return refusal(400, "a number is out of range")
    wanted = body.get("response_format", {"type": "text"})
    if wanted["type"] == "json_schema":
        named = wanted["json_schema"]
        if not named["name"].isidentifier() or named["schema"].get("additionalProperties") is not False:
            return refusal(400, "Invalid schema for response_format")
    if len(asked.text.split()) > context:
        return refusal(400, f"maximum context length is {context} tokens", "context_length_exceeded")
    return None


def documented(asked: Asked) -> Answer:
    """What a server that keeps to the documentation answers, with a model that can only count to four."""
    refused = checked(asked, 4096)
    if refused is not None:
        return refused
    said = '{"a": 4}' if asked.format else "4"
    cut = len(said) > asked.body["max_tokens"]
    return completion(said[: asked.body["max_tokens"]], "length" if cut else "stop")


def passing_on(upstream: str) -> Callable[[Asked], Answer]:
    """What the server at ``upstream`` answers."""

    def ask(asked: Asked) -> Answer:
        sent: dict[str, str] = {
            name: asked.headers[name] for name in ("authorization", "content-type") if name in asked.headers
        }
        with requests.Session() as session:
            session.trust_env = False
            done = session.post(upstream + asked.path.removeprefix("/v1"), json=asked.body, headers=sent, timeout=300)
        return Answer(done.content, done.status_code)

    return ask
