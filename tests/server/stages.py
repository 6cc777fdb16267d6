# SPDX-License-Identifier: Apache-2.0
"""Stages and enrolled voices in memory, and what makes a voice of a recording."""

from __future__ import annotations

import math
from dataclasses import replace

from harken.audio.probe import probe
from harken.audio.remote import Stored
from harken.errors import JobEnded, StageNotFound, UnusableVoice, VoiceExists, VoiceNotFound
from harken.model import JobState, Stage, Voice

DIMENSIONS = 192


class MemoryStages:
    """What the service calls of the stages; nobody works on them."""

    def __init__(self) -> None:
        self.kept: dict[str, Stage] = {}

    def stages(self, job_id: str) -> list[Stage]:
        return [stage for stage in list(self.kept.values()) if stage.job_id == job_id]

    def request_cancel(self, stage_id: str) -> Stage:
        stage = self.kept.get(stage_id)
        if stage is None:
            raise StageNotFound(f"there is no stage {stage_id}")
        if stage.state.ended:
            raise JobEnded(f"this is {stage.state.value}")
        self.kept[stage_id] = replace(stage, cancel_requested=True, state=JobState.CANCELLED)
        return self.kept[stage_id]


class MemoryVoices:
    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], Voice] = {}

    def voices(self, owner: str) -> list[Voice]:
        return [voice for (whose, _), voice in sorted(self._kept.items()) if whose == owner]

    def enrol(self, voice: Voice) -> None:
        if (voice.owner, voice.name) in self._kept:
            raise VoiceExists(f"a voice named {voice.name} is enrolled already")
        self._kept[voice.owner, voice.name] = voice

    def forget(self, owner: str, name: str) -> None:
        if self._kept.pop((owner, name), None) is None:
            raise VoiceNotFound(f"no voice named {name} is enrolled")


def voiceprint(source: Stored) -> tuple[float, tuple[float, ...]]:
    """A voice that depends on how long the recording is; of less than a second there is none."""
    seconds = probe(source).duration or 0.0
    if seconds < 1.0:
        raise UnusableVoice("too little speech to learn a voice from")
    return seconds, (math.cos(seconds), math.sin(seconds), *[0.0] * (DIMENSIONS - 2))
