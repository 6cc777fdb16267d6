# SPDX-License-Identifier: Apache-2.0
"""What more than one kind of process is built from: the database and what writes texts."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Iterator

import sqlalchemy as sa

from harken.config import Settings
from harken.errors import ModelError
from harken.jobs.engine import prepare
from harken.models.store import ModelStore
from harken.store import connect, preparing, upgrade
from harken.store.database import is_sqlite
from harken.text.providers import LOCAL, Providers, TextSettings, providers

log = logging.getLogger(__name__)

_AWAY = 100.0
"""Seconds that a start waits for a database that is away: less than a supervisor gives it to be up. Whoever keeps
processes running starts it again."""
_PAUSE = 1.0


@contextlib.contextmanager
def database(settings: Settings) -> Iterator[sa.Engine]:
    """The database, brought up to date; one that is away is waited for.

    Raises OSError when the data folder cannot be made, DatabaseTooNew.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    engine = connect(settings.database_url or settings.database_path)
    try:
        _prepare(engine)
        yield engine
    finally:
        engine.dispose()


def _prepare(engine: sa.Engine) -> None:
    """Bring the database up to date. Processes of a whole installation start at once, and this one may be first."""
    deadline = time.monotonic() + _AWAY
    while True:
        try:
            with preparing(engine):
                upgrade(engine)
                prepare(engine)
        except sa.exc.OperationalError as error:
            if is_sqlite(engine) or time.monotonic() > deadline:
                raise
            log.warning("the database does not answer, trying again: %s", error.orig)
            time.sleep(_PAUSE)
        else:
            return


def texts(settings: Settings, store: ModelStore) -> Providers:
    """The providers of text. Raises InvalidOption when the settings contradict each other."""
    try:
        local = store.path(LOCAL) / store.catalog.entry(LOCAL).files[0].name
    except ModelError:
        local = None
    return providers(
        TextSettings(
            base_url=settings.llm_base_url,
            api_key=None if settings.llm_api_key is None else settings.llm_api_key.get_secret_value(),
            models=settings.llm_model,
            context=settings.llm_context,
            timeout=settings.llm_timeout,
            local=local,
            threads=max(1, os.cpu_count() or 1),
        )
    )
