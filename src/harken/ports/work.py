# SPDX-License-Identifier: Apache-2.0
"""The work itself: recognising, telling speakers apart, writing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from harken.audio.remote import Stored
from harken.model import Diarization, Job, KnownVoice, Options, TextResult, TextTask, Transcript, WindowResult
from harken.pipeline.cursor import Cursor
from harken.text.provider import Watch


@dataclass(frozen=True, slots=True)
class ChapterDone:
    """What there is to keep of a chapter beside its windows."""

    cursor: Cursor
    """Where the next chapter begins; ``cursor.done`` when this was the last, then ``cursor.position`` is the end."""
    duration: float | None
    """Seconds of the whole recording: what its header says, or what was decoded when done."""
    warnings: tuple[str, ...] = ()
    """What was wrong with the recording, as far as it was read: the latest chapter's are complete."""


class ChapterRunner(Protocol):
    """Recognises a recording chapter by chapter, in processes of its own. Called from a thread of each job's own."""

    def run_chapter(
        self,
        job: Job,
        source: Stored,
        cursor: Cursor,
        saved: Mapping[int, WindowResult],
        on_results: Callable[[Sequence[tuple[int, WindowResult]]], None],
        cancelled: Callable[[], bool],
    ) -> ChapterDone:
        """Recognise the chapter that begins at ``cursor``, and say where the next one begins.

        ``saved`` holds the windows of this chapter that an earlier, interrupted run saved, by index; they are not
        recognised again. ``on_results`` is called in this thread with the others as they are done, in any order;
        ``cancelled`` is asked several times a second, and what it raises ends the chapter too.

        Raises:
            JobCancelled: ``cancelled`` said so; nothing of the job runs any more.
            RecogniserCrashed: native code died or hung more than once on a stretch of this recording.
            WorkerUnavailable: the worker stops; the chapter can be run again elsewhere.
            StorageUnavailable: the recording cannot be read now.
            MediaError, AudioTooLong, ModelError, InvalidOption: the job cannot be done.
        """

    def release(self, job_id: str) -> None:
        """Forget what is kept of a job between chapters: open decoders and planned windows. For every end of a job."""


class SpeakerFinder(Protocol):
    """Finds out who speaks when, in processes of its own. Called from a thread of each job's own."""

    def diarize(
        self,
        job: Job,
        source: Stored,
        options: Options,
        voices: Sequence[KnownVoice],
        on_progress: Callable[[float], None],
        cancelled: Callable[[], bool],
    ) -> Diarization:
        """Who speaks when in the part of a recording that ``options`` name, and how many there can be.

        ``on_progress`` is told 0 to 1 in this thread, ``cancelled`` is asked several times a second, and what either
        raises ends the work.

        Raises:
            JobCancelled: ``cancelled`` said so; nothing of it runs any more.
            RecogniserCrashed: native code died more than once, or took longer than it may.
            WorkerUnavailable: the worker stops, or starts no processes; it can be done again elsewhere.
            StorageUnavailable: the recording cannot be read now.
            MediaError, ModelError: it cannot be done.
        """


class Recording(Protocol):
    """A recording that has been fetched."""

    @property
    def path(self) -> Path:
        """Where it is for now."""

    @property
    def filename(self) -> str:
        """What it is called where it comes from."""

    @property
    def size(self) -> int:
        """Bytes."""


class Recordings(Protocol):
    """Fetches recordings, in the caller's thread."""

    def obtained(self, url: str, cancelled: Callable[[], bool]) -> AbstractContextManager[Recording]:
        """The recording at a URL, for the length of the context, in which its file may be moved away.

        Raises FetchError, UploadTooLarge, DiskFull, MissingExtra, and JobCancelled as ``cancelled`` says.
        """


class Writer(Protocol):
    """Does text work, in the caller's thread."""

    def write(self, transcript: Transcript, task: TextTask, watch: Watch) -> TextResult:
        """What ``task`` asks for. Raises UnknownModel, InvalidOption, TextError, and JobCancelled as ``watch`` says."""


class Runner(ChapterRunner, SpeakerFinder, Protocol):
    """All that a worker has done in processes of its own."""
