# SPDX-License-Identifier: Apache-2.0
"""By what a request that is sent again under its idempotency key is known to be the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from harken.model import Options, TextTask, Transcript, plain


def of_recording(sha256: str, options: Options, references: tuple[str, ...] = (), webhook: str | None = None) -> str:
    """Of a recording by its SHA-256, or by what else names it, and what is to be done with it."""
    asked = plain(options)
    if references:
        # Another processor hears the same voice a little differently.
        asked["known_voices"] = [[voice.name for voice in options.known_voices], references]
    # Options at their defaults are left out, so that those of later versions change nothing.
    default = plain(Options())
    changed = {name: asked[name] for name in asked if asked[name] != default[name]}
    return _digest([sha256, changed] if webhook is None else [sha256, changed, webhook])


def of_request(fingerprint: str, view: Mapping[str, Any], keep: float | None) -> str:
    """Of all that a dialect was asked, what is to be done and how it is to be told and kept."""
    return _digest([fingerprint, dict(view), keep]) if view or keep is not None else fingerprint


def of_transcript(transcript: Transcript, task: TextTask) -> str:
    """Of a transcript that a client gave, and what is to be done with it."""
    return _digest([plain(transcript), type(task).__name__, plain(task)])


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
