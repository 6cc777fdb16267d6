# SPDX-License-Identifier: Apache-2.0
"""Whether to believe a hypothesis: when to search again, what to keep and why something is left out.

Thresholds are those of Radford et al., *Robust Speech Recognition via Large-Scale Weak Supervision* (2022),
section 4.5.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from harken.model import DropReason

LOW_LOGPROB = -1.0
HIGH_COMPRESSION = 2.4
NO_SPEECH = 0.6


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What one search found."""

    tokens: tuple[int, ...]
    avg_logprob: float
    no_speech_prob: float
    temperature: float = 0.0


def compression_ratio(text: str) -> float:
    """Bytes of the text over bytes when packed; repetition packs well. 0 for no text."""
    data = text.encode()
    return len(data) / len(zlib.compress(data)) if data else 0.0


def failed(hypothesis: Hypothesis, text: str) -> bool:
    """Whether another search is worth it."""
    if silent(hypothesis):
        return False
    return hypothesis.avg_logprob < LOW_LOGPROB or compression_ratio(text) > HIGH_COMPRESSION


def silent(hypothesis: Hypothesis) -> bool:
    """Whether the model itself says that nobody speaks: it is unsure of the text and sure of no speech."""
    return hypothesis.no_speech_prob > NO_SPEECH and hypothesis.avg_logprob < LOW_LOGPROB


def better(one: tuple[Hypothesis, str], other: tuple[Hypothesis, str]) -> tuple[Hypothesis, str]:
    """The one to keep: text that does not repeat itself goes first, then the likelier one."""

    def rank(item: tuple[Hypothesis, str]) -> tuple[bool, float]:
        return compression_ratio(item[1]) <= HIGH_COMPRESSION, item[0].avg_logprob

    return max(one, other, key=rank)


def drop_reason(hypothesis: Hypothesis) -> DropReason | None:
    """Why the whole hypothesis is left out, None when it is kept."""
    return DropReason.NO_SPEECH if silent(hypothesis) else None
