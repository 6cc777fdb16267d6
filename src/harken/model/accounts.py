# SPDX-License-Identifier: Apache-2.0
"""Who calls: accounts, the keys that open them, what a key may do, and what was changed by whom."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


class Scope(enum.StrEnum):
    """What a key can be good for."""

    TRANSCRIBE = "transcribe"
    """Have recordings heard, now or again."""
    READ = "jobs:read"
    """See the account's jobs and what came of them."""
    TEXT = "text"
    """Have summaries, notes and answers written."""
    ADMIN = "admin"
    """Everything that an administrator's session may."""


EVERYDAY = frozenset({Scope.TRANSCRIBE, Scope.READ, Scope.TEXT})
"""Every scope but the administrator's."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What a caller may do. The default may everything that is no administrator's business."""

    scopes: frozenset[Scope] = EVERYDAY
    models: tuple[str, ...] = ()
    """Canonical names of models and presets that may recognise, and of models that may write; a preset of a model in
    the list may too. Empty is any."""
    languages: tuple[str, ...] = ()
    """ISO 639-1 codes of the languages that recordings may be in; empty is any."""
    rate: int | None = None
    """Requests per minute; None leaves it to the server's setting."""
    concurrency: int | None = None
    """Uploads and waiting requests at once; None likewise."""


@dataclass(frozen=True, slots=True)
class Account:
    """Whose jobs they are. Times are seconds since the epoch."""

    id: str
    """What the jobs have as their owner."""
    name: str
    created: float
    metered: bool = False
    """Whether jobs cost credits; without, there is no limit to them."""
    closed: float | None = None
    """Since when its keys open nothing."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key to an account, without its secret, which nobody keeps. Times are seconds since the epoch."""

    id: str
    account: str
    name: str
    prefix: str
    """The part of the key by which it is found, and which is shown in lists."""
    policy: Policy
    created: float
    expires: float | None = None
    last_used: float | None = None
    """To the minute."""
    revoked: float | None = None

    def expired(self, now: float) -> bool:
        """Whether its time is over."""
        return self.expires is not None and self.expires <= now


@dataclass(frozen=True, slots=True)
class Session:
    """An administrator's login. Times are seconds since the epoch."""

    id: str
    """Hash of the token that the browser has."""
    created: float
    expires: float
    address: str = ""
    """Where the login came from, for display."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """A change, as it stands in the audit log."""

    actor: str
    """``admin``, the id of a key, or ``command line``."""
    action: str
    """What was done, ``key.create`` say."""
    subject: str = ""
    """The id of what it was done to."""
    detail: Mapping[str, Any] = field(default_factory=dict)
    """More, as JSON types; never a secret."""
    at: float = 0.0
    """Seconds since the epoch; the store writes the present."""
    id: int = 0
    """Counts up; the store gives it."""
