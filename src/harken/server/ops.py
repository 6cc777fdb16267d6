# SPDX-License-Identifier: Apache-2.0
"""For operators: is it alive, is it ready, how is it doing. And what a newcomer sees at ``/``."""

from __future__ import annotations

import time
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from anyio import CapacityLimiter, fail_after, to_thread
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from harken.model import Scope
from harken.ports import Readiness
from harken.server.metrics import Metrics
from harken.server.problems import Problem, Problems
from harken.service import Caller, Service
from harken.service.policy import require

READY_SECONDS = 5.0
"""How long the checks may take before they count as failed."""
FRONT = "/docs"
"""Where a browser is sent that asks for ``/``."""
DOCS_ASSETS = "/docs/assets"
"""Where the scripts of ``/docs`` are: here, since a server may have no way out."""
PUBLIC = frozenset(
    {
        "/", "/health", "/healthz", "/readyz", "/openapi.json", "/docs", "/docs/oauth2-redirect",
        *(f"{DOCS_ASSETS}/{name}" for name in ("swagger-ui-bundle.js", "swagger-ui.css", "favicon.png")),
    }
)  # fmt: skip
"""Paths that need no key: they tell nothing of anybody's recordings."""


def router(service: Service, metrics: Metrics, problems: Problems, endpoints: Mapping[str, str]) -> APIRouter:
    """The routes. ``endpoints`` is what there is beside them, by name, as ``/`` tells it."""
    routes = APIRouter(tags=["operations"])
    # A check that hangs must take one thread and no more, however often it is asked.
    checkers = CapacityLimiter(2)

    @routes.head("/", include_in_schema=False)
    @routes.get("/", summary="What this is; a browser is sent to a page", response_class=JSONResponse)
    async def root(request: Request) -> Response:
        headers = {"Vary": "Accept"}
        if "text/html" in request.headers.get("accept", ""):
            return RedirectResponse(FRONT, headers=headers)
        told = {
            "name": "harken",
            "version": version("harken"),
            "endpoints": dict(endpoints),
            "documentation": "/docs",
            "openapi": "/openapi.json",
            "health": "/health",
            "readiness": "/readyz",
        }
        return JSONResponse(told, headers=headers)

    @routes.head("/health", include_in_schema=False)
    @routes.get("/health", summary="Whether the process is alive, and its time; never waits for anything")
    async def health() -> dict[str, str | float]:
        return {"status": "ok", "timestamp": time.time()}

    @routes.head("/healthz", include_in_schema=False)
    @routes.get("/healthz", summary="Whether the process is alive; never waits for anything")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @routes.head("/readyz", include_in_schema=False)
    @routes.get(
        "/readyz",
        summary="Whether every part works, and which does not",
        responses={503: {"description": "A part does not work; `error.message` and `checks` name it"}},
    )
    async def readyz(request: Request) -> JSONResponse:
        try:
            with fail_after(READY_SECONDS):
                checks = await to_thread.run_sync(service.readiness, limiter=checkers, abandon_on_cancel=True)
        except TimeoutError:
            checks = [Readiness("checks", False, f"did not answer in {READY_SECONDS:.0f} s")]
        failing = [check for check in checks if not check.ok]
        told: dict[str, Any] = {
            "status": "unavailable" if failing else "ready",
            "checks": [{"part": check.part, "ok": check.ok, "detail": check.detail} for check in checks],
        }
        if not failing:
            return JSONResponse(told)
        message = "; ".join(f"{check.part}: {check.detail}" for check in failing)
        problem = Problem(503, "not_ready", message, failing[0].part)
        shape = problems.shape(request.url.path)
        return JSONResponse(
            {**shape(problem, request.state.request_id), **told}, status_code=503, headers={"Retry-After": "5"}
        )

    @routes.get("/metrics", summary="Metrics for Prometheus", response_class=Response)
    async def metrics_page(request: Request) -> Response:
        caller: Caller = request.state.caller
        if caller.key is not None:
            # Of keys from the settings, and where there are none, the operator knows who has them.
            require(caller, Scope.ADMIN)
        return await metrics.page()

    return routes
