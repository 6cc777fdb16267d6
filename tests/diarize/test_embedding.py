# SPDX-License-Identifier: Apache-2.0
"""Embeddings, with the real model, of real voices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harken.audio.decode import Decoder
from harken.diarize.embedding import LONGEST, Embedder, Floats, centred
from harken.diarize.mean_voice import MEAN_VOICE
from harken.errors import ModelCorrupt


@pytest.fixture(scope="module")
def embedder(campplus_model: Path) -> Embedder:
    return Embedder(campplus_model)


@pytest.fixture(scope="module")
def call(sample_wav: Path) -> Floats:
    return heard(sample_wav)


@pytest.fixture(scope="module")
def reading(two_cities_wav: Path) -> Floats:
    return heard(two_cities_wav)


def alone(rttm: Path) -> dict[str, list[tuple[int, int]]]:
    """Spans of at most 2 s, by speaker, in which nobody else speaks; shorter than half a second not."""
    turns = [
        (float(row[3]), float(row[3]) + float(row[4]), row[7]) for row in map(str.split, rttm.read_text().splitlines())
    ]
    spans: dict[str, list[tuple[int, int]]] = {}
    for start, end, who in turns:
        at, stop = int(start * 16_000), int(end * 16_000)
        for other, until, name in turns:
            if name != who and other < end and until > start:
                at, stop = (
                    (at, min(stop, int(other * 16_000))) if other > start else (max(at, int(until * 16_000)), stop)
                )
        pieces = [(first, min(first + 32_000, stop)) for first in range(at, stop, 32_000)]
        spans.setdefault(who, []).extend(piece for piece in pieces if piece[1] - piece[0] >= 8_000)
    return spans


def test_two_people_on_the_telephone(embedder: Embedder, call: Floats, sample_wav: Path) -> None:
    spans = alone(sample_wav.with_suffix(".rttm"))
    assert len(spans) == 2
    one, other = (embedder.embed([call[first:last] for first, last in found]) for found in spans.values())
    assert min(len(one), len(other)) >= 4

    def among(voices: Floats) -> float:
        return float((voices @ voices.T)[np.triu_indices(len(voices), 1)].mean())

    between = float((one @ other.T).mean())
    assert min(among(one), among(other)) > 0.4
    assert between < min(among(one), among(other)) - 0.2
    for voices, centroid, foreign in ((one, one.mean(0), other.mean(0)), (other, other.mean(0), one.mean(0))):
        assert np.all(voices @ centroid > voices @ foreign), "every piece is nearer to its own speaker"


def test_embeddings_have_length_one_and_the_order_asked(embedder: Embedder, reading: Floats) -> None:
    pieces = [reading[start : start + length] for start, length in PIECES]
    together = embedder.embed(pieces)
    assert together.shape == (len(pieces), Embedder.dimensions)
    assert together.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    for row, piece in zip(together, pieces, strict=True):
        assert embedder.embed([piece])[0] @ row > 0.9999, "whatever else is embedded with it"


PIECES = [(16_000, 25_600), (40_000, 9_000), (80_000, 25_600), (96_000, 25_600), (50_000, 48_000), (130_000, 9_000)]


def test_level_and_offset_of_a_recording_hardly_matter(embedder: Embedder, reading: Floats) -> None:
    piece = reading[32_000:64_000]
    plain, quiet, offset = embedder.embed([piece, piece * 0.1, piece + 0.05])
    assert plain @ quiet > 0.95, "what is under the floor of the features is lost, the voice is not"
    assert plain @ offset > 0.99


def test_what_all_voices_share_is_taken_out() -> None:
    voice = np.eye(1, 192, dtype=np.float32)
    np.testing.assert_allclose(centred(MEAN_VOICE + 3 * voice), voice, atol=1e-5)
    assert not centred(MEAN_VOICE[None]).any()


@pytest.mark.parametrize("samples", [1, 160, 399, 400, 3200, 4800, 4801])
def test_however_short_a_piece_is(embedder: Embedder, reading: Floats, samples: int) -> None:
    found = embedder.embed([reading[32_000 : 32_000 + samples]])
    assert found.shape == (1, 192)
    assert np.isfinite(found).all()


def test_silence_and_nothing(embedder: Embedder) -> None:
    assert embedder.embed([]).shape == (0, 192)
    assert embedder.embed_windows(np.zeros(16_000, np.float32), []).shape == (0, 192)
    assert np.isfinite(embedder.embed([np.zeros(16_000, np.float32)])).all()
    with pytest.raises(ValueError, match="no samples"):
        embedder.embed([np.zeros(0, np.float32)])


def test_one_window_over_a_stretch_is_the_piece_itself(embedder: Embedder, reading: Floats) -> None:
    piece = reading[32_000:64_000]
    assert embedder.embed_windows(piece, [(0, len(piece))])[0] @ embedder.embed([piece])[0] > 0.9999


def test_windows_are_like_the_pieces_they_are(embedder: Embedder, call: Floats, reading: Floats) -> None:
    stretch = reading[32_000:112_000]
    windows = [(first, first + 25_600) for first in range(0, 54_401, 12_800)]
    found = embedder.embed_windows(stretch, windows)
    pieces = embedder.embed([stretch[first:last] for first, last in windows])
    likeness = found @ pieces.T
    assert np.diag(likeness).min() > 0.6
    assert np.all(np.diag(likeness) > (found @ embedder.embed([call[96_000:121_600]]).T)[:, 0])
    # A window hears its place: those that overlap are nearer than those that are apart.
    among = found @ found.T
    assert among[0, 1] > among[0, 4]


def test_a_long_stretch_is_heard_in_parts(embedder: Embedder, reading: Floats) -> None:
    stretch = reading[: LONGEST * 2]
    windows = [(first, first + 25_600) for first in range(0, len(stretch) - 25_600, 12_800)]
    shuffled = windows[::2] + windows[1::2][::-1]
    found = embedder.embed_windows(stretch, shuffled)
    first = [window for window in windows if window[1] <= LONGEST]
    after = windows[len(first)][0]
    second = [window for window in windows if window[0] >= after and window[1] - after <= LONGEST]
    for part in (first, second):
        start, end = part[0][0], part[-1][1]
        apart = embedder.embed_windows(stretch[start:end], [(one - start, two - start) for one, two in part])
        for window, row in zip(part, apart, strict=True):
            assert found[shuffled.index(window)] @ row > 0.9999
    whole = (0, len(stretch))
    assert embedder.embed_windows(stretch, [whole])[0] @ embedder.embed([stretch])[0] > 0.9999


def test_a_file_that_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "campplus.onnx"
    path.write_bytes(b"no model")
    with pytest.raises(ModelCorrupt, match="speaker model cannot be loaded"):
        Embedder(path)


def heard(path: Path) -> Floats:
    blocks = []
    with Decoder(path) as decoder:
        while (block := decoder.read()) is not None:
            blocks.append(block[0])
    return np.concatenate(blocks)
