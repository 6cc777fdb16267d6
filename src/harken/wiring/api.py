# SPDX-License-Identifier: Apache-2.0
"""The service of an API process: database, recordings, queue, and children that look at uploads."""

from __future__ import annotations

import contextlib
import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence, Set

from harken.config import Settings
from harken.errors import HarkenError
from harken.jobs.engine import DurableJobs
from harken.model import Lane
from harken.models.standard import model_store
from harken.models.store import ModelStore
from harken.net.webhook import delay, new_secret
from harken.ports import BlobStore, Executor, Readiness, Shares
from harken.service import Limits, Office, Service, Webhooks
from harken.store import SqlLedger, SqlRoster, SqlStages, SqlStore, SqlVoices, SqlWebhooks, speak_plainly
from harken.wiring.accounts import Gate, gate
from harken.wiring.admin import office
from harken.wiring.blobs import blobs
from harken.wiring.network import admission, guard, sender
from harken.wiring.shared import database, texts
from harken.worker.process import ChildSettings
from harken.worker.readers import Readers
from harken.worker.speakers import Speakers
from harken.worker.weights import Hardware, Weights

log = logging.getLogger(__name__)

_POLL = 1.0
"""Seconds between two looks at whether a model has been fetched."""


@contextlib.contextmanager
def service(settings: Settings) -> Iterator[tuple[Service, ModelStore, Gate, Office]]:
    """The service of an API process, the models, who may call, and the office, for the length of the context."""
    with database(settings) as engine:
        speak_plainly(engine)
        store, stages = SqlStore(engine), SqlStages(engine)
        recordings = blobs(settings)
        weights = model_store(settings)
        share = Shares(
            queued=settings.max_queued_per_account or math.ceil(settings.max_queued_jobs / 2),
            kept=settings.max_kept_bytes_per_account,
            short=settings.interactive_seconds,
        )
        jobs = DurableJobs(SqlLedger(engine, share), engine, max_queued=settings.max_queued_jobs)
        # Two, so that a recording whose headers hang one of them does not hold up everybody's.
        readers = Readers(2, ChildSettings("harken-probe"), log.error)
        speakers = Speakers(1, ChildSettings("harken-voices"))
        door = guard(settings)
        files = Weights(weights.catalog, weights, Hardware())
        callers = gate(settings, engine, weights.catalog)
        built = Service(
            store,
            stages,
            SqlVoices(engine),
            recordings,
            jobs,
            weights.catalog,
            readers.probe,
            lambda path: speakers.voiceprint(path, files.speakers(lambda: False, _POLL)),
            Limits(
                max_audio_seconds=settings.max_audio_seconds,
                interactive_seconds=settings.interactive_seconds,
                job_deadline=settings.job_deadline,
            ),
            lambda: _readiness(settings, store, SqlRoster(engine), recordings, weights, readers),
            texts(settings, weights),
            admission(door),
            Webhooks(SqlWebhooks(engine, new_secret, callers.vault), store, stages, sender(door), delay, time.time),
            price_list=settings.prices,
        )
        try:
            yield built, weights, callers, office(settings, engine, built, callers, weights)
        finally:
            callers.slots.close()
            readers.close()
            speakers.close()
            jobs.close()


def _readiness(
    settings: Settings, store: SqlStore, roster: SqlRoster, recordings: BlobStore, weights: ModelStore, readers: Readers
) -> list[Readiness]:
    def model() -> str:
        return weights.path(settings.default_model).name

    def workers() -> str:
        alive = [one for one in roster.executors() if one.silence < settings.dead_after]
        return who_works(alive, store.waited_for(), weights.catalog.default.spec.name)

    def probing() -> str:
        if readers.crew.failure:
            raise HarkenError(readers.crew.failure)
        return "up"

    def database_answers() -> str:
        store.ping()
        return "readable"

    def storage_answers() -> str:
        recordings.check()
        return "writable" if settings.blobs is None else "reachable"

    return [
        _part("database", database_answers),
        _part("storage", storage_answers),
        _part("models", model),
        _part("workers", workers),
        _part("probe", probing),
    ]


def who_works(alive: Sequence[Executor], waited_for: Set[tuple[Lane, str | None]], default: str) -> str:
    """How many workers there are, and what none of them takes though it waits, or would if the default was asked for.

    Raises HarkenError when there is none.
    """
    if not alive:
        raise HarkenError("no worker is alive; start one with harken worker, or look at its log")

    def left(wanted: Iterable[tuple[Lane, str | None]]) -> list[tuple[Lane, str | None]]:
        return [(lane, model) for lane, model in wanted if not any(one.serves(lane, model) for one in alive)]

    told = [f"{len(alive)} alive"]
    idle = left((lane, None if lane is Lane.TEXT else default) for lane in Lane)
    if idle:
        told.append(f"none takes {', '.join(lane.value for lane, _ in idle)} for the default model")
    waits = sorted(lane.value + (f" for {model}" if model else "") for lane, model in left(waited_for))
    if waits:
        told.append(f"jobs wait that none takes: {', '.join(waits)}")
    return "; ".join(told)


def _part(name: str, check: Callable[[], str]) -> Readiness:
    try:
        return Readiness(name, ok=True, detail=check())
    except HarkenError as error:
        return Readiness(name, ok=False, detail=error.message)
    except Exception as error:  # noqa: BLE001 - whatever it is, this part does not work
        return Readiness(name, ok=False, detail=str(error) or type(error).__name__)
