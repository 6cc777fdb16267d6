# SPDX-License-Identifier: Apache-2.0
"""Where jobs, windows, transcripts and recordings are kept: SQLite or PostgreSQL, and a folder.

Implements the ports; knows no queue, no worker and no wire form.
"""

from __future__ import annotations

from harken.store.bell import SqlBell
from harken.store.blobs import FolderBlobs
from harken.store.database import connect, preparing, speak_plainly
from harken.store.ledger import SqlLedger
from harken.store.migrations import upgrade
from harken.store.roster import SqlRoster
from harken.store.sql import SqlStore
from harken.store.stages import SqlStages
from harken.store.voices import SqlVoices

__all__ = [
    "FolderBlobs",
    "SqlBell",
    "SqlLedger",
    "SqlRoster",
    "SqlStages",
    "SqlStore",
    "SqlVoices",
    "connect",
    "preparing",
    "speak_plainly",
    "upgrade",
]
