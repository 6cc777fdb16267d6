# SPDX-License-Identifier: Apache-2.0
"""Which of several hearings is believed."""

from __future__ import annotations

import pytest

from harken.asr.consensus import agreed, edit_distance, most_agreed
from harken.asr.quality import Hypothesis, Reading


def reading(text: str, logprob: float = -0.3) -> Reading:
    return Reading(Hypothesis((1,), logprob, 0.1), text)


@pytest.mark.parametrize(
    ("first", "second", "edits"),
    [
        ("", "", 0),
        ("", "abc", 3),
        ("abc", "", 3),
        ("abc", "abc", 0),
        ("kitten", "sitting", 3),
        ("成立する", "整理する", 2),
    ],
)
def test_edits_between_two_texts(first: str, second: str, edits: int) -> None:
    assert edit_distance(first, second) == edits


def test_what_most_hearings_say_is_believed_however_sure_one_of_them_is() -> None:
    sure, *others = reading("conseillers générales", -0.1), reading("conseiller général"), reading("conseiller général")
    assert most_agreed([sure, *others]).text == "conseiller général"


def test_where_all_differ_the_text_between_them_is_believed() -> None:
    texts = ["liegen da Raum", "liegende Raum", "liegenden Raum"]
    assert most_agreed([reading(text) for text in texts]).text == "liegende Raum"


def test_signs_and_case_have_no_vote() -> None:
    texts = [reading("JA GUT", -0.2), reading("ja, gut.", -0.4), reading("ja hut", -0.1)]
    assert most_agreed(texts).text == "JA GUT"


def test_the_likelier_of_equals_is_believed() -> None:
    assert most_agreed([reading("one", -0.5), reading("two", -0.2)]).text == "two"
    assert most_agreed([reading("alone")]).text == "alone"


def test_two_that_say_the_same_words_agree() -> None:
    assert agreed([reading("Ja, gut."), reading("nein"), reading("ja gut")])
    assert not agreed([reading("ja gut"), reading("nein"), reading("jagut")])
    assert not agreed([reading("ja gut")])
    assert not agreed([])
