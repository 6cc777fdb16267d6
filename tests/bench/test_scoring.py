# SPDX-License-Identifier: Apache-2.0
"""Counting word errors."""

from __future__ import annotations

import pytest

from harken.bench.scoring import Score, differences, invented, score, tokens


@pytest.mark.parametrize(
    ("reference", "hypothesis", "counts"),
    [
        ("the cat sat", "the cat sat", Score(3, 0, 0, 0)),
        ("the cat sat", "the dog sat", Score(3, 1, 0, 0)),
        ("the cat sat", "the cat", Score(3, 0, 1, 0)),
        ("the cat sat", "the black cat sat down", Score(3, 0, 0, 2)),
        ("the cat sat", "", Score(3, 0, 3, 0)),
        ("red cat sat on mats", "cat sat quietly on rugs", Score(5, 1, 1, 1)),
    ],
)
def test_each_kind_of_error_is_counted(reference: str, hypothesis: str, counts: Score) -> None:
    assert score(reference, hypothesis, "en") == counts


def test_case_punctuation_numbers_and_spelling_are_no_errors_in_english() -> None:
    said = "Mister Jones, it's twenty-one; the colour isn't right!"
    assert score(said, "mr jones it is 21 the color is not right", "en").errors == 0


def test_other_languages_keep_their_words() -> None:
    assert tokens("¿Qué, señor?", "es") == ["qué", "señor"]
    assert score("el señor", "el senor", "es") == Score(2, 1, 0, 0)
    # Vowel signs are marks; taken for symbols they would cut words.
    assert tokens("हिन्दी भाषा", "hi") == ["हिन्दी", "भाषा"]


def test_languages_without_blanks_are_counted_by_character() -> None:
    assert score("广州市房地产", "广州佛地产", "zh") == Score(6, 1, 1, 0)
    assert score("東京は晴れ", "東京は晴れ。", "ja") == Score(5, 0, 0, 0)


def test_scores_add_up_over_a_set_and_the_rate_is_corpus_wide() -> None:
    whole = Score(90, 1, 0, 0) + Score(10, 3, 1, 1)
    assert whole == Score(100, 4, 1, 1)
    assert (whole.errors, whole.wer) == (6, 6.0)
    assert Score().wer == 0.0


def test_differences_name_the_words() -> None:
    assert differences("the old cat sat", "the cold cat sat down", "en") == ["old>cold", "+down"]
    assert differences("one two", "one two", "en") == []
    assert differences("the cat sat", "cat sat", "en") == ["-the"]


def test_invented_words_are_counted_as_written() -> None:
    assert invented("") == invented("  ") == 0
    assert invented(" 1.5% deurice [Music]") == 3
