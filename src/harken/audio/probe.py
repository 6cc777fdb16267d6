# SPDX-License-Identifier: Apache-2.0
"""What a recording is, from its headers, and the one place that opens media.

Media comes from strangers: the demuxer is chosen by the bytes alone, never by a file name; those that open other files
or addresses are refused, and so are headers that no real recording has. Knows no samples: those come from
:mod:`harken.audio.decode`.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import BinaryIO

import av
import av.error
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.format import ContainerFormat
from av.stream import Disposition

from harken.audio.remote import Remote
from harken.errors import CorruptMedia, MediaError, NoAudio, NotMedia
from harken.model import MediaInfo

Source = str | Path | BinaryIO
"""A path, or a binary file that can seek."""

MAX_CHANNELS = 64
RATES = range(1_000, 1_536_001)
"""Samples per second that are believed."""
MIN_BIT_RATE = 100
"""Bits per second; a header that claims more time than the bytes can hold at this rate is not believed."""

_REFUSED = frozenset(
    {
        # These open what the file names: other files or addresses.
        "concat", "dash", "hls", "image2", "imf", "rtp", "rtsp", "sap", "sdp", "vobsub", "webm_dash_manifest",
        # These are text that would be taken for media, or that makes endless sound.
        "ffmetadata", "lrc", "sbg", "tty",
    }
)  # fmt: skip

_SIGNATURES = (
    (0, b"RIFF"), (0, b"RF64"), (0, b"FORM"), (0, b"fLaC"), (0, b"OggS"), (0, b"ID3"), (0, b"#!AMR"), (0, b"NIST_1A"),
    (0, b"\x1a\x45\xdf\xa3"), (4, b"ftyp"), (4, b"moov"), (4, b"mdat"),
)  # fmt: skip
"""How common containers begin: what starts so, and cannot be opened, is broken rather than something else."""


def probe(source: Source | Remote) -> MediaInfo:
    """Read the headers of a recording.

    Raises:
        NotMedia: no demuxer or decoder reads these bytes.
        NoAudio: media without an audio stream.
        CorruptMedia: the container is known, its headers are broken or absurd.
    """
    with open_media(source) as media:
        return media.info


@dataclass(frozen=True, slots=True)
class Media:
    """An open recording: its container, the stream that is heard, and what is known of it."""

    container: InputContainer
    stream: AudioStream
    info: MediaInfo
    claimed: float | None
    """Seconds that the header claims, believed or not; None also where FFmpeg guesses them from the bit rate."""
    origin: float
    """Seconds at which the container's own clock starts; video players count from there."""
    file: Readings
    """The bytes, which may fail where they are kept."""


@contextmanager
def open_media(source: Source | Remote) -> Iterator[Media]:
    """Open a recording; raises as :func:`probe` does. A file object is read from its start, and stays open."""
    file: BinaryIO
    if isinstance(source, Remote):
        with source.open() as file, _open(file) as media:
            yield media
    elif isinstance(source, (str, Path)):
        with Path(source).open("rb") as file, _open(file) as media:
            yield media
    else:
        source.seek(0)
        with _open(source) as media:
            yield media


@contextmanager
def _open(file: BinaryIO) -> Iterator[Media]:
    size = file.seek(0, io.SEEK_END)
    head = _head(file)
    if not head:
        raise NotMedia("the file is empty")
    readings = Readings(file)
    try:
        container = av.open(
            readings,
            options={"format_whitelist": _allowed(), "protocol_whitelist": "none"},
            io_open=_refuse,
            metadata_errors="ignore",
        )
    except (av.error.FFmpegError, ValueError, OSError) as error:
        readings.check()
        raise _unreadable(head) from error
    assert isinstance(container, InputContainer)
    with container:
        readings.check()
        yield _describe(container, size, head, readings)


def _unreadable(head: bytes) -> MediaError:
    if any(head[at : at + len(magic)] == magic for at, magic in _SIGNATURES):
        return CorruptMedia("the recording is broken: it begins like a known format, and its headers cannot be read")
    return NotMedia("this is not audio or video that FFmpeg reads")


def _describe(container: InputContainer, size: int, head: bytes, file: Readings) -> Media:
    video = any(not stream.disposition & Disposition.attached_pic for stream in container.streams.video)
    if not container.streams.audio:
        if container.streams.video:
            raise NoAudio("the file has pictures and no audio stream")
        raise NotMedia("this is not audio or video that FFmpeg reads")
    stream = container.streams.best("audio") or container.streams.audio[0]
    assert isinstance(stream, AudioStream)
    context = stream.codec_context
    if context is None:
        raise NotMedia("the audio is in a codec that FFmpeg cannot decode")
    if not context.sample_rate or not context.channels:
        raise _unreadable(head)
    if context.channels > MAX_CHANNELS or context.sample_rate not in RATES:
        raise CorruptMedia(
            f"the header claims {context.channels} channels at {context.sample_rate} Hz; "
            f"at most {MAX_CHANNELS} channels at {RATES.start} to {RATES.stop - 1} Hz are read"
        )
    claimed = _claimed(container, stream)
    if claimed is not None:
        claimed *= _cut_wav(head, size)
    return Media(
        container=container,
        stream=stream,
        info=MediaInfo(
            duration=_believed(claimed, size, context.name, context.bit_rate),
            channels=context.channels,
            sample_rate=context.sample_rate,
            codec=context.name,
            container=container.format.name,
            has_video=video,
        ),
        claimed=claimed,
        origin=(container.start_time or 0) / av.time_base,
        file=file,
    )


def _claimed(container: InputContainer, stream: AudioStream) -> float | None:
    if container.duration is not None and container.duration > 0:
        return container.duration / av.time_base
    if stream.duration is not None and stream.duration > 0 and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return None


def _cut_wav(head: bytes, size: int) -> float:
    """How many times longer a WAV file's header says it is; FFmpeg corrects that header in silence.

    Sizes from 2 GiB on are what programs write that do not know the size yet.
    """
    says = int.from_bytes(head[4:8], "little") + 8
    return says / size if head[:4] == b"RIFF" and size < says < 2**31 - 2**16 else 1.0


def _believed(claimed: float | None, size: int, codec: str, bit_rate: int | None) -> float | None:
    """The claimed seconds as far as ``size`` bytes can hold them."""
    if claimed is None:
        return None
    if codec.startswith("pcm_") and bit_rate:
        return min(claimed, size * 8 / bit_rate)
    return claimed if claimed <= size * 8 / MIN_BIT_RATE else None


def _head(file: BinaryIO) -> bytes:
    file.seek(0)
    head = file.read(16)
    file.seek(0)
    return head


class Readings:
    """A file as FFmpeg reads it: without its name, whose extension it would weigh when it picks a demuxer.

    FFmpeg takes a read that fails for the end of a file, or for a broken one. That is not the recording's fault, so the
    file ends there for it, and whoever opened the recording asks whether it was the end.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._read: Callable[[int], bytes] = file.read
        self._failure: Exception | None = None
        self.seek: Callable[[int, int], int] = file.seek
        self.tell: Callable[[], int] = file.tell

    def read(self, size: int) -> bytes:
        """The next bytes; none at the end, and from the first read that fails on."""
        if self._failure is None:
            try:
                return self._read(size)
            except Exception as error:  # noqa: BLE001 - check raises it
                self._failure = error
        return b""

    def check(self) -> None:
        """Raise what a read failed with, if one did."""
        if self._failure is not None:
            raise self._failure


def _refuse(url: str, _flags: int, _options: dict[str, str]) -> None:
    raise PermissionError(f"a recording may not open {url!r}")


@cache
def _allowed() -> str:
    """Every demuxer of this FFmpeg that reads the file itself and nothing else, as FFmpeg's option wants it."""
    names: list[str] = []
    for name in sorted(av.formats_available):
        try:
            found = ContainerFormat(name, "r")
        except ValueError:  # a muxer
            continue
        if not found.no_file and not _REFUSED & set(name.split(",")):
            names.append(name)
    return ",".join(names)
