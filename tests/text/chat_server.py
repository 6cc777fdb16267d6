# SPDX-License-Identifier: Apache-2.0
"""A server on loopback that speaks ``/v1/chat/completions`` as servers do, well or badly, and keeps the requests."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

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


class ChatServer:
    """Answers in turn, the last answer for ever; or whatever a function makes of the request."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.gone = threading.Event()
        """Set when a client left while its answer waited."""
        self._answers: list[Answer] = [completion("ok")]
        self._make: Callable[[Asked], Answer] | None = None
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

    def says(self, *answers: Answer) -> None:
        self._answers = list(answers)

    def does(self, make: Callable[[Asked], Answer]) -> None:
        self._make = make

    def last(self) -> Asked:
        return self.asked[-1]

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        body = json.loads(request.rfile.read(int(request.headers["Content-Length"])))
        asked = Asked(request.path, {key.lower(): value for key, value in request.headers.items()}, body)
        self.asked.append(asked)
        if self._make is not None:
            answer = self._make(asked)
        else:
            answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
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
