# SPDX-License-Identifier: Apache-2.0
"""What dialects hand to the service: who asks, what arrived; and what the operator allows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the id that owns jobs. Everyone is the same caller where no keys are set."""

    id: str


@dataclass(frozen=True, slots=True)
class Upload:
    """A recording that has arrived whole: where it is spooled, its name, bytes and SHA-256."""

    path: Path
    filename: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Limits:
    """The operator's limits that hold for every dialect. Seconds."""

    max_audio_seconds: float
    interactive_seconds: float
    job_deadline: float
