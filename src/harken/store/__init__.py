# SPDX-License-Identifier: Apache-2.0
"""Where jobs, windows, transcripts and recordings are kept: SQLite or PostgreSQL, and a folder.

Implements the ports; knows no queue, no worker and no wire form.
"""

from __future__ import annotations

from harken.store.accounts import SqlAccounts, SqlKeys
from harken.store.audit import SqlAuditLog, SqlFacts
from harken.store.bell import SqlBell
from harken.store.blobs import FolderBlobs
from harken.store.credits import SqlCredits
from harken.store.database import connect, preparing, speak_plainly
from harken.store.ledger import SqlLedger
from harken.store.limits import SqlRateLimits, SqlSlots
from harken.store.migrations import upgrade
from harken.store.overview import SqlOverview
from harken.store.residents import SqlResidents
from harken.store.roster import SqlRoster
from harken.store.secret import adopt, hold_to, server_secret
from harken.store.sessions import Argon2, SqlSessions
from harken.store.sql import SqlStore
from harken.store.stages import SqlStages
from harken.store.vault import Vault
from harken.store.voices import SqlVoices
from harken.store.webhooks import SqlWebhooks

__all__ = [
    "Argon2",
    "FolderBlobs",
    "SqlAccounts",
    "SqlAuditLog",
    "SqlBell",
    "SqlCredits",
    "SqlFacts",
    "SqlKeys",
    "SqlLedger",
    "SqlOverview",
    "SqlRateLimits",
    "SqlResidents",
    "SqlRoster",
    "SqlSessions",
    "SqlSlots",
    "SqlStages",
    "SqlStore",
    "SqlVoices",
    "SqlWebhooks",
    "Vault",
    "adopt",
    "connect",
    "hold_to",
    "preparing",
    "server_secret",
    "speak_plainly",
    "upgrade",
]
