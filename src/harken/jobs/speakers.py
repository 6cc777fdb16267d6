# SPDX-License-Identifier: Apache-2.0
"""The stage that finds out who speaks and puts speakers to the words. Knows no process, only a finder of speakers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harken.diarize.assign import assign, by_channel
from harken.errors import AudioGone, JobCancelled
from harken.jobs.hands import Hands
from harken.model import Diarization, Job, KnownVoice, Stage, StageKind, Transcript, without_excuse
from harken.pipeline import assemble
from harken.ports import BlobStore, SpeakerFinder, Store, Voices


class SpeakerWork:
    """The :class:`~harken.jobs.stages.StageWork` of diarization."""

    def __init__(self, hands: Hands, store: Store, voices: Voices, blobs: BlobStore, finder: SpeakerFinder) -> None:
        self._hands = hands
        self._store = store
        self._voices = voices
        self._blobs = blobs
        self._finder = finder

    def options(self, job: Job) -> dict[str, Any] | None:
        """See :class:`~harken.jobs.stages.StageWork`."""
        return job.options.speaker_counts if job.options.diarize else None

    def do(
        self, stage: Stage, job: Job, on_progress: Callable[[float], None], cancelled: Callable[[], bool]
    ) -> Transcript:
        """See :class:`~harken.jobs.stages.StageWork`."""
        transcript = self._unlabelled(job)
        if len({segment.channel for segment in transcript.segments}) > 1:
            return by_channel(transcript)
        if job.audio is None:
            raise AudioGone("the recording is not kept any more")
        options = job.options.but(diarize=True, **stage.options)
        known, audio = self._known(job), job.audio

        def find() -> Diarization:
            if cancelled():
                raise JobCancelled("it was cancelled")
            return self._finder.diarize(job, self._blobs.source(audio), options, known, on_progress, cancelled)

        try:
            found = self._hands.patiently(find)
        except FileNotFoundError as error:
            raise AudioGone("the recording is not in the blob store any more") from error
        return assign(transcript, found)

    def _unlabelled(self, job: Job) -> Transcript:
        """The transcript as it was recognised: an earlier run of this stage may have cut its segments."""
        saved = self._hands.patiently(self._store.transcript, job.id)
        results = self._hands.patiently(self._store.saved, job.id)
        if saved is None:
            raise RuntimeError(f"job {job.id} has no transcript")
        return assemble(
            [results[index] for index in sorted(results)],
            job.options,
            duration=saved.duration,
            model=saved.model,
            timing=saved.timing,
            warnings=without_excuse(saved.warnings, StageKind.DIARIZE),
        )

    def _known(self, job: Job) -> tuple[KnownVoice, ...]:
        """The voices to look for; of two with one name the one that came with the job."""
        enrolled = {voice.name: voice.known for voice in self._hands.patiently(self._voices.voices, job.owner)}
        return tuple({**enrolled, **{voice.name: voice for voice in job.options.known_voices}}.values())
