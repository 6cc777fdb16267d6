# SPDX-License-Identifier: Apache-2.0
"""Headers: what is read from them, what is refused, and that nothing but the file itself is ever opened."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from harken.audio.probe import probe
from harken.errors import CorruptMedia, NoAudio, NotMedia

Make = Callable[..., Path]


def tone(seconds: float, rate: int = 16_000) -> npt.NDArray[np.float32]:
    wave: npt.NDArray[np.float32] = np.sin(440 * 2 * np.pi * np.arange(round(seconds * rate)) / rate).astype(np.float32)
    return wave * np.float32(0.5)


def wav(rate: int, channels: int, data: bytes, *, claims: int | None = None, bits: int = 16) -> bytes:
    """A WAV file whose header may lie."""
    align = channels * bits // 8
    layout = struct.pack("<HHIIHH", 1, channels, rate, (rate * align) % 2**32, align % 2**16, bits)
    size = len(data) if claims is None else claims
    body = b"WAVEfmt " + struct.pack("<I", 16) + layout + b"data" + struct.pack("<I", size) + data
    return b"RIFF" + struct.pack("<I", min(len(body) if claims is None else claims, 2**32 - 1)) + body


def test_sound_is_described(make_media: Make) -> None:
    info = probe(make_media("a.wav", np.stack([tone(2, 44_100)] * 2), rate=44_100))
    assert (info.duration, info.channels, info.sample_rate) == (2.0, 2, 44_100)
    assert (info.codec, info.container, info.has_video) == ("pcm_s16le", "wav", False)


def test_video_is_described(make_media: Make) -> None:
    info = probe(make_media("a.mp4", tone(2, 48_000), rate=48_000, codec="aac", pictures=2))
    assert info.has_video
    assert info.duration == pytest.approx(2.0, abs=0.1)


def test_name_says_nothing(make_media: Make) -> None:
    path = make_media("a.wav", tone(1))
    assert probe(path.rename(path.with_name("a.mp3"))).container == "wav"
    assert probe(path.with_name("a.mp3").rename(path.with_name("a.txt"))).container == "wav"


def test_file_objects_are_read_from_their_start_and_stay_open(make_media: Make) -> None:
    file = io.BytesIO(make_media("a.flac", tone(1), codec="flac").read_bytes())
    file.seek(100)
    assert probe(file).codec == "flac"
    assert not file.closed


def test_text_is_no_sound_whatever_its_name(tmp_path: Path) -> None:
    path = tmp_path / "talk.sln"  # a name for which FFmpeg takes anything for sound
    path.write_text("Dear sir or madam,\n" * 500)
    with pytest.raises(NotMedia):
        probe(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"Dear sir or madam,\n" * 500, b"<!doctype html><html><body>404</body></html>", bytes(50_000), b"%PDF-1.7\n"],
    ids=["empty", "text", "html", "zeros", "pdf"],
)
def test_other_files_are_not_media(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "talk.mp3"
    path.write_bytes(content)
    with pytest.raises(NotMedia):
        probe(path)


def test_noise_is_not_media(tmp_path: Path) -> None:
    path = tmp_path / "talk.mp3"
    path.write_bytes(np.random.default_rng(7).bytes(50_000))
    with pytest.raises(NotMedia):
        probe(path)


def test_pictures_alone_are_no_audio(make_media: Make) -> None:
    with pytest.raises(NoAudio, match="no audio stream"):
        probe(make_media("a.mp4", None, pictures=1))


def test_known_container_without_its_index_is_corrupt(make_media: Make) -> None:
    path = make_media("a.mp4", tone(1), codec="aac")
    path.write_bytes(path.read_bytes().replace(b"moov", b"nope"))
    with pytest.raises(CorruptMedia):
        probe(path)


@pytest.mark.parametrize(("rate", "channels"), [(2_000_000_000, 65_535), (2_000_000_000, 1), (10, 1), (16_000, 200)])
def test_absurd_headers_are_refused(rate: int, channels: int) -> None:
    with pytest.raises(CorruptMedia):
        probe(io.BytesIO(wav(rate, channels, bytes(4_000))))


@pytest.mark.parametrize("claims", [2**32 - 1, 2**32 - 2, 2**31 - 1, 2_000_000_000, 64_000])
def test_length_is_believed_as_far_as_the_bytes_go(claims: int) -> None:
    info = probe(io.BytesIO(wav(16_000, 1, bytes(32_000), claims=claims)))
    assert info.duration == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("name", ["a.aiff", "a.au", "a.mka"])
def test_length_of_a_cut_recording_is_what_is_there(make_media: Make, name: str) -> None:
    content = make_media(name, tone(40), codec="pcm_s16be" if name != "a.mka" else "pcm_s16le").read_bytes()
    assert probe(io.BytesIO(content[: len(content) // 4])).duration == pytest.approx(10, abs=0.5)


def test_length_that_no_bytes_could_hold_is_unknown(make_media: Make) -> None:
    content = bytearray(make_media("a.flac", tone(1), codec="flac").read_bytes())
    content[21] |= 0x0F  # the number of samples, 36 bits
    content[22:26] = b"\xff" * 4
    assert probe(io.BytesIO(bytes(content))).duration is None


@pytest.mark.parametrize(
    "playlist",
    [
        "ffconcat version 1.0\nfile '{}'\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{}\n#EXT-X-ENDLIST\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile://{}\n#EXT-X-ENDLIST\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>{}</BaseURL></MPD>',
    ],
    ids=["concat", "hls", "hls-url", "sdp", "dash"],
)
def test_files_that_name_other_files_are_refused(make_media: Make, tmp_path: Path, playlist: str) -> None:
    secret = make_media("secret.wav", tone(1))
    path = tmp_path / "list.mp3"
    path.write_text(playlist.format(secret))
    with pytest.raises(NotMedia):
        probe(path)


def test_script_that_makes_sound_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "endless.mp3"
    path.write_text("-SE\nts: pink/40 150+10/20\nNOW ts\n")
    with pytest.raises(NotMedia):
        probe(path)


def test_missing_file_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        probe(tmp_path / "nothing.wav")
