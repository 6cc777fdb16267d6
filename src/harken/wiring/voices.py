# SPDX-License-Identifier: Apache-2.0
"""Enrolled voices for a process that is no server: the command line's."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from harken.config import Settings
from harken.store import SqlVoices, connect, preparing, upgrade


@contextlib.contextmanager
def voices(settings: Settings) -> Iterator[SqlVoices]:
    """The voices of the server of these settings. Raises OSError when the data folder cannot be made."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    engine = connect(settings.database_url or settings.database_path)
    try:
        with preparing(engine):
            upgrade(engine)
        yield SqlVoices(engine)
    finally:
        engine.dispose()
