# SPDX-License-Identifier: Apache-2.0
"""How right it is who spoke when: counts that add up over recordings.

The diarization error rate is NIST's, as pyannote.metrics computes it: missed speech, false alarms and confusion over
the seconds of speech, with the mapping of speakers that is best. Knows no engine and no files.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass

from pyannote.core import Annotation, Segment, Timeline

from harken.model import Turn

with warnings.catch_warnings():
    # Their packages warn of one another when they are loaded.
    warnings.simplefilter("ignore")
    from pyannote.metrics.diarization import DiarizationErrorRate

COLLAR = 0.25
"""Seconds on each side of a turn's edge that are not judged, where a collar is used."""

BINS = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 1.0)
"""Edges of the groups of confidence; the last holds 1 too."""


@dataclass(frozen=True, slots=True)
class Errors:
    """Seconds of speech and of what was wrong with it."""

    speech: float = 0.0
    """In the reference; that of two who speak at once counts twice."""
    missed: float = 0.0
    false: float = 0.0
    confused: float = 0.0

    @property
    def rate(self) -> float:
        """The diarization error rate in percent."""
        return self.percent(self.missed + self.false + self.confused)

    def percent(self, seconds: float) -> float:
        """So many seconds as percent of the speech."""
        return 100.0 * seconds / self.speech if self.speech else 0.0

    def __add__(self, other: Errors) -> Errors:
        return Errors(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))


def errors(reference: Iterable[Turn], found: Iterable[Turn], duration: float, collar: float = 0.0) -> Errors:
    """Compare turns over a whole recording of ``duration`` seconds; overlap counts."""
    # Their collar is both sides of an edge together.
    metric = DiarizationErrorRate(collar=2 * collar)
    counts = metric.compute_components(
        _annotation(reference), _annotation(found), uem=Timeline([Segment(0.0, duration)])
    )
    return Errors(
        float(counts["total"]),
        float(counts["missed detection"]),
        float(counts["false alarm"]),
        float(counts["confusion"]),
    )


def names(reference: Iterable[Turn], found: Iterable[Turn]) -> dict[str, str]:
    """The reference's speaker for every found one that is one of them, so that most of the speech is right."""
    mapping: Mapping[str, str] = DiarizationErrorRate().optimal_mapping(_annotation(reference), _annotation(found))
    return dict(mapping)


def sureness(reference: Sequence[Turn], found: Sequence[Turn]) -> list[tuple[float, float]]:
    """For every group of :data:`BINS`: seconds in which somebody speaks, and those in which he is the right one.

    Turns without a confidence are not counted.
    """
    known = names(reference, found)
    counts = [(0.0, 0.0)] * (len(BINS) - 1)
    everyone = _joined(reference)
    for turn in found:
        if turn.confidence is None:
            continue
        group = max(index for index, edge in enumerate(BINS[:-1]) if turn.confidence >= edge)
        own = _joined(item for item in reference if item.speaker == known.get(turn.speaker))
        spoken, right = counts[group]
        counts[group] = (spoken + _shared(turn, everyone), right + _shared(turn, own))
    return counts


def _annotation(turns: Iterable[Turn]) -> Annotation:
    annotation = Annotation()
    for number, turn in enumerate(turns):
        if turn.end > turn.start:
            annotation[Segment(turn.start, turn.end), number] = turn.speaker
    return annotation


def _joined(turns: Iterable[Turn]) -> Timeline:
    return Timeline([Segment(turn.start, turn.end) for turn in turns if turn.end > turn.start]).support()


def _shared(turn: Turn, timeline: Timeline) -> float:
    return float(timeline.crop(Segment(turn.start, turn.end)).duration())
