# SPDX-License-Identifier: Apache-2.0
"""What every request and web socket goes through, outermost first: its id and time, the last catch, the guard.

Pure ASGI, so that nothing is buffered and a response can be streamed. Knows no dialect.
"""

from __future__ import annotations

import contextlib
import re
import time
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from harken import telemetry
from harken.server import keyless, sockets
from harken.server.auth import Door, bearer
from harken.server.problems import Problems
from harken.service import EVERYONE

REQUEST_ID = "X-Request-ID"
PROCESS_TIME = "X-Process-Time-Ms"
JOB = "X-Harken-Job"

_SANE_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")


class RequestContext:
    """Gives every request an id, the caller's own if it sent a sane one, and tells how long it took.

    Headers that a route puts into ``request.state.headers`` go out with the response, error or not. The time is up to
    the first byte of the response.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        given = Headers(scope=scope).get(REQUEST_ID, "")
        request_id = given if _SANE_ID.fullmatch(given) else uuid.uuid4().hex
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        extra: dict[str, str] = {}
        state["headers"] = extra

        async def reply(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.accept"):
                headers = MutableHeaders(scope=message)
                headers.update(extra)
                headers[REQUEST_ID] = request_id
                headers[PROCESS_TIME] = f"{(time.perf_counter() - began) * 1000:.1f}"
            await send(message)

        with telemetry.about(request_id=request_id):
            await self._app(scope, receive, reply)


class LastCatch:
    """Answers what nobody else caught, inside CORS, so that a browser may read a 500 too."""

    def __init__(self, app: ASGIApp, problems: Problems) -> None:
        self._app = app
        self._problems = problems

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or socket."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        sent = set[str]()

        async def reply(message: Message) -> None:
            sent.add(message["type"])
            await send(message)

        try:
            await self._app(scope, receive, reply)
        except (ClientDisconnect, WebSocketDisconnect):
            return  # there is nobody to answer, and it is no fault of ours
        except Exception as error:
            request_id = scope["state"]["request_id"]
            if scope["type"] == "websocket" and "websocket.close" not in sent:
                problem, last = self._problems.message(error, scope["path"], request_id)
                code = sockets.close_code(problem.status)
                with contextlib.suppress(OSError):  # the client may be gone by now
                    await sockets.end(last, code, scope, receive, send, accepted="websocket.accept" in sent)
            elif sent:
                raise
            else:
                answer = self._problems.answer(error, scope["path"], request_id)
                await answer(scope, receive, send)


class Guard:
    """Lets in who has a key and is not too fast, and notes the caller in ``request.state.caller``.

    Every path that is not listed as public is guarded, those that do not exist too, but what is under ``others``, where
    others let in. ``origins`` are the pages that may open web sockets beside our own, and may ask for something to be
    done where there are no keys.
    """

    def __init__(self, app: ASGIApp, door: Door, public: frozenset[str], others: str, origins: tuple[str, ...]) -> None:
        self._app = app
        self._door = door
        self._public = public
        self._others = others
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] in ("http", "websocket") and not self._open(scope["path"]):
            headers = Headers(scope=scope)
            if scope["type"] == "websocket":
                sockets.check_origin(scope, self._origins)
                presented = sockets.keys(scope)
            else:
                presented = (bearer(headers.get("authorization")),)
            caller = await self._door.caller(*presented, address=(scope.get("client") or ("",))[0])
            if caller == EVERYONE:
                keyless.check(scope, self._origins)
            await self._door.count(caller)
            scope.setdefault("state", {}).update(caller=caller, presented=presented)
        await self._app(scope, receive, send)

    def _open(self, path: str) -> bool:
        return path in self._public or path == self._others or path.startswith(f"{self._others}/")
