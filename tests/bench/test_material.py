# SPDX-License-Identifier: Apache-2.0
"""Choosing and making what is measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harken.bench.corpus import Item
from harken.bench.material import CLIPS, SHIFT, SHORT, built_in, of_corpus, of_file, of_folder, read, shifted, write
from harken.errors import InvalidRequest
from harken.model import SAMPLE_RATE
from harken.models.store import ModelStore


def item(name: str, seconds: float | None, kind: str = "speech") -> Item:
    return Item(Path(name).parent.name, Path(name), "text", "en", kind, seconds)


def test_a_corpus_gives_its_shortest_long_recording_and_the_set_with_most_short_ones() -> None:
    items = [
        item("long/hour", 3600.0),
        item("long/quarter", 240.0, "stitched"),
        item("few/a", 8.0),
        item("many/a", 6.0),
        item("many/b", 5.9),
        item("many/c", 10.0),
        item("many/d", None),
        item("noise/a", 200.0, "nonspeech"),
    ]
    long, clips = of_corpus(items)
    assert (long.path, long.duration, long.text, long.language) == (Path("long/quarter"), 240.0, "text", "en")
    assert [clip.path for clip in clips] == [Path("many/a"), Path("many/c")]
    assert len(of_corpus([items[0], *(item(f"set/{number}", 7.0) for number in range(CLIPS + 3))])[1]) == CLIPS
    with pytest.raises(InvalidRequest):
        of_corpus(items[2:])
    with pytest.raises(InvalidRequest):
        of_corpus(items[:2])


def test_copies_begin_later_and_are_gone_when_the_next_is_asked_for(tmp_path: Path) -> None:
    heard = np.linspace(-0.5, 0.5, SAMPLE_RATE, dtype=np.float32)
    clip, broken = tmp_path / "clip.wav", tmp_path / "broken.wav"
    write(clip, heard)
    broken.write_bytes(b"no recording")
    items = [item(str(clip), 1.0), item(str(broken), None)]
    folder = tmp_path / "copies"
    folder.mkdir()
    seen = []
    for found in shifted(items, 2, folder):
        seen.append(found.path.name)
        assert (found.set, found.text) == (tmp_path.name, "text")
        if found.path.parent == folder:
            assert list(folder.iterdir()) == [found.path]
            samples, late = read(found.path), SHIFT * (len(seen) - 1)
            assert len(samples) == SAMPLE_RATE + late
            assert not samples[:late].any()
            assert samples[late:] == pytest.approx(heard, abs=1e-3)
    assert seen == ["clip.wav", "clip+1.wav", "clip+2.wav", "broken.wav"]
    assert list(folder.iterdir()) == []
    assert list(shifted(items, 0, folder)) == items


def test_recordings_of_the_user_are_timed_by_decoding(tmp_path: Path) -> None:
    for name in ("b.wav", "a.wav"):
        write(tmp_path / name, np.zeros(SAMPLE_RATE * 2, dtype=np.float32))
    assert of_file(tmp_path / "a.wav").duration == 2.0
    assert [clip.path.name for clip in of_folder(tmp_path)] == ["a.wav", "b.wav"]
    (tmp_path / "none").mkdir()
    with pytest.raises(InvalidRequest, match="no files"):
        of_folder(tmp_path / "none")


def test_without_a_corpus_the_catalogs_clips_are_joined_and_cut(
    model_store: ModelStore, two_cities_wav: Path, sample_wav: Path, beckett_wav: Path, tmp_path: Path
) -> None:
    long, clips = built_in(model_store, tmp_path)
    once = sum(of_file(path).duration for path in (two_cities_wav, sample_wav, beckett_wav)) + 1.5
    assert long.duration == pytest.approx(3 * once, abs=0.01)
    assert of_file(long.path).duration == pytest.approx(long.duration, abs=0.01)
    assert len({clip.path for clip in clips}) == CLIPS
    assert all(SHORT[0] <= of_file(clip.path).duration <= SHORT[1] for clip in clips)
    # They reach from the start of the speech to its end.
    speech = read(long.path)
    assert np.array_equal(read(clips[0].path), speech[: len(read(clips[0].path))])
    assert np.abs(read(clips[-1].path)).max() > 0.1
