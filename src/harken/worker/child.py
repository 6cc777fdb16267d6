# SPDX-License-Identifier: Apache-2.0
"""A child process: all native code runs here, one request at a time, and dies here.

``python -m harken.worker.child --fd N --parent PID --name NAME --natives MODULE --nice N``, started by
:mod:`harken.worker.process`. It leaves when its pipe closes, and the kernel kills it when its parent dies. It keeps
models and open recordings, and decides nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import faulthandler
import importlib
import logging
import os
import queue
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np

from harken.audio.remote import Remote, Stored
from harken.errors import DiskFull, HarkenError
from harken.model import Diarization, Options, Window, WindowResult
from harken.models.parts import SpeakerFiles
from harken.worker.lifeline import die_with_parent, name_process
from harken.worker.memory import give_back
from harken.worker.protocol import (
    Answer,
    Close,
    Diarize,
    Grace,
    Hello,
    Load,
    ModelRef,
    Plan,
    Planned,
    Prepare,
    Probe,
    Progress,
    Recognise,
    Refusal,
    Request,
    Step,
    StoredWindow,
    Unload,
    Voiceprint,
)

if TYPE_CHECKING:
    from harken.asr.engine import Recognizer, Samples
    from harken.audio.vad import SpeechDetector
    from harken.pipeline import Planner, SpeakerDiarizer

log = logging.getLogger(__name__)

HEARD = 300.0
"""Seconds of a recording that a voice is learnt from; more of it would take longer and say nothing new."""
STEP = 1.0
"""Seconds between two steps that are told, at least."""
MAX_OPEN = 64
"""Recordings that a child keeps open; beyond, the one not used for longest is opened anew when its turn comes."""


News = Progress | Step | Grace
"""What is told of a request before its answer."""


class _Audio(NamedTuple):
    window: Window
    samples: Samples


class Hands:
    """Does what is asked, with what it has loaded and opened."""

    def __init__(self, natives: str, tell: Callable[[News], None]) -> None:
        self._module = natives
        self._tell = tell
        self._stepped = 0.0
        self._models: dict[ModelRef, Recognizer] = {}
        self._detectors: dict[Path, SpeechDetector] = {}
        self._open: dict[str, Planner] = {}
        self._diarizers: dict[SpeakerFiles, SpeakerDiarizer] = {}

    def do(self, request: Request) -> object:
        """The value of the answer. Raises HarkenError, or whatever native code raises."""
        match request:
            case Load():
                self._load(request.model)
            case Unload():
                recognizer = self._models.pop(request.model, None)
                if recognizer is not None:
                    recognizer.close()
                    del recognizer
                    give_back()
            case Recognise():
                return self._recognise(request)
            case Plan():
                try:
                    return self._plan(request)
                except OSError as error:
                    if error.errno in (errno.ENOSPC, errno.EDQUOT):
                        raise DiskFull("no room for a chapter's samples", detail=f"in {request.file.parent}") from error
                    raise
            case Prepare():
                importlib.import_module(self._module)
                importlib.import_module("harken.pipeline.planner")
                if request.detector is not None:
                    self._detector(request.detector)
            case Close():
                self._close(request.job)
            case Probe():
                return self._natives.probe(self._opened(request.source))
            case Diarize():
                return self._diarize(request)
            case Voiceprint():
                return self._voiceprint(request)
        return None

    @property
    def _natives(self) -> Any:
        # Late, so that a child that reads recordings does not load engines, and one that recognises no decoders.
        return importlib.import_module(self._module)

    def _load(self, model: ModelRef) -> Recognizer:
        if model not in self._models:
            self._models[model] = self._natives.recognizer(model, self._step)
        return self._models[model]

    def _step(self) -> None:
        now = time.monotonic()
        if now - self._stepped >= STEP:
            self._stepped = now
            self._tell(Step())

    def _recognise(self, request: Recognise) -> list[WindowResult]:
        windows = [_Audio(stored.window, _samples(stored)) for stored in request.windows]
        results = self._load(request.model).recognise(windows, request.options, request.context)
        if len(results) != len(windows):
            raise HarkenError(f"the engine gave {len(results)} results for {len(windows)} windows")
        return results

    def _plan(self, request: Plan) -> Planned:
        planner = self._planner(request)
        try:
            chapter = planner.next(request.limit)
        except BaseException:
            self._close(request.job)
            raise
        stored: list[StoredWindow] = []
        offset = 0
        with request.file.open("wb") as file:
            for planned in chapter.windows:
                count = len(planned.samples)
                file.write(planned.samples.astype(np.float32, copy=False).tobytes())
                stored.append(StoredWindow(planned.window, request.file, offset, count))
                offset += count
        if chapter.done:
            self._close(request.job)
        return Planned(
            windows=tuple(stored),
            position=chapter.position,
            done=chapter.done,
            decoded=chapter.decoded,
            duration=chapter.duration,
            warnings=chapter.warnings,
        )

    def _planner(self, request: Plan) -> Planner:
        from harken.pipeline import Planner  # noqa: PLC0415

        planner = self._open.pop(request.job, None)
        if planner is not None:
            self._open[request.job] = planner
            if planner.position == request.position:
                return planner
        self._close(request.job)
        planner = Planner(
            self._opened(request.source), request.options, self._detector(request.detector), start=request.position
        )
        self._open[request.job] = planner
        if len(self._open) > MAX_OPEN:
            self._close(next(iter(self._open)))
        return planner

    def _diarize(self, request: Diarize) -> Diarization:
        from harken.pipeline import diarize  # noqa: PLC0415

        return diarize(
            self._opened(request.source),
            request.options,
            self._diarizer(request.models),
            voices=request.voices,
            on_progress=lambda done: self._tell(Progress(done)),
        )

    def _voiceprint(self, request: Voiceprint) -> tuple[float, tuple[float, ...]]:
        from harken.diarize.voices import single  # noqa: PLC0415
        from harken.pipeline import diarize  # noqa: PLC0415

        voice = single(diarize(self._opened(request.source), Options(duration=HEARD), self._diarizer(request.models)))
        return voice.seconds, voice.centroid

    def _diarizer(self, models: SpeakerFiles) -> SpeakerDiarizer:
        if models not in self._diarizers:
            self._diarizers[models] = self._natives.diarizer(models)
        return self._diarizers[models]

    def _detector(self, path: Path) -> SpeechDetector:
        if path not in self._detectors:
            self._detectors[path] = self._natives.detector(path)
        return self._detectors[path]

    def _opened(self, source: Stored) -> Path | BinaryIO:
        """What can be read. The time that a store takes is not the recording's fault."""
        return source.open(lambda seconds: self._tell(Grace(seconds))) if isinstance(source, Remote) else source

    def _close(self, job: str) -> None:
        planner = self._open.pop(job, None)
        if planner is not None:
            planner.close()


def _samples(stored: StoredWindow) -> Samples:
    samples = np.fromfile(stored.file, dtype=np.float32, count=stored.count, offset=4 * stored.offset)
    if len(samples) != stored.count:
        raise HarkenError("a file of samples holds fewer than were planned", detail=str(stored.file))
    return samples


def serve(connection: Connection, natives: str) -> None:
    """Answer requests until the pipe closes; then the process ends at once, whatever it is doing."""
    requests: queue.SimpleQueue[Request] = queue.SimpleQueue()

    def listen() -> None:
        while True:
            try:
                requests.put(connection.recv())
            except (EOFError, OSError):
                os._exit(0)

    def tell(news: News) -> None:
        with contextlib.suppress(OSError):
            connection.send(news)

    hands = Hands(natives, tell)
    threading.Thread(target=listen, daemon=True).start()
    connection.send(Hello(os.getpid()))
    while True:
        request = requests.get()
        try:
            reply: Answer | Refusal = Answer(hands.do(request))
        except Exception as error:  # every error is the answer; the child goes on
            if not isinstance(error, HarkenError):
                log.exception("%s failed", type(request).__name__)
            elif error.detail is not None:
                log.warning("%s failed: %s", type(request).__name__, error)
            reply = Refusal.of(error)
        try:
            connection.send(reply)
        except OSError:
            os._exit(0)


def main() -> None:
    """The entry point."""
    parser = argparse.ArgumentParser(prog="harken.worker.child")
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--natives", required=True)
    parser.add_argument("--nice", type=int, default=0)
    arguments = parser.parse_args()
    os.nice(arguments.nice)
    die_with_parent(arguments.parent)
    name_process(arguments.name)
    # A Ctrl-C or a service manager's stop reaches the whole group: the parent decides when a child goes.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    faulthandler.enable()
    logging.basicConfig(level=logging.INFO, format=f"%(levelname)s {arguments.name}: %(message)s")
    serve(Connection(arguments.fd), arguments.natives)


if __name__ == "__main__":
    main()
