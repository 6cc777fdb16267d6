# SPDX-License-Identifier: Apache-2.0
"""The ASGI application: middleware, operators' pages and dialects, put together over a service.

Knows what to build from, and none of what is behind the service.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from anyio import to_thread
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi_offline import FastAPIOffline
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from harken.server import admin, ops
from harken.server.auth import Door, Gate
from harken.server.courier import Courier
from harken.server.desk import Desk
from harken.server.dialects import audio, hosted, openai, suite
from harken.server.metrics import Measure, Metrics
from harken.server.middleware import JOB, PROCESS_TIME, REQUEST_ID, Guard, LastCatch, RequestContext
from harken.server.problems import Problems
from harken.server.tracing import Trace
from harken.server.uploads import Reception
from harken.service import Office, Service

ENDPOINTS: Mapping[str, str] = {
    "openai": openai.PREFIX,
    "audio": audio.PREFIX,
    "hosted": hosted.PREFIX,
    **suite.PREFIXES,
}
"""What ``/`` tells of where the dialects are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppConfig:
    """What the server is told by the settings. Sizes in bytes, times in seconds."""

    cors_origins: tuple[str, ...] = ()
    max_upload_bytes: int = 2 * 1024**3
    max_concurrent_requests: int = 64
    requests_per_minute: int = 6000
    wrong_keys_per_minute: int = 30
    sync_timeout: float = 3600.0
    upload_idle_seconds: float = 60.0
    stopping: Callable[[], bool] = bool
    """Whether the server was told to stop: whoever waits for a job is then told so."""
    installed: Callable[[], Collection[str]] = field(default=frozenset)
    """Canonical names of the models that are on this machine."""
    runtime: Mapping[str, Any] = field(default_factory=dict)
    """What the operator runs on (device, compute type), told with every transcript."""


def create_app(service: Service, gate: Gate, config: AppConfig, office: Office | None = None) -> FastAPI:
    """The application. What killed servers left of uploads is swept when it starts.

    Nobody can administer one without an office.
    """
    problems = Problems(openai.error_shape)
    metrics = Metrics(None if office is None else lambda: (office.oversight.queues(), office.oversight.figures()))
    door = Door(
        gate,
        requests_per_minute=config.requests_per_minute,
        at_once=config.max_concurrent_requests,
        wrong_keys=config.wrong_keys_per_minute,
    )
    desk = Desk(
        service,
        Reception(service.arriving, max_bytes=config.max_upload_bytes, idle_seconds=config.upload_idle_seconds),
        door,
        sync_timeout=config.sync_timeout,
        stopping=config.stopping,
    )

    keyed = True

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        nonlocal keyed
        await to_thread.run_sync(service.sweep)
        keyed = not await door.open()
        courier = Courier(service.webhooks, hosted.draw)
        courier.start()
        try:
            yield
        finally:
            await to_thread.run_sync(courier.stop)

    app = FastAPIOffline(
        title="harken",
        summary="Speech to text on your own machine",
        version=version("harken"),
        lifespan=lifespan,
        redoc_url=None,
        # FastAPI's own, which variables can switch on beside ours, tells what is in queries: keys, for one.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
        static_url=ops.DOCS_ASSETS,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        middleware=[
            Middleware(RequestContext),
            Middleware(Trace),
            Middleware(Measure, metrics=metrics),
            *_cors(config.cors_origins),
            Middleware(LastCatch, problems=problems),
            Middleware(Guard, door=door, public=ops.PUBLIC, others=admin.PREFIX, origins=config.cors_origins),
        ],
    )
    endpoints = ENDPOINTS if office is None else {**ENDPOINTS, "admin": admin.PREFIX}
    app.include_router(ops.router(service, metrics, problems, endpoints))
    app.include_router(openai.router(desk, config.runtime, config.installed))
    app.include_router(audio.router(desk))
    app.include_router(hosted.router(desk))
    app.include_router(suite.router(desk, config.installed))
    audio.register(problems)
    hosted.register(problems)
    suite.register(problems)
    if office is not None:
        admin.install(app, problems, office, door)
    problems.install(app)
    app.openapi = lambda: _documentation(app, keyed=keyed)  # type: ignore[method-assign]
    return app


def _cors(origins: tuple[str, ...]) -> list[Middleware]:
    if not origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=list(origins),
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=[REQUEST_ID, PROCESS_TIME, JOB, "Retry-After", "Location"],
        )
    ]


def _documentation(app: FastAPI, *, keyed: bool) -> dict[str, Any]:
    """The OpenAPI document, without the 422 that FastAPI writes in and this server does not send."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            summary=app.summary,
            license_info=app.license_info,
            routes=app.routes,
        )
        for path in document["paths"].values():
            for operation in path.values():
                automatic = operation["responses"].get("422", {}).get("content", {}).get("application/json", {})
                if automatic.get("schema", {}).get("$ref", "").endswith("/HTTPValidationError"):
                    del operation["responses"]["422"]
        schemas = document.get("components", {}).get("schemas", {})
        schemas.pop("HTTPValidationError", None)
        schemas.pop("ValidationError", None)
        if keyed:
            document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
            for path, operations in document["paths"].items():
                for operation in operations.values():
                    operation["security"] = [] if path in {*ops.PUBLIC, admin.LOGIN} else [{"key": []}]
        app.openapi_schema = document
    return app.openapi_schema
