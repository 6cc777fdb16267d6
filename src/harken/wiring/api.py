# SPDX-License-Identifier: Apache-2.0
"""The API process: the service over database, recordings and queue, and the server before it."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator

import uvicorn

from harken.config import Settings
from harken.errors import HarkenError
from harken.jobs.engine import DurableJobs
from harken.models.store import ModelStore
from harken.ports import Readiness
from harken.server.app import AppConfig, create_app
from harken.service import Limits, Service
from harken.store import FolderBlobs, SqlStore
from harken.wiring.listen import listening
from harken.wiring.shared import database, models
from harken.worker.heartbeat import start_beating
from harken.worker.process import ChildSettings
from harken.worker.readers import Readers


def run_api(settings: Settings, descriptor: int | None = None) -> int:
    """Run the API process until it is told to stop, on a socket that listens already or on one of its own."""
    with contextlib.ExitStack() as stack:
        service, store = stack.enter_context(_service(settings))
        if descriptor is None:
            listener = stack.enter_context(listening(settings))
        else:
            listener = stack.enter_context(socket.socket(fileno=descriptor))
        app = create_app(
            service,
            AppConfig(
                spool_dir=settings.spool_dir,
                api_keys=settings.api_keys,
                cors_origins=settings.cors_origins,
                max_upload_bytes=settings.max_upload_bytes,
                min_free_bytes=settings.min_free_bytes,
                max_concurrent_requests=settings.max_concurrent_requests,
                requests_per_minute=settings.requests_per_minute,
                sync_timeout=settings.sync_timeout,
                installed=lambda: {model.name for model in store.installed()},
                runtime={"device": settings.device, "compute_type": settings.compute_type},
            ),
        )
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=max(1, round(settings.drain_seconds / 2)),
            )
        )
        start_beating()
        server.run(sockets=[listener])
    return 0


@contextlib.contextmanager
def _service(settings: Settings) -> Iterator[tuple[Service, ModelStore]]:
    with database(settings) as engine:
        store = SqlStore(engine)
        weights = models(settings)
        jobs = DurableJobs(store, engine, max_queued=settings.max_queued_jobs)
        failures: list[str] = []
        readers = Readers(1, ChildSettings("harken-probe"), failures.append)
        service = Service(
            store,
            FolderBlobs(settings.blob_dir),
            jobs,
            weights.catalog,
            readers.probe,
            Limits(
                max_audio_seconds=settings.max_audio_seconds,
                interactive_seconds=settings.interactive_seconds,
                job_deadline=settings.job_deadline,
            ),
            lambda: _readiness(settings, store, weights, readers),
        )
        try:
            yield service, weights
        finally:
            readers.close()
            jobs.close()


def _readiness(settings: Settings, store: SqlStore, weights: ModelStore, readers: Readers) -> list[Readiness]:
    def model() -> str:
        return weights.path(settings.default_model).name

    def workers() -> str:
        alive = store.workers_alive(settings.dead_after)
        if not alive:
            raise HarkenError("no worker is alive; start one with harken worker, or look at its log")
        return f"{alive} alive"

    def probing() -> str:
        if readers.crew.failure:
            raise HarkenError(readers.crew.failure)
        return "up"

    def database_answers() -> str:
        store.ping()
        return "readable"

    return [
        _part("database", database_answers),
        _part("models", model),
        _part("workers", workers),
        _part("probe", probing),
    ]


def _part(name: str, check: Callable[[], str]) -> Readiness:
    try:
        return Readiness(name, ok=True, detail=check())
    except Exception as error:  # noqa: BLE001 - whatever it is, this part does not work
        return Readiness(name, ok=False, detail=str(error) or type(error).__name__)
