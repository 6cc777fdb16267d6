# SPDX-License-Identifier: Apache-2.0
"""The worker process: jobs off the queue, and the children that recognise."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
from collections.abc import Callable, Sequence
from types import FrameType
from typing import NoReturn

from harken.config import Settings
from harken.jobs.executor import WorkerExecutor
from harken.jobs.maintenance import Retention
from harken.model import Lane
from harken.models.standard import model_store
from harken.models.store import ModelStore
from harken.store import SqlBell, SqlResidents, SqlRoster, SqlStages, SqlStore, SqlVoices
from harken.telemetry import traces
from harken.wiring.blobs import blobs
from harken.wiring.network import GuardedRecordings
from harken.wiring.shared import database, texts
from harken.worker.heartbeat import start_beating
from harken.worker.residency import Residency
from harken.worker.runtime import Runtime, RuntimeSettings
from harken.worker.weights import Hardware, Weights

log = logging.getLogger(__name__)

LIMITS = {Lane.INTERACTIVE: 32, Lane.BATCH: 8, Lane.TEXT: 8}
"""Jobs of each lane that one worker has in hand at most. Windows of many interactive ones share batches; of the batch
lane enough to fill batches, few enough that a job in hand moves on; texts mostly wait for a language model."""


def run_worker(settings: Settings) -> NoReturn:
    """Be a worker process until it is told to stop: jobs, and the children that recognise."""
    stopping = threading.Event()
    failures: list[str] = []

    hurry: list[Callable[[], None]] = []

    def stop(_number: int, _frame: FrameType | None) -> None:
        # Told a second time it hands over what it has in hand as it stands, without waiting for it.
        if stopping.is_set():
            for one in hurry:
                one()
        stopping.set()

    def failed(why: str) -> None:
        failures.append(why)
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    store = model_store(settings)
    models = _models(settings, store)
    missing = sorted((models or frozenset()) - {model.name for model in store.installed()})
    if missing:
        # A download may take longer than a start.
        start_beating(settings.alive_file)
        _fetch(missing, store, stopping)
    writer = texts(settings, store)
    recordings = blobs(settings)
    with database(settings) as engine:
        weights = Weights(
            store.catalog,
            store,
            Hardware(settings.device, settings.compute_type, settings.cpu_threads),
            settings.worker_models or (None,),
        )
        runtime = Runtime(
            RuntimeSettings(
                scratch=settings.data_dir / "scratch",
                children=settings.children,
                threads=settings.cpu_threads,
                batch_size=settings.batch_size,
                window_timeout=settings.window_timeout,
                max_audio_seconds=settings.max_audio_seconds,
                diarize_timeout=settings.diarize_timeout,
            ),
            weights,
            failed,
        )
        executor = WorkerExecutor(
            engine=engine,
            store=SqlStore(engine, max_kept=settings.max_kept_bytes_per_account),
            stages=SqlStages(engine),
            voices=SqlVoices(engine),
            roster=SqlRoster(engine),
            blobs=recordings,
            runner=runtime,
            writer=writer,
            recordings=GuardedRecordings(settings),
            open_bell=lambda: SqlBell(engine),
            limits={lane: LIMITS[lane] for lane in settings.worker_lanes or Lane},
            enough=settings.children,
            retention=Retention(settings.keep_audio, settings.keep_results, settings.keep_audit),
            dead_after=settings.dead_after,
            canonical=lambda name: store.catalog.resolve(name).spec.name,
            models=models,
        )
        hurry.append(executor.hurry)
        residency = Residency(
            SqlResidents(engine),
            executor.id,
            runtime.holdings,
            weights,
            serves=lambda name: models is None or name in models,
        )
        if not stopping.is_set():
            executor.start()
            residency.start()
        if not missing:
            start_beating(settings.alive_file)
        stopping.wait()
        residency.stop()
        executor.stop(settings.drain_seconds)
        # Whatever was in hand is done or left to others by now.
        runtime.close(0.0)
        writer.close()
    _end(failures)


def _models(settings: Settings, store: ModelStore) -> frozenset[str] | None:
    """The models that this worker serves, by canonical name; None is any. Raises UnknownModel."""
    if not settings.worker_models:
        return None
    return frozenset(store.catalog.resolve(name).spec.name for name in settings.worker_models)


def _fetch(names: Sequence[str], store: ModelStore, stopping: threading.Event) -> None:
    """Have the models that this worker is there for, before it takes jobs of them: without, it would only fail jobs.

    Raises ModelUnavailable, ModelCorrupt, DiskFull.
    """

    def called_off(*_: object) -> None:
        if stopping.is_set():
            raise _Stopped

    with contextlib.suppress(_Stopped):
        for name in names:
            log.info("fetching the model %s", name)
            store.fetch(name, called_off)


class _Stopped(Exception):
    """The worker is told to stop before it has begun."""


def _end(failures: Sequence[str]) -> NoReturn:
    """Leave, with what went wrong."""
    for why in failures:
        log.error("%s", why)
    traces.close()
    logging.shutdown()
    # A thread of the queue may wait for the end of a job that another worker took over; nothing of ours is left to do.
    os._exit(1 if failures else 0)
