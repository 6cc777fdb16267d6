# SPDX-License-Identifier: Apache-2.0
"""Any media to float32 at 16 kHz, as a stream: memory does not grow with the length of the recording.

Channels are averaged before resampling, or kept apart. Positions are counted in samples from the recording's start, and
reached by decoding, never by seeking in the container: seeking is inexact in most formats, decoding is fast.

A video player follows the container's clock, so subtitles must too: where the timestamps of the sound run ahead of the
sound itself by more than :data:`GAP` (a track that begins late, packets that were lost, a muted caller), silence is put
in. It is never more than the container's duration has room for. Timestamps that jump back move nothing. What cannot be
decoded is left out and told in ``warnings``; only a recording without any sound at all is an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any

import av
import av.error
import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from harken.audio.probe import RATES, Source, open_media
from harken.errors import CorruptMedia
from harken.model import SAMPLE_RATE, MediaInfo

Samples = npt.NDArray[np.float32]
"""``(rows, samples)``: one row, or one for each channel."""

GAP = 0.1
"""Seconds that timestamps and sound may be apart before it is mended; FFmpeg's own default for that."""
MAX_SILENCE = 600.0
"""Seconds of silence put in at most where the container does not tell its duration."""

_BLOCK = 0.5
"""Seconds that are resampled at once: calls into FFmpeg cost more than the work in them."""
_MAX_FRAME = 4_000_000
"""Samples that a decoder may give at once."""
_GUESSED = frozenset({"aac", "ac3", "amr", "dts", "eac3", "mpeg", "mpegts"})
"""Containers whose duration FFmpeg guesses from a bit rate."""
_SAFE_PLANES = 7
"""Channels in planes of their own that PyAV can hand out; from 8 on, ``AudioFrame.planes`` reads past their table."""
_FULL_SCALE = {"u1": 2.0**7, "i2": 2.0**15, "i4": 2.0**31, "i8": 2.0**63}


class Decoder:
    """A recording that is read once, from its start to its end. A context manager.

    Raises:
        NotMedia, NoAudio: see :func:`harken.audio.probe.probe`.
        CorruptMedia: nothing could be decoded.
    """

    def __init__(self, source: Source, *, split: bool = False) -> None:
        self.warnings: list[str] = []
        """What was wrong with the recording, in words, as far as it was read."""
        self.position = 0
        """Samples at 16 kHz given out or skipped so far."""
        self._split = split
        self._broken = 0
        with ExitStack() as stack:
            self._media = stack.enter_context(open_media(source))
            self.info: MediaInfo = self._media.info
            context = self._media.stream.codec_context
            context.thread_count = 1
            context.options = {**context.options, "max_samples": str(_MAX_FRAME)}
            self._frames = self._decode()
            first = next(self._frames, None)
            if first is None:
                raise CorruptMedia("the recording has no sound that can be decoded")
            self.rows = first[0].shape[0]
            """Rows of what :meth:`read` gives: 1, or the channels that are kept apart."""
            self._blocks = self._resampled(first)
            self._pending: Samples | None = None
            self._stack = stack.pop_all()

    def __enter__(self) -> Decoder:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file, if it was opened here."""
        self._stack.close()

    def read(self) -> Samples | None:
        """The next samples, about half a second of them, as ``(rows, samples)``; None at the end."""
        block = self._next()
        if block is not None:
            self.position += block.shape[1]
        return block

    def skip_to(self, position: int) -> None:
        """Decode and leave out everything before the sample ``position``, or all there is."""
        while self.position < position and (block := self._next()) is not None:
            wanted = min(position - self.position, block.shape[1])
            self.position += wanted
            if wanted < block.shape[1]:
                self._pending = block[:, wanted:]

    def _next(self) -> Samples | None:
        block, self._pending = self._pending, None
        return next(self._blocks, None) if block is None else block

    def _resampled(self, first: tuple[Samples, int]) -> Iterator[Samples]:
        """Blocks at 16 kHz. A resampler serves as long as the rate stays the same."""
        rate = first[1]
        resampler = _Resampler(rate, self.rows)
        waiting, seconds = [first[0]], 0.0
        for samples, new_rate in self._frames:
            if new_rate != rate or seconds >= _BLOCK:
                yield from resampler.feed(waiting)
                waiting, seconds = [], 0.0
            if new_rate != rate:
                yield from resampler.flush()
                rate = new_rate
                resampler = _Resampler(rate, self.rows)
            waiting.append(samples)
            seconds += samples.shape[1] / rate
        yield from resampler.feed(waiting)
        yield from resampler.flush()

    def _decode(self) -> Iterator[tuple[Samples, int]]:
        """Sound as it was recorded, and its rate, with silence where the clock says so."""
        rows: int | None = None
        clock, shift = 0.0, self._media.origin
        silence_left = MAX_SILENCE
        for frame in self._read_frames():
            if frame.sample_rate not in RATES:
                self._warn("sound at a rate that no recording has was left out")
                continue
            samples = self._rows(_as_float(frame), rows)
            rows = samples.shape[0]
            if frame.time is not None and frame.time_base is not None:
                ahead = frame.time - shift - clock
                room = silence_left if self.info.duration is None else self.info.duration - clock
                if GAP < ahead <= room:
                    silence_left -= ahead
                    clock += ahead
                    yield from _silence(rows, round(ahead * frame.sample_rate), frame.sample_rate)
                elif abs(ahead) > GAP:
                    shift += ahead
            clock += samples.shape[1] / frame.sample_rate
            yield samples, frame.sample_rate
        self._judge(clock)

    def _rows(self, samples: Samples, rows: int | None) -> Samples:
        if not self._split:
            if samples.shape[0] == 1:
                return samples
            return np.asarray(samples.mean(axis=0, keepdims=True), np.float32)
        if rows is None or rows == samples.shape[0]:
            return samples
        self._warn("the number of channels changes on the way; channels were added or left out to match the first")
        fitted = np.zeros((rows, samples.shape[1]), np.float32)
        fitted[: samples.shape[0]] = samples[:rows]
        return fitted

    def _read_frames(self) -> Iterator[AudioFrame]:
        packets = self._media.container.demux(self._media.stream)
        while True:
            try:
                packet = next(packets, None)
            except av.error.FFmpegError:
                self._media.file.check()
                self._warn("the recording breaks off: what follows cannot be read")
                return
            # What was cut off there is not to be heard as the recording's end.
            self._media.file.check()
            if packet is None:
                return
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                self._broken += 1
                continue
            for frame in frames:
                assert isinstance(frame, AudioFrame)
                if frame.samples:
                    yield from _packed(frame)

    def _judge(self, decoded: float) -> None:
        """At the end: tell what is missing."""
        if self._broken:
            self._warn(f"damaged pieces of the recording were left out: {self._broken}")
        claimed = self._media.claimed
        if claimed is None or self.info.container in _GUESSED:
            return
        if decoded < claimed - max(1.0, 0.01 * claimed):
            self._warn(f"the recording is cut short: its header says {claimed:.1f} s, it has {decoded:.1f} s")

    def _warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)


class _Resampler:
    """Rows of one rate to rows of 16 kHz, each by a resampler of its own, so channel layouts do not matter."""

    def __init__(self, rate: int, rows: int) -> None:
        self._rate = rate
        self._rows = [AudioResampler("fltp", "mono", SAMPLE_RATE) for _ in range(rows)]

    def feed(self, parts: list[Samples]) -> Iterator[Samples]:
        samples = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
        if self._rate == SAMPLE_RATE:
            yield _bounded(samples)
            return
        yield from _stacked([self._run(at, samples[at]) for at in range(len(self._rows))])

    def flush(self) -> Iterator[Samples]:
        if self._rate != SAMPLE_RATE:
            yield from _stacked([_joined(resampler.resample(None)) for resampler in self._rows])

    def _run(self, row: int, samples: Samples) -> Samples:
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(samples[np.newaxis]), format="fltp", layout="mono")
        frame.sample_rate = self._rate
        return _joined(self._rows[row].resample(frame))


def _joined(frames: list[AudioFrame]) -> Samples:
    parts = [frame.to_ndarray()[0] for frame in frames]
    return np.concatenate(parts).astype(np.float32) if parts else np.zeros(0, np.float32)


def _stacked(rows: list[Samples]) -> Iterator[Samples]:
    if len(rows[0]):
        yield _bounded(np.stack(rows))


def _bounded(samples: Samples) -> Samples:
    """Within full scale, as in every integer format: what is far beyond it would drown the rest of a window."""
    return np.clip(samples, -1.0, 1.0)


def _packed(frame: AudioFrame) -> Sequence[AudioFrame]:
    """The frame; with its channels interleaved when they are too many to be read one by one."""
    if not frame.format.is_planar or frame.layout.nb_channels <= _SAFE_PLANES:
        return (frame,)
    return AudioResampler("flt", frame.layout, frame.sample_rate).resample(frame)


def _as_float(frame: AudioFrame) -> Samples:
    """``(channels, samples)`` in -1 to 1, whatever the sample format."""
    raw: npt.NDArray[Any] = frame.to_ndarray()
    if not frame.format.is_planar:
        raw = raw.reshape(frame.samples, -1).T
    kind = raw.dtype.str[1:]
    if kind in _FULL_SCALE:
        samples = raw.astype(np.float32) / np.float32(_FULL_SCALE[kind])
        return samples - 1.0 if kind == "u1" else samples
    heard: Samples = raw.astype(np.float32)
    if not np.isfinite(heard).all():
        # A single NaN would silence the detector for the rest of the recording.
        np.nan_to_num(heard, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    return heard


def _silence(rows: int, count: int, rate: int) -> Iterator[tuple[Samples, int]]:
    for at in range(0, count, rate):
        yield np.zeros((rows, min(rate, count - at)), np.float32), rate
