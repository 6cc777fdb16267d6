# SPDX-License-Identifier: Apache-2.0
"""The sockets of the house: what the service and the workflow need, and adapters provide.

Protocols and the small values that pass through them. Times are seconds since the epoch. Knows no database, no queue
and no file system layout; ``wiring`` names the adapters.
"""

from harken.ports.accounts import (
    FRESH,
    AccountStore,
    AuditLog,
    CreditStore,
    Facts,
    KeyStore,
    KnownKey,
    Passwords,
    Sessions,
)
from harken.ports.figures import Figures, Recent
from harken.ports.limits import RateLimits, Slots
from harken.ports.oversight import Overview, Queue, Used
from harken.ports.queue import Enqueue, JobEngine, Ledger, Shares, Submission, Transaction
from harken.ports.readiness import Readiness
from harken.ports.store import Arrival, BlobStore, Page, Stages, Store, Voices
from harken.ports.webhooks import Outbox, Receipt, Send, WebhookStore
from harken.ports.work import ChapterDone, ChapterRunner, Recording, Recordings, Runner, SpeakerFinder, Writer
from harken.ports.workers import Bell, Executor, Roster

__all__ = [
    "FRESH",
    "AccountStore",
    "Arrival",
    "AuditLog",
    "Bell",
    "BlobStore",
    "ChapterDone",
    "ChapterRunner",
    "CreditStore",
    "Enqueue",
    "Executor",
    "Facts",
    "Figures",
    "JobEngine",
    "KeyStore",
    "KnownKey",
    "Ledger",
    "Outbox",
    "Overview",
    "Page",
    "Passwords",
    "Queue",
    "RateLimits",
    "Readiness",
    "Receipt",
    "Recent",
    "Recording",
    "Recordings",
    "Roster",
    "Runner",
    "Send",
    "Sessions",
    "Shares",
    "Slots",
    "SpeakerFinder",
    "Stages",
    "Store",
    "Submission",
    "Transaction",
    "Used",
    "Voices",
    "WebhookStore",
    "Writer",
]
