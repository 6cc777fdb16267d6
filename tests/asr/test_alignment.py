# SPDX-License-Identifier: Apache-2.0
"""Word times as people would set them."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from harken.asr.alignment import TimedToken, group, settle


def token(text: str, start: float, end: float) -> TimedToken:
    return TimedToken(text, start, end, 0.9)


def test_tokens_become_words_with_their_mean_probability() -> None:
    words = group([(" Good", [1]), (" morning.", [2, 3])], [0.1, 0.4, 0.7, 0.9], [0.8, 0.6, 0.4], 10.0)
    assert [(word.text, word.start, word.end) for word in words] == [
        (" Good", 10.1, 10.4),
        (" morning.", 10.4, 10.9),
    ]
    assert [word.probability for word in words] == pytest.approx([0.8, 0.5])


def test_a_word_is_not_drawn_out_over_a_pause() -> None:
    words = settle(
        [token(" wait", 1.0, 1.4), token(" here", 1.4, 4.0), token(" now", 4.0, 4.3)],
        [(1.0, 1.8), (4.0, 4.3)],
        0.0,
        5.0,
    )
    assert [(word.start, word.end) for word in words] == [(1.0, 1.4), (1.4, 1.8), (4.0, 4.3)]


def test_a_word_does_not_begin_in_the_pause_before_it() -> None:
    words = settle([token(" so", 1.0, 1.2), token(" then", 1.2, 4.4)], [(1.0, 1.2), (4.0, 4.5)], 0.0, 5.0)
    assert (words[1].start, words[1].end) == (4.0, 4.4)


def test_without_detected_speech_a_last_word_is_cut_by_the_usual_length() -> None:
    words = settle(
        [token(" one", 0.0, 0.3), token(" two", 0.3, 0.6), token(" three.", 0.6, 6.0), token(" Four", 6.0, 6.3)],
        [],
        0.0,
        7.0,
    )
    assert words[2].end == pytest.approx(1.2)
    assert words[3].start == 6.0


def test_a_first_word_is_cut_from_the_left() -> None:
    words = settle([token(" one", 0.0, 5.0), token(" two", 5.0, 5.3), token(" three", 5.3, 5.6)], [], 0.0, 7.0)
    assert words[0].start == pytest.approx(4.4)


@given(
    st.lists(st.tuples(st.floats(0, 12), st.floats(0, 12)), max_size=12),
    st.lists(st.tuples(st.floats(0, 10), st.floats(0.05, 3)), max_size=4),
)
def test_times_are_in_order_and_inside(times: list[tuple[float, float]], speech: list[tuple[float, float]]) -> None:
    words = [token(f" w{index}", min(pair), max(pair)) for index, pair in enumerate(times)]
    spans = sorted((start, start + length) for start, length in speech)
    settled = settle(words, spans, 1.0, 10.0)
    assert [word.text for word in settled] == [word.text for word in words]
    edges = [1.0, *(time for word in settled for time in (word.start, word.end)), 10.0]
    assert edges == sorted(edges)
