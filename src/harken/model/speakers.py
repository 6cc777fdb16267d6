# SPDX-License-Identifier: Apache-2.0
"""Who speaks: turns, speakers, and voices that are known by name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Turn:
    """A stretch ``[start, end)`` in seconds in which one speaker speaks. Turns of two speakers may overlap."""

    start: float
    end: float
    speaker: str
    """Id of the :class:`Speaker`."""
    confidence: float | None = None
    """How likely it is, 0 to 1, that the speaker is the right one; None where there is only one."""


@dataclass(frozen=True, slots=True)
class Speaker:
    """Someone who speaks in a recording."""

    id: str
    """``SPEAKER_00`` and so on, in the order in which they first speak."""
    speaking_time: float = 0.0
    """Seconds, those included in which others speak too."""
    centroid: tuple[float, ...] = ()
    """The voice: a vector of length 1 to compare with others by cosine. Empty where no voice was compared."""
    name: str | None = None
    """Who it is, where a known voice matched or somebody gave the name."""
    similarity: float | None = None
    """Cosine to the known voice that gave the name."""

    @property
    def label(self) -> str:
        """The name, or the id where there is none."""
        return self.name or self.id


@dataclass(frozen=True, slots=True)
class KnownVoice:
    """A voice with a name, to be found again in recordings."""

    name: str
    centroid: tuple[float, ...]
    """As :attr:`Speaker.centroid`."""


@dataclass(frozen=True, slots=True)
class Voice:
    """A known voice that somebody enrolled."""

    owner: str
    """Id of the caller whose it is; others neither see nor match it."""
    name: str
    """One of its kind among the owner's."""
    centroid: tuple[float, ...]
    """As :attr:`Speaker.centroid`."""
    seconds: float
    """Of speech that it was made from."""
    created: float
    """Seconds since the epoch."""

    @property
    def known(self) -> KnownVoice:
        """What there is to look for."""
        return KnownVoice(self.name, self.centroid)


@dataclass(frozen=True, slots=True)
class Diarization:
    """Who spoke when."""

    turns: tuple[Turn, ...] = ()
    """In the order in which they begin."""
    speakers: tuple[Speaker, ...] = ()
    """By id."""
