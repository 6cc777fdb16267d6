# SPDX-License-Identifier: Apache-2.0
"""Averages over windows, and the stretches and pieces that are cut by them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harken.diarize.segmentation import LOCAL, LocalSpeech, Samples
from harken.diarize.timeline import RATE, Piece, Timeline, joined, runs, tiles

FRAMES = 589


def window(start: int, *spans: tuple[int, int, int], frames: int = FRAMES) -> LocalSpeech:
    """Local speakers who speak in ``(first frame, frame after the last, speaker)``, in frames of the recording."""
    activity: Samples = np.zeros((frames, LOCAL), np.float32)
    for begin, end, who in spans:
        activity[max(0, begin - start) : max(0, end - start), who] = 1
    solo = np.where(activity.sum(axis=1, keepdims=True) == 1, activity, 0)
    return LocalSpeech(start, activity, np.asarray(solo, np.float32))


def whole(*windows: LocalSpeech) -> tuple[Timeline, list[Piece]]:
    timeline, found = Timeline(), []
    for one in windows:
        timeline.add(one)
        found.extend(timeline.stretches())
    timeline.finish()
    found.extend(timeline.stretches())
    return timeline, found


def test_windows_are_averaged() -> None:
    timeline, _ = whole(window(0, (100, 300, 0)), window(148, (148, 260, 2), (180, 300, 1)))
    assert timeline.speech[50] == 0
    assert timeline.speech[120] == 1
    assert timeline.overlap[240] == 0.5
    # The second window's edge counts less than the first one's middle.
    assert 0 < timeline.overlap[190] < 0.45
    assert timeline.speech[280] == 1
    assert len(timeline.speech) == 148 + FRAMES


def test_a_stretch_ends_where_another_begins_to_speak() -> None:
    for pause in (0, 5, 10):
        _, found = whole(window(0, (50, 200, 0), (200 + pause, 400, 1)))
        assert len(found) == 2
        assert abs(found[0].end - 200) <= pause + 2
        assert (found[0].start, found[1].end) == (50, 400)


def test_a_pause_of_one_speaker_ends_a_stretch_only_when_it_is_long() -> None:
    assert len(whole(window(0, (50, 200, 0), (208, 400, 0)))[1]) == 1
    assert len(whole(window(0, (50, 200, 0), (230, 400, 0)))[1]) == 2


def test_local_names_mean_nothing_beyond_their_window() -> None:
    _, found = whole(window(0, (0, 600, 0)), window(148, (0, 900, 2)), window(296, (0, 900, 1)))
    assert found == [Piece(0, 296 + FRAMES)]


def test_clicks_are_no_stretch() -> None:
    assert whole(window(0, (50, 54, 0)))[1] == []


def test_nothing_gives_nothing() -> None:
    timeline, found = whole()
    assert found == []
    assert len(timeline.speech) == 0


def test_speech_without_an_end_is_cut_all_the_same() -> None:
    timeline, found = Timeline(), []
    for at in range(0, 148 * 60, 148):
        timeline.add(window(at, (0, 10**6, 0)))
        found.extend(timeline.stretches())
        assert at - timeline.cut <= round(31 * RATE) + 148
    assert all(one.end == other.start for one, other in pairwise(found))
    assert len(found) >= 4


@given(st.lists(st.booleans(), max_size=60), st.integers(0, 5))
def test_runs_and_gaps(mask: list[bool], gap: int) -> None:
    spans = runs(np.array(mask, bool))
    again = np.zeros(len(mask), bool)
    for start, end in spans:
        assert start < end
        again[start:end] = True
    assert again.tolist() == mask
    closed = joined(spans, gap)
    assert all(other[0] - one[1] > gap for one, other in pairwise(closed))


@given(st.integers(0, 50), st.integers(1, 900), st.integers(1, 200), st.integers(1, 100))
def test_tiles_cover_the_stretch(start: int, frames: int, length: int, hop: int) -> None:
    hop = min(hop, length)
    found = tiles(Piece(start, start + frames), length, hop)
    assert (found[0].start, found[-1].end) == (start, start + frames)
    assert {one.end - one.start for one in found} == {min(length, frames)}
    assert all(0 < other.start - one.start <= hop for one, other in pairwise(found))
