# SPDX-License-Identifier: Apache-2.0
"""Prometheus metrics and the log line of requests: their time, what is in progress. One registry per application."""

from __future__ import annotations

import contextlib
import logging
import time
import uuid

from fastapi import Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from harken.server.gauges import Gauges, Look
from harken.server.middleware import JOB
from harken.service import Caller

log = logging.getLogger(__name__)

CLIENT_GONE = 499
"""What requests count as whose client left before the answer (nginx's number)."""


class Metrics:
    """The numbers and the page that shows them. ``look`` reads those that the database knows."""

    def __init__(self, look: Look | None = None) -> None:
        self.registry = CollectorRegistry()
        self._gauges = None if look is None else Gauges(look)
        if self._gauges is not None:
            self.registry.register(self._gauges)
        self.requests = Counter(
            "harken_http_requests_total", "Requests answered.", ["method", "route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "harken_http_request_seconds",
            "Seconds from a request's head to the end of its answer.",
            ["method", "route"],
            buckets=(0.005, 0.02, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800),
            registry=self.registry,
        )
        self.in_progress = Gauge("harken_http_requests_in_progress", "Requests in progress.", registry=self.registry)

    async def page(self) -> Response:
        """The metrics in Prometheus' text format."""
        if self._gauges is not None:
            await self._gauges.refresh()
        return Response(generate_latest(self.registry), media_type=CONTENT_TYPE_LATEST)


class Measure:
    """Counts every request by its route's template, so that ids in paths make no new series."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status = CLIENT_GONE

        async def reply(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            with self._metrics.in_progress.track_inprogress():
                await self._app(scope, receive, reply)
        finally:
            route, method = route_of(scope), method_of(scope)
            self._metrics.requests.labels(method, route, str(status)).inc()
            took = time.perf_counter() - began
            self._metrics.seconds.labels(method, route).observe(took)
            _log(scope, method, route, status, took)


def _log(scope: Scope, method: str, route: str, status: int, took: float) -> None:
    """One line, with ids and without names: the route's template, and nothing that a client wrote."""
    about = dict[str, str]()
    job = job_of(scope)
    if job is not None:
        about["job_id"] = job
    caller: Caller | None = scope["state"].get("caller")
    if caller is not None:
        about["account"] = caller.id
        if caller.key is not None:
            about["key"] = caller.key
    # Who asks how a job stands asks often.
    level = logging.DEBUG if method in _LOOKS else logging.INFO
    log.log(level, "%s %s: %d in %.3f s", method, route, status, took, extra=about)


def route_of(scope: Scope) -> str:
    """The template of a request's route."""
    return getattr(scope.get("route"), "path", "other")


def method_of(scope: Scope) -> str:
    """A request's method, if it is one that anybody uses; a web socket begins as a GET."""
    method: str = scope.get("method", "GET")
    return method if method in _METHODS else "other"


def job_of(scope: Scope) -> str | None:
    """Id of the job that a request made, or that it is about."""
    with contextlib.suppress(ValueError):
        return str(uuid.UUID(str(scope["state"]["headers"].get(JOB) or scope.get("path_params", {}).get("job_id"))))
    return None


def account_of(scope: Scope) -> str | None:
    """Id of the account that asks, once that is known."""
    caller: Caller | None = scope["state"].get("caller")
    return None if caller is None else caller.id


_LOOKS = frozenset({"GET", "HEAD", "OPTIONS"})


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
