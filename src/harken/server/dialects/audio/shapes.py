# SPDX-License-Identifier: Apache-2.0
"""Jobs as this dialect tells them: four stages, the transcript once it is there, the text that was made of it.

Knows no request.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from harken.errors import HarkenError, JobFailed, JobNotFound
from harken.model import Job, JobState, Stage, StageKind, Transcript
from harken.service import Service
from harken.text.extractive import paragraphs
from harken.text.spoken import Spoken

Told = Literal["transcribing", "formatting", "done", "error"]

HEARD = 80
"""Percent that are done when everything is recognised."""
KNOWN = 90
"""Percent that are done when it is known who speaks."""


@dataclass(frozen=True, slots=True)
class Found:
    """A job, then its stages, then its transcript, read in this order: none says less than those before it promise."""

    job: Job
    stages: Sequence[Stage]
    transcript: Transcript | None

    @property
    def formatting(self) -> Stage | None:
        """The last time that a text was to be made of the transcript."""
        return max(self._of(StageKind.FORMAT), key=lambda stage: stage.created, default=None)

    @property
    def instruction(self) -> str:
        """What was wanted of the text the last time."""
        writing, asked = self.formatting, self.job.options.formatting
        if writing is not None:
            return str(writing.options.get("instruction", ""))
        return "" if asked is None else asked.instruction

    @property
    def told(self) -> Told:
        """The stage that the job is in, by this dialect's names."""
        if self.job.state in (JobState.FAILED, JobState.CANCELLED):
            return "error"
        if self.job.state is not JobState.COMPLETED:
            return "transcribing" if self.job.stage in (None, StageKind.DIARIZE) else "formatting"
        writing = self.formatting
        if writing is None:
            return "done" if self.job.options.formatting is None else "error"
        if not writing.state.ended:
            return "formatting"
        return "done" if writing.state is JobState.COMPLETED else "error"

    @property
    def failure(self) -> HarkenError:
        """Why it is in error."""
        if self.job.state is not JobState.COMPLETED:
            return Service.failure(self.job)
        writing = self.formatting
        return JobFailed("there was no time left for it") if writing is None else Service.failure(writing)

    @property
    def error(self) -> str:
        """The same for people."""
        made = self.job.state is JobState.COMPLETED
        return f"the text could not be formatted: {self.failure.message}" if made else self.failure.message

    @property
    def progress(self) -> int:
        """Percent."""
        if self.told == "done":
            return 100
        if self.told == "transcribing":
            heard = int(HEARD * self.job.progress)
            if self.job.stage is None:
                return heard
            return HEARD + int((KNOWN - HEARD) * max(one.progress for one in self._of(StageKind.DIARIZE)))
        writing = self.formatting
        return KNOWN if writing is None else KNOWN + int((99 - KNOWN) * writing.progress)

    def _of(self, kind: StageKind) -> list[Stage]:
        return [stage for stage in self.stages if stage.kind is kind]


def accepted(job: Job, warnings: Sequence[str]) -> dict[str, Any]:
    """A job that is asked for later."""
    return {"job_id": job.id, "warnings": list(warnings)}


def result(found: Found) -> dict[str, Any]:
    """A job that is done; where no text was asked for, it is every word in paragraphs. Raises JobNotFound."""
    transcript, writing = found.transcript, found.formatting
    if transcript is None:
        raise JobNotFound(f"job {found.job.id} was deleted just now")
    text = (writing and writing.result) or paragraphs(Spoken(transcript))
    warnings = dict.fromkeys((*found.job.warnings, *transcript.warnings, *text.warnings))
    return {
        "transcript": transcript.text,
        "formatted": text.text,
        "job_id": found.job.id,
        "model": transcript.model,
        "language": transcript.language,
        "duration": round(transcript.duration, 3),
        "formatted_by": text.model,
        "generated": text.generated,
        "warnings": list(warnings),
    }


def status(found: Found) -> dict[str, Any]:
    """How a job stands."""
    told: dict[str, Any] = {"stage": found.told, "job_id": found.job.id, "warnings": list(found.job.warnings)}
    match found.told:
        case "done":
            return {**told, "progress": found.progress, **result(found)}
        case "error":
            told["error"] = found.error
        case _:
            told["progress"] = found.progress
    if found.told != "transcribing" and found.transcript is not None:
        told["transcript"] = found.transcript.text
    return told


def failed(job_id: str, error: str, transcript: Transcript) -> dict[str, Any]:
    """A job that has a transcript and nothing more will come of; it must not be lost with the rest."""
    return {"detail": error, "transcript": transcript.text, "job_id": job_id}
