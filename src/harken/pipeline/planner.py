# SPDX-License-Identifier: Apache-2.0
"""From a recording to chapters of windows with their samples: decode forward, find speech, cut.

A chapter is a function of the recording, its options, where it starts and how many windows it may have: detection
begins anew at its start and is fed in steps of fixed length, so it does not matter whether the planner went on or was
opened again. Channels that are kept apart are cut at the same places, where all of them pause, so that one position
says how far the recording is done. Knows no recogniser.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from types import TracebackType

import numpy as np

from harken.asr.windows import Heard, PlannedWindow, Samples, Span, WindowParams, next_window
from harken.audio.decode import Decoder
from harken.audio.probe import Source
from harken.audio.vad import FRAME, SpanFinder, SpeechDetector, SpeechParams
from harken.errors import InvalidOption
from harken.model import SAMPLE_RATE, MediaInfo, Options, Window

MAX_SPLIT = 16
"""Channels that can be kept apart."""

_STEP = 250 * FRAME
"""Samples that are heard at once: 8 s."""
_LONG = 60.0
"""Seconds from which on a recording is long, and its first words are hurried."""
_LONGEST_SCAN = 600 * SAMPLE_RATE
"""Samples after which a chapter ends in the next silence, full or not, so that hours of silence are many steps."""


@dataclass(frozen=True, slots=True)
class Chapter:
    """Some windows of a recording, in order, and where the next chapter starts. Seconds."""

    windows: tuple[PlannedWindow, ...]
    """May be empty: a long silence, or the end."""
    position: float
    done: bool
    """Whether the recording ends with this chapter."""
    decoded: float
    """How much of the recording is known; all of it when done."""
    duration: float | None
    """How long the whole recording is: what its header says, or what was decoded when done."""
    warnings: tuple[str, ...] = ()
    """What was wrong with the recording, as far as it was read."""


class Planner:
    """An open recording and how far it is planned. A context manager; used by one thread at a time.

    Args:
        source: a path, or a binary file that can seek.
        options: validated ones; ``offset``, ``duration``, ``channels`` and ``vad_...`` are what counts here.
        vad: finds speech; its streams are this planner's own.
        start: seconds at which to begin, a :attr:`Chapter.position`; what is before is decoded and left out.
        windows: how to cut.
        speech: what is speech.

    Raises:
        NotMedia, NoAudio, CorruptMedia: nothing can be heard.
        InvalidOption: more channels than can be kept apart.
    """

    def __init__(
        self,
        source: Source,
        options: Options,
        vad: SpeechDetector,
        *,
        start: float = 0.0,
        windows: WindowParams | None = None,
        speech: SpeechParams | None = None,
    ) -> None:
        self._vad = vad if options.vad_filter else None
        self._split = options.channels == "split"
        self._windows = _tuned_windows(windows or WindowParams(), options)
        self._speech = _tuned_speech(speech or SpeechParams(), options)
        self._beginning = _samples(options.offset)
        self._position = max(_samples(start), self._beginning)
        self._stop = None if options.duration is None else _samples(options.offset + options.duration)
        self._decoder = Decoder(source, split=self._split)
        self.info: MediaInfo = self._decoder.info
        """What the headers say."""
        self._long = (self.info.duration or _LONG) - options.offset >= _LONG and (options.duration or _LONG) >= _LONG
        if self._long:
            self._windows = self._windows.of_long
        if self._decoder.rows > MAX_SPLIT:
            self.close()
            raise InvalidOption(
                f"the recording has {self._decoder.rows} channels; at most {MAX_SPLIT} can be kept apart",
                param="channels",
            )
        self._tape = _Tape(self._decoder.rows, self._position)
        self._ended = False

    def __enter__(self) -> Planner:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the recording, if it was opened here."""
        self._decoder.close()

    @property
    def position(self) -> float:
        """Seconds at which the next chapter starts."""
        return self._position / SAMPLE_RATE

    def next(self, limit: int) -> Chapter:
        """Plan the next chapter, of at most ``limit`` windows (of at least one on each channel)."""
        origin = self._position
        scan = _Scan(self._vad, self._decoder.rows, self._speech)
        windows: list[PlannedWindow] = []
        start = cuts = 0
        while cuts < max(1, limit // self._decoder.rows):
            span = self._next_span(scan.heard(), start, origin)
            if span is not None:
                windows += self._cut(span, origin, scan)
                start = span[1]
                cuts += 1
            elif scan.final:
                break
            elif scan.known * FRAME >= _LONGEST_SCAN and not scan.speech_after(start):
                start = max(start, scan.known - round(self._windows.pad * SAMPLE_RATE / FRAME))
                break
            else:
                self._listen(scan, origin + scan.known * FRAME)
        done = scan.final and not scan.speech_after(start)
        self._position = self._tape.end if done else min(origin + start * FRAME, self._tape.end)
        self._tape.drop(self._position)
        decoded = min(self._tape.end, self._decoder.position) / SAMPLE_RATE
        return Chapter(
            windows=tuple(windows),
            position=self.position,
            done=done,
            decoded=decoded,
            duration=decoded if done else self.info.duration,
            warnings=tuple(self._decoder.warnings),
        )

    def _next_span(self, heard: Heard, start: int, origin: int) -> Span | None:
        span = next_window(heard, start, self._windows)
        if span is None or heard.final or start > 0 or origin != self._beginning or not self._long:
            return span
        return next_window(heard, start, self._windows.first)

    def _listen(self, scan: _Scan, begin: int) -> None:
        """Give the next step to detection; decode as far as it needs."""
        while self._tape.end < begin + _STEP and not self._ended:
            self._decoder.skip_to(self._tape.end)
            block = self._decoder.read()
            if block is None:
                self._ended = True
                break
            if self._stop is not None and self._tape.end + block.shape[1] >= self._stop:
                block = block[:, : max(0, self._stop - self._tape.end)]
                self._ended = True
            self._tape.append(block)
        end = min(begin + _STEP, self._tape.end)
        scan.feed(self._tape.cut(begin, end), last=self._ended and end == self._tape.end)

    def _cut(self, span: Span, origin: int, scan: _Scan) -> list[PlannedWindow]:
        pad = round(self._windows.pad * SAMPLE_RATE / FRAME)
        planned: list[PlannedWindow] = []
        for row in range(self._decoder.rows):
            spans = scan.speech_in(row, span)
            low, high = span
            if self._vad is not None and self._decoder.rows > 1:
                if not spans:
                    continue
                low, high = max(low, spans[0][0] - pad), min(high, spans[-1][1] + pad)
            begin, end = origin + low * FRAME, min(origin + high * FRAME, self._tape.end)
            if begin >= end:
                continue
            window = Window(
                start=begin / SAMPLE_RATE,
                end=end / SAMPLE_RATE,
                speech=tuple(
                    ((origin + first * FRAME) / SAMPLE_RATE, min(origin + last * FRAME, end) / SAMPLE_RATE)
                    for first, last in spans
                ),
                channel=row if self._split else None,
            )
            planned.append(PlannedWindow(window, self._tape.cut(begin, end)[row].copy()))
        return sorted(planned, key=lambda item: (item.window.start, item.window.channel or 0))


class _Scan:
    """What is heard from a chapter's start on: speech per row, in all rows together, and loudness."""

    def __init__(self, vad: SpeechDetector | None, rows: int, params: SpeechParams) -> None:
        self._streams = [vad.stream() for _ in range(rows)] if vad is not None else []
        self._finders = [SpanFinder(params) for _ in self._streams]
        self._joint = self._finders[0] if len(self._finders) == 1 else SpanFinder(params)
        self._loudness: Samples = np.zeros(0, np.float32)
        self.final = False

    @property
    def known(self) -> int:
        """Frames heard."""
        return len(self._loudness)

    def feed(self, samples: Samples, *, last: bool) -> None:
        """Hear ``(rows, samples)``, a whole number of frames unless they are the last."""
        loudness = _energy(samples)
        if self._streams:
            probabilities = np.stack(
                [stream.feed(row, last=last) for stream, row in zip(self._streams, samples, strict=True)]
            )
            for finder, row in zip(self._finders, probabilities, strict=True):
                finder.feed(row)
            if len(self._finders) > 1:
                self._joint.feed(probabilities.max(axis=0))
            loudness += probabilities.max(axis=0)
        self._loudness = np.concatenate((self._loudness, loudness))
        if last:
            self.final = True
            for finder in (*self._finders, self._joint):
                finder.finish()

    def heard(self) -> Heard:
        """What there is to cut. Without speech detection all is taken for speech."""
        if self._streams:
            return Heard(self._joint.spans, self._joint.open, self._loudness, self.final)
        everything = [(0, self.known)] if self.final and self.known else []
        return Heard(everything, None if self.final else 0, self._loudness, self.final)

    def speech_after(self, frame: int) -> bool:
        """Whether speech is known that ends after ``frame``."""
        heard = self.heard()
        return heard.open is not None or (bool(heard.spans) and heard.spans[-1][1] > frame)

    def speech_in(self, row: int, span: Span) -> list[Span]:
        """The detected speech of a row within ``span``."""
        if not self._streams:
            return []
        finder = self._finders[row]
        spans = [*finder.spans, (finder.open, finder.known)] if finder.open is not None else finder.spans
        low, high = span
        return [(max(low, first), min(high, last)) for first, last in spans if first < high and last > low]


class _Tape:
    """The decoded sound that is still needed. Positions are samples of the recording."""

    def __init__(self, rows: int, start: int) -> None:
        self._rows = rows
        self._blocks: deque[Samples] = deque()
        self._start = self.end = start

    def append(self, block: Samples) -> None:
        self._blocks.append(block)
        self.end += block.shape[1]

    def drop(self, before: int) -> None:
        while self._blocks and self._start + self._blocks[0].shape[1] <= before:
            self._start += self._blocks.popleft().shape[1]

    def cut(self, begin: int, end: int) -> Samples:
        parts: list[Samples] = []
        at = self._start
        for block in self._blocks:
            if at < end and at + block.shape[1] > begin:
                parts.append(block[:, max(0, begin - at) : end - at])
            at += block.shape[1]
        return np.concatenate(parts, axis=1) if parts else np.zeros((self._rows, 0), np.float32)


def _energy(samples: Samples) -> Samples:
    """Per frame, 0 (-100 dB) to 1 (full scale), of all rows together."""
    power = np.square(samples).mean(axis=0)
    padded = np.concatenate((power, np.zeros(-len(power) % FRAME, np.float32))).reshape(-1, FRAME)
    return np.asarray(1.0 + np.log10(padded.mean(axis=1) + 1e-10) / 10.0, np.float32)


def _tuned_windows(params: WindowParams, options: Options) -> WindowParams:
    return params if options.vad_padding is None else replace(params, pad=options.vad_padding)


def _tuned_speech(params: SpeechParams, options: Options) -> SpeechParams:
    if options.vad_threshold is not None:
        # What goes on as speech may be softer than what begins it, by as much as without tuning.
        hysteresis = params.onset - params.offset
        params = replace(params, onset=options.vad_threshold, offset=max(0.0, options.vad_threshold - hysteresis))
    if options.vad_silence is not None:
        params = replace(params, min_silence=options.vad_silence)
    return params


def _samples(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE)
