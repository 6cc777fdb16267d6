# SPDX-License-Identifier: Apache-2.0
"""What can be asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from harken.model.speakers import KnownVoice
from harken.model.texts import Format, Summarise

Task = Literal["transcribe", "translate"]
Mode = Literal["default", "fast"]
Channels = Literal["mix", "split"]


@dataclass(frozen=True, slots=True)
class Options:
    """How to recognise. Defaults are the server's; ``validate`` in :mod:`harken.pipeline` checks the ranges."""

    model: str | None = None
    """Any name of the catalog; None is the default model."""
    language: str | None = None
    """ISO 639-1 code or English name; None detects it."""
    languages: tuple[str, ...] = ()
    """Languages that the recording can be in; others are not detected. Empty is any."""
    task: Task = "transcribe"
    prompt: str | None = None
    """Text that is taken as said before the first window."""
    vocabulary: tuple[str, ...] = ()
    """Words whose odds are raised in every window (hot words)."""
    word_timestamps: bool = False
    without_timestamps: bool = False
    """One segment a window, no times inside it."""
    vad_filter: bool = True
    vad_threshold: float | None = None
    """Probability, 0 to 1, from which on a sound counts as speech; None, as for the next two, leaves it to us."""
    vad_padding: float | None = None
    """Seconds of sound that are heard before and after detected speech."""
    vad_silence: float | None = None
    """Seconds of silence that end a stretch of speech."""
    condition_on_previous_text: bool = False
    beam_size: int | None = None
    """None leaves the search to the mode: greedy first, a beam where greedy is not sure."""
    best_of: int | None = None
    """Candidates when sampling at a temperature over 0."""
    temperature: float | None = None
    """None is 0 with fallback to higher temperatures; a number is used as it is, without fallback."""
    offset: float = 0.0
    """Seconds to leave out at the start; times still count from the start of the recording."""
    duration: float | None = None
    """Seconds to recognise from ``offset`` on; None is all."""
    channels: Channels = "mix"
    """``mix`` mixes channels down; ``split`` gives one transcript per channel, merged by time."""
    diarize: bool = False
    """Find out who speaks when. With ``channels="split"`` each channel is one speaker, and nothing is compared."""
    num_speakers: int | None = None
    """How many speak, where that is known."""
    min_speakers: int | None = None
    max_speakers: int | None = None
    known_voices: tuple[KnownVoice, ...] = ()
    """Voices to look for among the speakers, beside those that are enrolled."""
    summary: Summarise | None = None
    """A summary to be made of a job's transcript."""
    formatting: Format | None = None
    """How a job's transcript is to be written down beside."""
    mode: Mode = "default"
    """``fast`` trades accuracy for speed."""
    cpu_threads: int | None = None
    num_workers: int | None = None

    @property
    def timed_words(self) -> bool:
        """Whether the recogniser is to time words: they were asked for, or speakers are told apart by them.

        The words of a translation are not those that are heard, and a channel is one speaker: neither needs it.
        """
        return self.word_timestamps or (self.diarize and self.channels == "mix" and self.task == "transcribe")

    @property
    def speaker_counts(self) -> dict[str, Any]:
        """What is said of how many speak: options by name, as JSON types."""
        return {name: getattr(self, name) for name in ("num_speakers", "min_speakers", "max_speakers")}

    def but(self, **changes: Any) -> Options:
        """A copy with some fields changed."""
        return replace(self, **changes)
