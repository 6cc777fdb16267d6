# SPDX-License-Identifier: Apache-2.0
"""How this dialect writes numbers. Knows no answer."""

from __future__ import annotations

from typing import Any

from harken.model import Transcript


def seconds(value: float) -> float:
    """To the millisecond."""
    return round(value, 3)


def figure(value: float) -> float:
    """A probability, a ratio: to four places."""
    return round(value, 4)


def duration_usage(transcript: Transcript) -> dict[str, Any]:
    """OpenAI's usage of what is billed by duration."""
    return {"type": "duration", "seconds": seconds(transcript.duration)}
