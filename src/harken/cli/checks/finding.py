# SPDX-License-Identifier: Apache-2.0
"""What a check of ``harken doctor`` tells: the part, how bad it is, and what to do."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Level(enum.Enum):
    """How bad a finding is."""

    OK = "ok"
    NOTE = "note"
    """Something is not there that harken can do without."""
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one part, and what to do."""

    part: str
    level: Level
    detail: str


def ok(part: str, detail: str) -> Finding:
    """All is well."""
    return Finding(part, Level.OK, detail)


def note(part: str, detail: str) -> Finding:
    """Worth knowing."""
    return Finding(part, Level.NOTE, detail)


def missing(part: str, detail: str) -> Finding:
    """Must be put right; ``detail`` says how."""
    return Finding(part, Level.MISSING, detail)
