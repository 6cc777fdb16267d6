# SPDX-License-Identifier: Apache-2.0
"""What the worker's parent and its children say to each other, over a pipe.

The parent sends one request at a time and gets one answer to each, after a :class:`Hello`; some tell before how far
they are. Samples do not go through the pipe: a chapter's are in a file that every child can read. Knows how nothing of
it is done.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harken.asr.engine import Context
from harken.audio.remote import Stored
from harken.errors import HarkenError, by_code
from harken.model import KnownVoice, Options, Window
from harken.models.parts import SpeakerFiles


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A model as a child loads it: the same folder run in two ways is two models."""

    folder: Path
    engine: str = "whisper"
    device: str = "auto"
    compute_type: str = "default"
    threads: int = 1

    @property
    def key(self) -> str:
        """Equal for equal references."""
        return repr((str(self.folder), self.engine, self.device, self.compute_type, self.threads))


@dataclass(frozen=True, slots=True)
class StoredWindow:
    """A window and where its samples are: ``count`` float32 in ``file`` from the ``offset``-th on."""

    window: Window
    file: Path
    offset: int
    count: int


@dataclass(frozen=True, slots=True)
class Load:
    """Have the model loaded. Answer: None."""

    model: ModelRef


@dataclass(frozen=True, slots=True)
class Unload:
    """Give the model's memory back. Answer: None."""

    model: ModelRef


@dataclass(frozen=True, slots=True)
class Recognise:
    """Recognise windows with a loaded model. Answer: a list of WindowResult, one per window, in order."""

    model: ModelRef
    windows: tuple[StoredWindow, ...]
    options: Options
    context: Context


@dataclass(frozen=True, slots=True)
class Prepare:
    """Load the decoders and the speech detector's file, so that the first recording need not wait. Answer: None."""

    detector: Path | None


@dataclass(frozen=True, slots=True)
class Plan:
    """Plan the chapter of a recording that starts at ``position``. Answer: a :class:`Planned`.

    The recording stays open under the job's name: a plan that goes on where the last one ended decodes nothing twice.
    """

    job: str
    source: Stored
    options: Options
    detector: Path
    position: float
    limit: int
    file: Path
    """Where to write the samples."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A chapter with its samples on disk; the fields are those of :class:`harken.pipeline.Chapter`."""

    windows: tuple[StoredWindow, ...]
    position: float
    done: bool
    decoded: float
    duration: float | None
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Close:
    """Close the recording of a job, if it is open. Answer: None."""

    job: str


@dataclass(frozen=True, slots=True)
class Probe:
    """Read a recording's headers. Answer: a MediaInfo."""

    source: Stored


@dataclass(frozen=True, slots=True)
class Diarize:
    """Find out who speaks. Answer: a Diarization, after some :class:`Progress`."""

    models: SpeakerFiles
    source: Stored
    options: Options
    voices: tuple[KnownVoice, ...]


@dataclass(frozen=True, slots=True)
class Voiceprint:
    """Learn the voice of a recording of one speaker. Answer: seconds of speech, and the centroid."""

    models: SpeakerFiles
    source: Stored


Request = Load | Unload | Recognise | Prepare | Plan | Close | Probe | Diarize | Voiceprint


@dataclass(frozen=True, slots=True)
class Hello:
    """A child's first words: it is up."""

    pid: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a request is, 0 to 1; its answer comes later."""

    done: float


@dataclass(frozen=True, slots=True)
class Step:
    """A request has come a step further, and has all its time again for the next: its answer comes later."""


@dataclass(frozen=True, slots=True)
class Grace:
    """A request waits for the store of recordings: it has ``seconds`` more, or fewer again, that do not count."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Answer:
    """A request was done."""

    value: object


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request could not be done; the child is fine."""

    code: str
    message: str
    param: str | None = None

    @classmethod
    def of(cls, error: Exception) -> Refusal:
        """``error`` as it crosses the pipe. Of an unknown one only the type: its message may hold paths."""
        if isinstance(error, HarkenError):
            return cls(error.code, error.message, error.param)
        text = f"the engine failed in a way that it should not ({type(error).__name__}); the worker's log has more"
        return cls(HarkenError.code, text)

    def error(self) -> HarkenError:
        """The error to raise on this side."""
        return by_code().get(self.code, HarkenError)(self.message, param=self.param)
