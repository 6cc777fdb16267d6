# SPDX-License-Identifier: Apache-2.0
"""Whether to believe a hypothesis: when to search again, what to keep and why something is left out.

The thresholds of silence, repetition and failure are those of Radford et al., *Robust Speech Recognition via
Large-Scale Weak Supervision* (2022), section 4.5. Pure functions; knows no engine.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from harken.model import DropReason

LOW_LOGPROB = -1.0
"""Mean log-probability of a token below which a text has failed."""

HIGH_COMPRESSION = 2.4
"""Compression ratio over which a text repeats itself."""

NO_SPEECH = 0.6
"""Probability of no speech over which a failed text is silence."""

PERHAPS_SILENT = 0.3
"""Probability of no speech from which on stock phrases are not believed."""

EARLY = 0.3
"""What it costs a text, as mean log-probability, to stop before the speech does."""

ROUNDS = 3
"""Times that a phrase may stand one after the other in a text that repeats itself."""

INVENTED = frozenset(
    {
        "you",
        "thank you",
        "thank you very much",
        "thank you so much",
        "thank you for watching",
        "thanks for watching",
        "bye",
        "bye bye",
        "please subscribe",
        "subtitles by the amara org community",
        "untertitel der amara org community",
        "untertitel im auftrag des zdf für funk 2017",
        "sous titres réalisés par la communauté d amara org",
        "subtítulos realizados por la comunidad de amara org",
        "ご視聴ありがとうございました",
        "谢谢大家",
        "谢谢观看",
        "продолжение следует",
        "시청해주셔서 감사합니다",
    }
)
"""What Whisper writes where nobody speaks: ends and credits of the videos it was trained on."""


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What one search found."""

    tokens: tuple[int, ...]
    avg_logprob: float
    no_speech_prob: float
    temperature: float = 0.0


@dataclass(frozen=True, slots=True)
class Reading:
    """A hypothesis and its text."""

    hypothesis: Hypothesis
    text: str
    unfinished: bool = False
    """Whether the model says that speech goes on where its text ends."""

    @property
    def repetitive(self) -> bool:
        """Whether the text goes round in circles."""
        return compression_ratio(self.text) > HIGH_COMPRESSION

    @property
    def silent(self) -> bool:
        """Whether the model itself says that nobody speaks: sure of no speech, and unsure of the text or in a loop."""
        return self.hypothesis.no_speech_prob > NO_SPEECH and (
            self.hypothesis.avg_logprob < LOW_LOGPROB or self.repetitive
        )

    @property
    def failed(self) -> bool:
        """Whether another search is worth it."""
        return not self.silent and (self.hypothesis.avg_logprob < LOW_LOGPROB or self.repetitive)

    @property
    def rank(self) -> tuple[bool, float]:
        """Higher is better: text that does not repeat itself first, then what the model is surer of.

        Text that stops early is likelier than all of it, so that counts against it.
        """
        return not self.repetitive, self.hypothesis.avg_logprob - (EARLY if self.unfinished else 0.0)


def compression_ratio(text: str) -> float:
    """Bytes of the text over bytes when packed; repetition packs well. 0 for no text."""
    data = text.encode()
    return len(data) / len(zlib.compress(data)) if data else 0.0


def plain_words(text: str) -> list[str]:
    """The words without signs, in lower case, to compare texts by."""
    return re.findall(r"\w+", text.lower())


def drop_reason(reading: Reading) -> DropReason | None:
    """Why a whole hypothesis is left out; None when it is kept."""
    if reading.silent:
        return DropReason.NO_SPEECH
    if reading.hypothesis.no_speech_prob >= PERHAPS_SILENT and " ".join(plain_words(reading.text)) in INVENTED:
        return DropReason.LOW_CONFIDENCE
    return None


def keep_rounds(tokens: Sequence[int]) -> int:
    """How many of the tokens stand before a phrase has come more than :data:`ROUNDS` times in a row; all if none does.

    For text that has failed as repetition after every search: what comes after is the loop.
    """
    count = len(tokens)
    for start in range(count):
        for length in range(1, min(30, (count - start) // (ROUNDS + 1)) + 1):
            phrase = tokens[start : start + length]
            again = 1
            while tokens[start + again * length : start + (again + 1) * length] == phrase:
                again += 1
            if again > ROUNDS:
                return start + length
    return count


def repeats(text: str, before: str, after: str) -> bool:
    """Whether text of a second pass only says again what stands before or after it."""
    words = plain_words(text)
    return not words or words == plain_words(before)[-len(words) :] or words == plain_words(after)[: len(words)]
