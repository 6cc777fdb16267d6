# SPDX-License-Identifier: Apache-2.0
"""Everything that an administrator works with, as one thing to hand over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harken.ports import Readiness
from harken.service.accounts import Accounts
from harken.service.admin import Admin
from harken.service.models import Models
from harken.service.oversight import Oversight


@dataclass(frozen=True, slots=True)
class InForce:
    """A setting as the server was started with it, for people: secrets are not in it."""

    name: str
    """The environment variable."""
    value: str | None
    """None when it is not set."""
    changed: bool
    """Whether it is another value than the default."""
    description: str


@dataclass(frozen=True, slots=True)
class Office:
    """The administrator's use cases."""

    admin: Admin
    accounts: Accounts
    oversight: Oversight
    models: Models
    readiness: Callable[[], list[Readiness]]
    """Every part of the server that must work."""
    settings: tuple[InForce, ...]
