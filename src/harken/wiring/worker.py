# SPDX-License-Identifier: Apache-2.0
"""The worker process: jobs off the queue, and the children that recognise."""

from __future__ import annotations

import logging
import os
import signal
import threading
from types import FrameType
from typing import NoReturn

from harken.config import Settings
from harken.jobs.executor import WorkerExecutor
from harken.jobs.maintenance import Retention
from harken.model import Lane
from harken.models.standard import model_store
from harken.store import FolderBlobs, SqlBell, SqlRoster, SqlStages, SqlStore, SqlVoices
from harken.telemetry import traces
from harken.wiring.network import GuardedRecordings
from harken.wiring.shared import database, texts
from harken.worker.heartbeat import start_beating
from harken.worker.runtime import Runtime, RuntimeSettings
from harken.worker.weights import Hardware, Weights

log = logging.getLogger(__name__)

INTERACTIVE_JOBS = 32
"""Jobs of the interactive lane that one worker has in hand at most; their windows share batches."""
BATCH_JOBS = 8
"""The same of the batch lane: enough to fill batches, few enough that a job in hand moves on."""
TEXT_JOBS = 8
"""Summaries and the like at a time: they mostly wait for a language model."""


def run_worker(settings: Settings) -> NoReturn:
    """Be a worker process until it is told to stop: jobs, and the children that recognise."""
    stopping = threading.Event()
    failures: list[str] = []

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    def failed(why: str) -> None:
        failures.append(why)
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    store = model_store(settings)
    writer = texts(settings, store)
    with database(settings) as engine:
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
            Weights(store.catalog, store, Hardware(settings.device, settings.compute_type, settings.cpu_threads)),
            failed,
        )
        executor = WorkerExecutor(
            engine=engine,
            store=SqlStore(engine, max_kept=settings.max_kept_bytes_per_account),
            stages=SqlStages(engine),
            voices=SqlVoices(engine),
            roster=SqlRoster(engine),
            blobs=FolderBlobs(settings.blob_dir),
            runner=runtime,
            writer=writer,
            recordings=GuardedRecordings(settings),
            open_bell=lambda: SqlBell(engine),
            limits={Lane.INTERACTIVE: INTERACTIVE_JOBS, Lane.BATCH: BATCH_JOBS, Lane.TEXT: TEXT_JOBS},
            retention=Retention(settings.keep_audio, settings.keep_results),
            dead_after=settings.dead_after,
        )
        executor.start()
        start_beating(settings.alive_file)
        stopping.wait()
        executor.stop(settings.drain_seconds)
        runtime.close(settings.drain_seconds)
        writer.close()
    for why in failures:
        log.error("%s", why)
    traces.close()
    logging.shutdown()
    # A thread of the queue may wait for the end of a job that another worker took over; nothing of ours is left to do.
    os._exit(1 if failures else 0)
