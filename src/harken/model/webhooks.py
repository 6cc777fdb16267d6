# SPDX-License-Identifier: Apache-2.0
"""Telling others how a job ended."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class DeliveryState(enum.StrEnum):
    """The life of a delivery: it waits for its next try until it arrived, or is given up."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"
    PAUSED = "paused"
    """Its receiver was dead before; it waits until somebody says that it lives."""


@dataclass(frozen=True, slots=True)
class Try:
    """One attempt at a delivery."""

    at: float
    """Seconds since the epoch, as all times here."""
    seconds: float
    outcome: str
    status: int | None = None
    """What the receiver answered, where it did."""
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message to a URL, until it has arrived or is given up."""

    id: str
    """UUID; the message keeps it over all tries."""
    owner: str
    job_id: str
    url: str
    state: DeliveryState
    created: float
    due: float
    """When it is tried next."""
    ended: float | None = None
    tries: tuple[Try, ...] = ()
