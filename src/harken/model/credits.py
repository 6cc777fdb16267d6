# SPDX-License-Identifier: Apache-2.0
"""Credits: what work costs, and the entries of the ledger. Amounts are whole thousandths of a credit."""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from harken.model.jobs import StageKind
from harken.model.options import Options

CREDIT = 1000
"""Thousandths in one."""
RECOGNITION = "transcribe"
"""The name under which a job's rates have the recognition itself; the others are kinds of stages."""


class CreditKind(enum.StrEnum):
    """Why an account's balance changed. Entries are added, and never changed."""

    GRANT = "grant"
    """An administrator gave some, or took some."""
    RESERVE = "reserve"
    """Work was entered: what it can cost is set aside."""
    RELEASE = "release"
    """The work ended, however it did: all that was set aside for it is given back."""
    SETTLE = "settle"
    """The work was done: what it did cost."""


@dataclass(frozen=True, slots=True)
class CreditEntry:
    """One entry. The balance of an account is the sum of its entries."""

    id: int
    account: str
    kind: CreditKind
    amount: int
    """Less than none takes from the balance."""
    created: float
    """Seconds since the epoch."""
    job_id: str | None = None
    work: str | None = None
    """The job, or the stage of it, that was paid for."""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Quote:
    """What work can cost: there must be ``least``, and up to ``most`` is set aside.

    They differ where nobody knows yet how long a recording is.
    """

    least: int
    most: int


def cost(rates: Mapping[str, int], seconds: float) -> int:
    """The price of so much audio at ``rates``, which are thousandths of a credit for a minute, by what is done."""
    return round(sum(rates.values()) * seconds / 60)


def due(rates: Mapping[str, int], seconds: float, done: Collection[StageKind]) -> int:
    """The price of a job that has completed, of whose stages only those in ``done`` have."""
    return cost({name: rate for name, rate in rates.items() if name == RECOGNITION or name in done}, seconds)


def heard(options: Options, duration: float) -> float:
    """Seconds of a recording that ``options`` have heard."""
    start = min(options.offset, duration)
    end = duration if options.duration is None else min(duration, start + options.duration)
    return end - start


def in_credits(amount: int) -> str:
    """An amount as people read it: ``30``, ``5.5``."""
    return f"{amount / CREDIT:.3f}".rstrip("0").rstrip(".")
