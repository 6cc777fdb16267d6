# SPDX-License-Identifier: Apache-2.0
"""Numbers of the whole server, for dashboards. They tell of nobody in particular."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Recent:
    """What became of the jobs that ended lately."""

    uploads: Mapping[str, int]
    """Those with a recording that was sent, or none, by state."""
    fetches: Mapping[str, int]
    """Those whose recording was at a URL, by state."""
    wait: float | None
    """Seconds from a job's entry to its start, on average; None when none has begun."""
    realtime_factor: float | None
    """Seconds of work for each second of audio; None when nothing was heard."""
    windows: int
    retries: int
    """Times that a job was taken up again, because its worker had died or stopped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What the database knows."""

    ended: Mapping[str, int]
    """Jobs that ever ended, by state; those that were deleted too."""
    seconds: float
    """Of audio, that were ever recognised."""
    deliveries: Mapping[str, int]
    """Webhooks of jobs that are kept, by state."""
    credits: Mapping[str, int]
    """Sums of entries lately, by kind, in thousandths."""
    recent: Recent
