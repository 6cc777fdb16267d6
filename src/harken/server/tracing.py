# SPDX-License-Identifier: Apache-2.0
"""A span for every request and web socket, part of its caller's trace where the caller sent one. Knows no job."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from harken.server.metrics import CLIENT_GONE, account_of, job_of, method_of, route_of
from harken.telemetry import traces

UNTRACED = frozenset({"/health", "/healthz", "/readyz", "/metrics"})
"""What machines ask every few seconds."""


class Trace:
    """Traces requests by their routes' templates: of an address nothing that a client wrote is told."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or socket."""
        if not traces.on() or scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        if scope["path"] in UNTRACED:
            with traces.under(None):
                await self._app(scope, receive, send)
            return
        method = method_of(scope)
        status = CLIENT_GONE

        async def reply(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "websocket.accept":
                status = 101
            await send(message)

        about: traces.Attributes = {
            "http.request.method": method,
            "url.scheme": scope.get("scheme"),
            "harken.request.id": scope["state"]["request_id"],
        }
        with traces.span(method, about, parent=_caller(scope), kind="server") as span:
            try:
                await self._app(scope, receive, reply)
            finally:
                route = route_of(scope)
                span.tell(
                    {
                        "http.route": route,
                        "http.response.status_code": status,
                        "harken.account": account_of(scope),
                        "harken.job.id": job_of(scope),
                    },
                    name=f"{method} {route}",
                )
                if status >= 500:
                    span.fail(str(status))


def _caller(scope: Scope) -> str | None:
    """What the caller says that the request is part of."""
    said = Headers(scope=scope).getlist("traceparent")
    return traces.accepted(said[0]) if len(said) == 1 else None
