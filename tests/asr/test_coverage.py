# SPDX-License-Identifier: Apache-2.0
"""Speech without text."""

from __future__ import annotations

from harken.asr.coverage import uncovered


def test_text_over_all_speech_leaves_nothing() -> None:
    assert uncovered([(0.5, 4.0), (4.4, 9.0)], [(0.4, 4.1), (4.3, 8.9)]) == []


def test_a_tail_of_a_second_is_worth_it() -> None:
    assert uncovered([(0.0, 3.0), (5.0, 8.0)], [(0.0, 3.0)]) == [(5.0, 8.0)]
    assert uncovered([(0.0, 4.2)], [(0.0, 3.0)]) == []


def test_any_tail_is_worth_it_where_the_model_says_that_speech_goes_on() -> None:
    assert uncovered([(0.0, 4.0)], [(0.0, 3.2)], goes_on=True) == [(3.5, 4.0)]
    assert uncovered([(0.0, 4.0)], [(0.0, 3.8)], goes_on=True) == []


def test_a_hole_between_texts_must_be_longer() -> None:
    assert uncovered([(0.0, 20.0)], [(0.0, 8.0), (14.0, 20.0)]) == [(8.3, 13.7)]
    assert uncovered([(0.0, 20.0)], [(0.0, 8.0), (10.0, 20.0)]) == []


def test_pauses_count_for_nothing() -> None:
    assert uncovered([(0.0, 2.0), (12.0, 14.0)], [(0.0, 2.0), (12.0, 14.0)]) == []


def test_spans_with_no_text_between_them_are_one_stretch() -> None:
    assert uncovered([(0.0, 2.0), (3.0, 3.6), (4.0, 4.6)], [(0.0, 2.0)]) == [(3.0, 4.6)]


def test_texts_in_any_order_and_overlapping() -> None:
    assert uncovered([(0.0, 10.0)], [(5.0, 10.0), (0.0, 5.5)]) == []
