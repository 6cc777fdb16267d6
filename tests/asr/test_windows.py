# SPDX-License-Identifier: Apache-2.0
"""Cutting: what must hold for any speech, and where cuts fall in particular."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harken.asr.windows import Heard, Span, WindowParams, next_window, quietest

SECOND = 31.25
"""Frames."""
PARAMS = WindowParams()
LONGEST = round(PARAMS.longest * SECOND)
PAD = round(PARAMS.pad * SECOND)


def frames(seconds: float) -> int:
    return round(seconds * SECOND)


def heard(spans: list[Span], known: int, *, final: bool = True) -> Heard:
    """What is known of this speech when ``known`` frames have been heard."""
    loudness = np.zeros(known, np.float32)
    for start, end in spans:
        loudness[start:end] = 0.9
    closed = [span for span in spans if span[1] <= known]
    cut = next((start for start, end in spans if start < known < end), None)
    if final and cut is not None:
        closed, cut = [*closed, (cut, known)], None
    return Heard(closed, cut, loudness, final)


def plan(spans: list[Span], total: int, start: int = 0, params: WindowParams = PARAMS) -> list[Span]:
    windows: list[Span] = []
    everything = heard(spans, total)
    while (window := next_window(everything, windows[-1][1] if windows else start, params)) is not None:
        windows.append(window)
    return windows


@st.composite
def speech(draw: st.DrawFn) -> tuple[list[Span], int]:
    """Spans of speech, from single words to minutes without a pause, and the length of the recording."""
    spans: list[Span] = []
    at = 0
    for _ in range(draw(st.integers(0, 25))):
        start = at + draw(st.integers(3, 20) | st.integers(3, 200))
        at = start + draw(st.integers(4, 100) | st.integers(4, 2_500))
        spans.append((start, at))
    return spans, at + draw(st.integers(0, 200))


@given(speech())
@settings(deadline=None)
def test_windows_are_ordered_disjoint_bounded_and_cover_all_speech(recording: tuple[list[Span], int]) -> None:
    spans, total = recording
    windows = plan(spans, total)
    last = 0
    for start, end in windows:
        assert last <= start < end <= total
        assert end - start <= LONGEST
        last = end
    covered = np.zeros(total, bool)
    for start, end in windows:
        covered[start:end] = True
    assert all(covered[start:end].all() for start, end in spans)
    assert all(any(first < end and last > start for first, last in spans) for start, end in windows)


@given(speech())
@settings(deadline=None)
def test_no_word_is_cut_where_a_pause_was_in_reach(recording: tuple[list[Span], int]) -> None:
    spans, total = recording
    for start, end in plan(spans, total):
        cut = [span for span in spans if span[0] < end < span[1]]
        if cut:
            assert not any(start < span[1] <= start + LONGEST for span in spans if span[1] <= end)
            assert end > start + LONGEST - frames(PARAMS.search)


@given(speech(), st.integers(0, 10))
@settings(deadline=None)
def test_planning_may_start_anew_at_any_cut(recording: tuple[list[Span], int], number: int) -> None:
    spans, total = recording
    windows = plan(spans, total)
    if number < len(windows):
        assert plan(spans, total, start=windows[number][1]) == windows[number + 1 :]


@given(speech(), st.integers(1, 400))
@settings(deadline=None)
def test_windows_do_not_depend_on_how_much_was_heard_when(recording: tuple[list[Span], int], step: int) -> None:
    spans, total = recording
    windows: list[Span] = []
    known = 0
    while True:
        window = next_window(heard(spans, known, final=known == total), windows[-1][1] if windows else 0, PARAMS)
        if window is not None:
            windows.append(window)
        elif known == total:
            break
        else:
            known = min(total, known + step)
    assert windows == plan(spans, total)


def test_short_recording_is_one_window() -> None:
    total = frames(25)
    assert plan([(frames(1), frames(10)), (frames(11), frames(24))], total) == [(frames(1) - PAD, frames(24) + PAD)]


def test_long_pause_is_preferred_to_a_late_one() -> None:
    spans = [(0, frames(18)), (frames(18.9), frames(27)), (frames(27.15), frames(50))]
    assert plan(spans, frames(50))[0] == (0, frames(18) + PAD)


def test_late_pause_is_preferred_among_equals() -> None:
    spans = [(0, frames(14)), (frames(14.3), frames(27)), (frames(27.3), frames(50))]
    assert frames(27) < plan(spans, frames(50))[0][1] < frames(27.3)


def test_early_pause_is_only_taken_when_there_is_no_other() -> None:
    early = (0, frames(4))
    assert plan([early, (frames(5.5), frames(26)), (frames(26.15), frames(60))], frames(60))[0][1] > frames(26)
    assert plan([early, (frames(5.5), frames(60))], frames(60))[0] == (0, frames(4) + PAD)


def test_silence_is_not_recognised() -> None:
    windows = plan([(frames(1), frames(3)), (frames(100), frames(103))], frames(200))
    assert windows == [(frames(1) - PAD, frames(3) + PAD), (frames(100) - PAD, frames(103) + PAD)]
    assert plan([], frames(1_000)) == []


def test_where_nobody_pauses_the_cut_is_at_the_quietest() -> None:
    total = frames(60)
    sound = heard([(0, total)], total)
    sound.loudness[frames(25) - 2 : frames(25) + 3] = 0.5
    assert next_window(sound, 0, PARAMS) == (0, frames(25))


def test_first_window_of_a_long_recording_is_short() -> None:
    spans = [(frames(at), frames(at + 2.5)) for at in range(0, 60, 3)]
    assert plan(spans, frames(60), params=PARAMS.first)[0][1] <= frames(PARAMS.opening)
    assert PARAMS.first.longest == PARAMS.opening


@pytest.mark.parametrize(("low", "high"), [(0, 10), (30, 90), (99, 140)])
def test_quietest_is_within_its_bounds(low: int, high: int) -> None:
    loudness = np.linspace(1, 0, 100, dtype=np.float32)
    assert low < quietest(loudness, low, high) <= max(low + 1, min(high, 100))
