# SPDX-License-Identifier: Apache-2.0
"""Recordings on their way: jobs, and stages of work on a transcript."""

from __future__ import annotations

import enum
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harken.model.options import Options
from harken.model.texts import TextResult


class JobState(enum.StrEnum):
    """The life of a job: queued, processing, then one of the three ends."""

    QUEUED = "queued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to the job."""
        return self in (JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED)


class Lane(enum.StrEnum):
    """Interactive when a caller waits or the audio is short; else batch. Text work has a lane beside recordings."""

    INTERACTIVE = "interactive"
    BATCH = "batch"
    TEXT = "text"


class StageKind(enum.StrEnum):
    """What can be done with a transcript, with the recording or without."""

    DIARIZE = "diarize"
    SUMMARISE = "summarise"
    FORMAT = "format"
    CHAT = "chat"


_EXCUSES = {
    StageKind.DIARIZE: "speakers could not be told apart",
    StageKind.SUMMARISE: "the recording could not be summarised",
    StageKind.FORMAT: "the text could not be formatted",
    StageKind.CHAT: "the question could not be answered",
}


def excuse(kind: StageKind, why: str) -> str:
    """What a transcript's warnings say where a stage did not bring what it was to bring."""
    return f"{_EXCUSES[kind]}: {why}"


def without_excuse(warnings: tuple[str, ...], kind: StageKind) -> tuple[str, ...]:
    """The warnings but those that :func:`excuse` made for this kind of stage."""
    return tuple(warning for warning in warnings if not warning.startswith(excuse(kind, "")))


@dataclass(frozen=True, slots=True)
class Job:
    """One recording to transcribe, from its submission to its end. Times are seconds since the epoch.

    A transcript that a client gave is a job too, one that has completed and never had a recording.
    """

    id: str
    """UUID."""
    owner: str
    """Id of the caller's key; the same for everyone where no keys are set."""
    state: JobState
    lane: Lane
    options: Options
    filename: str
    """As the client named it, for display only."""
    created: float
    updated: float
    audio: str | None = None
    """Key of the recording in the blob store; None once it was swept."""
    size: int = 0
    """Bytes of the recording."""
    duration: float | None = None
    """Seconds of audio, as far as known."""
    position: float = 0.0
    """Seconds of audio that are done."""
    started: float | None = None
    ended: float | None = None
    deadline: float | None = None
    """When the job fails if it has not ended."""
    cancel_requested: bool = False
    error_code: str | None = None
    error_message: str | None = None
    warnings: tuple[str, ...] = ()
    """What the client should know of its request: fields that were ignored, say."""
    view: dict[str, Any] = field(default_factory=dict)
    """How the result was asked for (its format, say), as JSON types; only the dialect that made the job reads it."""
    attempts: int = 0
    """Times that a worker took the job up and died with it since a window of it was last saved, this time included."""
    stage: StageKind | None = None
    """What is being done with the transcript of a running job; None while it is recognised, and once it has ended."""
    keep: float | None = None
    """Seconds after its end that it is kept, where whoever made it said so; None leaves it to the operator."""
    worker: str | None = None
    """The executor that has it in hand, or had it last."""
    source: str | None = None
    """URL that the recording comes from; ``audio`` is None until it has come."""
    webhook: str | None = None
    """URL that is told how the job ended."""
    rates: Mapping[str, int] = field(default_factory=dict)
    """What it costs by what is done, in thousandths of a credit for a minute of audio, as it was when it was made."""
    traceparent: str | None = None
    """What asked for it, in the form of W3C's header, where requests are traced."""

    def expired(self, now: float) -> bool:
        """Whether it has been kept for as long as it was to be."""
        return self.keep is not None and self.ended is not None and self.ended + self.keep <= now

    @property
    def progress(self) -> float:
        """0 to 1; 1 only when completed."""
        if self.state is JobState.COMPLETED:
            return 1.0
        if not self.duration:
            return 0.0
        return min(0.99, self.position / self.duration)


def own_stage(job_id: str, kind: StageKind) -> str:
    """Id of the stage of that kind which a job has from its options: the same whoever opens it."""
    return str(uuid.uuid5(uuid.UUID(job_id), kind.value))


@dataclass(frozen=True, slots=True)
class Stage:
    """Work on a job's transcript that can fail, be cancelled and be done again without harm to the transcript.

    A job's own stages run before it ends; one that is asked for later runs on a job that has completed. Times are
    seconds since the epoch.
    """

    id: str
    """UUID."""
    job_id: str
    kind: StageKind
    state: JobState
    created: float
    updated: float
    options: dict[str, Any] = field(default_factory=dict)
    """What it was asked to do, as JSON types; what they mean is the kind's own."""
    progress: float = 0.0
    """0 to 1; 1 only when completed."""
    started: float | None = None
    ended: float | None = None
    deadline: float | None = None
    """When it fails if it has not ended."""
    cancel_requested: bool = False
    error_code: str | None = None
    error_message: str | None = None
    attempts: int = 0
    """Times that a worker took it up and died with it, this time included."""
    lane: Lane | None = None
    """Where it waits; None in its job's."""
    result: TextResult | None = None
    """What text work came to; other stages change the transcript."""
    price: int = 0
    """What it costs, in thousandths of a credit, where it is not part of what its job costs."""
    traceparent: str | None = None
    """What asked for it, as :attr:`Job.traceparent`."""

    @property
    def excuse(self) -> str:
        """Why the transcript lacks what it was to bring."""
        why = "it was cancelled" if self.state is JobState.CANCELLED else self.error_message or "it was not done"
        return excuse(self.kind, why)
