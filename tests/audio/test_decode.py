# SPDX-License-Identifier: Apache-2.0
"""Decoding: the right samples at the right time, from any container, whole or broken, in constant memory."""

from __future__ import annotations

import io
import struct
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import pytest

from harken.audio.decode import Decoder
from harken.audio.probe import Source
from harken.errors import CorruptMedia, NoAudio

Make = Callable[..., Path]
Sound = npt.NDArray[np.float32]


def tone(seconds: float, rate: int = 16_000, hertz: float = 440.0, level: float = 0.5) -> Sound:
    at = np.arange(round(seconds * rate)) / rate
    return (level * np.sin(2 * np.pi * hertz * at)).astype(np.float32)


def blocks(decoder: Decoder) -> Iterator[Sound]:
    while (block := decoder.read()) is not None:
        yield block


def heard(source: Source, *, split: bool = False) -> tuple[Sound, list[str]]:
    with Decoder(source, split=split) as decoder:
        parts = list(blocks(decoder))
        assert decoder.position == sum(part.shape[1] for part in parts)
        return np.concatenate(parts, axis=1), decoder.warnings


def pitch(sound: Sound) -> float:
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    return float(np.argmax(spectrum)) * 16_000 / len(sound)


def loud(sound: Sound) -> float:
    return float(np.sqrt(np.mean(np.square(sound))))


FORMATS = {
    "wav": ("pcm_s16le", 44_100, 2),
    "float.wav": ("pcm_f32le", 48_000, 1),
    "double.wav": ("pcm_f64le", 22_050, 1),
    "24bit.wav": ("pcm_s24le", 96_000, 2),
    "8bit.wav": ("pcm_u8", 11_025, 1),
    "telephone.wav": ("pcm_mulaw", 8_000, 1),
    "aiff": ("pcm_s16be", 44_100, 1),
    "flac": ("flac", 44_100, 2),
    "mp3": ("libmp3lame", 44_100, 2),
    "m4a": ("aac", 48_000, 2),
    "surround.m4a": ("aac", 48_000, 6),
    "eight.m4a": ("aac", 48_000, 8),
    "ogg": ("libopus", 24_000, 2),
    "opus": ("libopus", 48_000, 1),
    "webm": ("libopus", 48_000, 2),
    "mka": ("ac3", 48_000, 6),
    "ts": ("mp2", 44_100, 2),
}


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_gives_the_same_sound(make_media: Make, kind: str) -> None:
    codec, rate, channels = FORMATS[kind]
    hertz = 440 if channels <= 2 else 80  # a subwoofer's channel has low tones only
    path = make_media(f"a.{kind}", np.stack([tone(3, rate, hertz)] * channels), rate=rate, codec=codec)
    (sound,), warnings = heard(path)
    assert sound.dtype == np.float32
    assert len(sound) == pytest.approx(48_000, abs=1_700)  # lossy codecs pad to whole frames
    assert pitch(sound[8_000:40_000]) == pytest.approx(hertz, abs=1)
    assert loud(sound[8_000:40_000]) == pytest.approx(0.5 / np.sqrt(2), rel=0.08)
    assert warnings == []


def test_samples_are_exact_where_nothing_needs_converting(make_media: Make) -> None:
    wave = tone(2)
    (sound,), _ = heard(make_media("a.wav", wave))
    np.testing.assert_allclose(sound, wave, atol=1 / 16_384)


def test_sound_stays_in_its_place_through_resampling(make_media: Make) -> None:
    click = np.zeros(3 * 44_100, np.float32)
    click[2 * 44_100] = 0.9
    (sound,), _ = heard(make_media("a.wav", click, rate=44_100))
    assert len(sound) == 48_000
    assert int(np.argmax(np.abs(sound))) == pytest.approx(32_000, abs=1)


def test_channels_are_averaged(make_media: Make) -> None:
    path = make_media("a.wav", np.stack([tone(1, level=0.8), np.zeros(16_000, np.float32)]))
    (sound,), _ = heard(path)
    np.testing.assert_allclose(sound, tone(1, level=0.4), atol=1e-3)


@pytest.mark.parametrize("count", [2, 6, 8])
def test_channels_can_be_kept_apart(make_media: Make, count: int) -> None:
    sound = np.stack([tone(1, 32_000, 200.0 * (channel + 1)) for channel in range(count)])
    rows, _ = heard(make_media("a.flac", sound, rate=32_000, codec="flac"), split=True)
    assert [round(pitch(row) / 200) for row in rows] == list(range(1, count + 1))


def test_video_is_heard(make_media: Make) -> None:
    (sound,), _ = heard(make_media("a.mp4", tone(3, 48_000), rate=48_000, codec="aac", pictures=3))
    assert pitch(sound[8_000:40_000]) == pytest.approx(440, abs=1)


def test_pictures_alone_are_no_audio(make_media: Make) -> None:
    with pytest.raises(NoAudio):
        Decoder(make_media("a.mp4", None, pictures=1))


def test_skipping_gives_what_reading_on_gives(make_media: Make) -> None:
    rng = np.random.default_rng(3)
    path = make_media(
        "a.mp3", 0.3 * rng.standard_normal(5 * 44_100).astype(np.float32), rate=44_100, codec="libmp3lame"
    )
    (whole,), _ = heard(path)
    with Decoder(path) as decoder:
        decoder.skip_to(20_001)
        assert decoder.position == 20_001
        (rest,) = np.concatenate(list(blocks(decoder)), axis=1)
    np.testing.assert_array_equal(rest, whole[20_001:])


def test_skipping_past_the_end_ends(make_media: Make) -> None:
    with Decoder(make_media("a.wav", tone(1))) as decoder:
        decoder.skip_to(10**9)
        assert decoder.position == 16_000
        assert decoder.read() is None


def test_late_track_is_heard_when_the_video_shows_it(make_media: Make) -> None:
    path = make_media("a.mkv", tone(2), codec="flac", pictures=5, at=lambda sample: sample + 2 * 16_000)
    (sound,), _ = heard(path)
    assert len(sound) == pytest.approx(4 * 16_000, abs=200)
    assert loud(sound[:31_000]) == 0
    assert loud(sound[33_000:]) > 0.3


def test_gap_in_the_timestamps_becomes_silence(make_media: Make) -> None:
    path = make_media(
        "a.mka", tone(4), codec="flac", at=lambda sample: sample + (5 * 16_000 if sample >= 32_000 else 0)
    )
    (sound,), _ = heard(path)
    assert len(sound) == pytest.approx(9 * 16_000, abs=200)
    assert loud(sound[33_000:110_000]) == 0
    assert loud(sound[113_000:]) > 0.3


def test_gap_that_the_duration_has_no_room_for_is_ignored(make_media: Make, tmp_path: Path) -> None:
    path = make_media("a.mka", tone(4), codec="flac", at=lambda sample: sample + (10**9 if sample >= 32_000 else 0))
    content = path.read_bytes()
    at = content.index(b"\x44\x89\x88") + 3  # the element that holds the duration, in milliseconds
    path.write_bytes(content[:at] + struct.pack(">d", 4_000.0) + content[at + 8 :])
    (sound,), _ = heard(path)
    assert len(sound) == pytest.approx(4 * 16_000, abs=200)


def test_timestamps_that_jump_back_lose_nothing(make_media: Make) -> None:
    first = make_media("a.ts", tone(2, 44_100), rate=44_100, codec="mp2").read_bytes()
    (sound,), _ = heard(io.BytesIO(first + first))
    assert len(sound) == pytest.approx(4 * 16_000, abs=2_000)


def test_rate_and_channels_may_change_on_the_way(make_media: Make) -> None:
    parts = [
        make_media("a.mp3", np.stack([tone(2, 44_100)] * 2), rate=44_100, codec="libmp3lame"),
        make_media("b.mp3", tone(2, 22_050), rate=22_050, codec="libmp3lame"),
    ]
    (sound,), _ = heard(io.BytesIO(b"".join(part.read_bytes() for part in parts)))
    assert len(sound) == pytest.approx(4 * 16_000, abs=4_000)
    assert pitch(sound[8_000:24_000]) == pytest.approx(440, abs=2)
    assert pitch(sound[-24_000:-8_000]) == pytest.approx(440, abs=2)


@pytest.mark.parametrize(("name", "codec"), [("a.flac", "flac"), ("a.wav", "pcm_s16le"), ("a.mp3", "libmp3lame")])
def test_cut_file_gives_what_is_there_and_says_so(make_media: Make, name: str, codec: str) -> None:
    content = make_media(name, tone(10, 44_100), rate=44_100, codec=codec).read_bytes()
    (sound,), warnings = heard(io.BytesIO(content[: len(content) // 2]))
    assert 3 * 16_000 < len(sound) < 7 * 16_000
    assert pitch(sound[8_000:40_000]) == pytest.approx(440, abs=1)
    assert any("cut short" in warning for warning in warnings)


def test_damage_in_the_middle_costs_only_itself(make_media: Make) -> None:
    content = bytearray(make_media("a.mp3", tone(10, 44_100), rate=44_100, codec="libmp3lame").read_bytes())
    middle = len(content) // 2
    content[middle : middle + 3_000] = np.random.default_rng(1).bytes(3_000)
    (sound,), _ = heard(io.BytesIO(bytes(content)))
    assert len(sound) == pytest.approx(10 * 16_000, abs=16_000)
    assert pitch(sound[-40_000:-8_000]) == pytest.approx(440, abs=1)


def test_header_without_sound_is_corrupt(make_media: Make) -> None:
    head, _, _ = make_media("a.wav", tone(1)).read_bytes().partition(b"data")
    with pytest.raises(CorruptMedia, match="no sound"):
        Decoder(io.BytesIO(head + b"data" + bytes(4)))


def test_not_a_number_does_no_harm(make_media: Make) -> None:
    wave = tone(1)
    path = make_media("a.wav", wave, codec="pcm_f32le")
    content = bytearray(path.read_bytes())
    content[-16_000:-8_000] = np.array([np.nan, np.inf] * 1_000, "<f4").tobytes()
    (sound,), _ = heard(io.BytesIO(bytes(content)))
    assert np.isfinite(sound).all()
    assert np.abs(sound).max() <= 1


class Endless(io.RawIOBase):
    """A WAV file of noise, as long as wanted, that is never held in memory."""

    def __init__(self, seconds: int) -> None:
        self._noise = (np.random.default_rng(0).standard_normal(16_000) * 3_000).astype("<i2").tobytes()
        size = seconds * len(self._noise)
        layout = struct.pack("<HHIIHH", 1, 1, 16_000, 32_000, 2, 16)
        self._head = b"RIFF" + struct.pack("<I", size + 36) + b"WAVEfmt " + struct.pack("<I", 16) + layout
        self._head += b"data" + struct.pack("<I", size)
        self._size = size + len(self._head)
        self._at = 0

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, count: int = -1) -> bytes:
        begin, end = self._at, min(self._size, self._at + count)
        self._at = max(begin, end)
        if begin < len(self._head):
            end = min(end, len(self._head))
            self._at = end
            return self._head[begin:end]
        period = len(self._noise)
        begin, end = begin - len(self._head), end - len(self._head)
        return (self._noise * ((end - begin) // period + 2))[begin % period :][: max(0, end - begin)]


def peak(file: BinaryIO) -> int:
    tracemalloc.start()
    with Decoder(file) as decoder:
        for _ in blocks(decoder):
            pass
        assert decoder.position > 0
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found


def test_memory_does_not_grow_with_the_recording() -> None:
    short, long = Endless(60), Endless(1_200)
    assert peak(long) < 1.2 * peak(short)  # type: ignore[arg-type]
