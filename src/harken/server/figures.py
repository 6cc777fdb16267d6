# SPDX-License-Identifier: Apache-2.0
"""How answers write numbers and states, as far as dialects have it in common. Knows no dialect."""

from __future__ import annotations

import math
from typing import Literal

from harken.model import JobState

Told = Literal["processing", "completed", "failed"]

_STATUS: dict[JobState, Told] = {
    JobState.COMPLETED: "completed",
    JobState.FAILED: "failed",
    JobState.CANCELLED: "failed",
}


def status(state: JobState) -> Told:
    """One of three: what waits is processing, what was cancelled has failed."""
    return _STATUS.get(state, "processing")


def percent(progress: float) -> int:
    """0 to 100; 100 only when all is done."""
    return math.floor(100 * progress + 1e-9)


def seconds(value: float) -> float:
    """To the millisecond."""
    return round(value, 3)


def figure(value: float) -> float:
    """A probability, a ratio: to four places."""
    return round(value, 4)
