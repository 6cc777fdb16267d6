# SPDX-License-Identifier: Apache-2.0
"""What more than one kind of process is built from: the database and what writes texts."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import sqlalchemy as sa

from harken.config import Settings
from harken.errors import ModelError
from harken.jobs.engine import prepare
from harken.models.store import ModelStore
from harken.store import connect, preparing, upgrade
from harken.text.providers import LOCAL, Providers, TextSettings, providers


@contextlib.contextmanager
def database(settings: Settings) -> Iterator[sa.Engine]:
    """The database, brought up to date. Raises OSError when the data folder cannot be made."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    engine = connect(settings.database_url or settings.database_path)
    try:
        with preparing(engine):
            upgrade(engine)
            prepare(engine)
        yield engine
    finally:
        engine.dispose()


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
