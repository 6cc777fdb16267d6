# SPDX-License-Identifier: Apache-2.0
"""The figures that OpenAI has of its own. Knows no answer."""

from __future__ import annotations

from typing import Any

from harken.model import Transcript
from harken.server.figures import seconds


def duration_usage(transcript: Transcript) -> dict[str, Any]:
    """OpenAI's usage of what is billed by duration."""
    return {"type": "duration", "seconds": seconds(transcript.duration)}
