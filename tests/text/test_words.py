# SPDX-License-Identifier: Apache-2.0
"""Words, sentences, and texts cut to a number of words, in any script."""

# ruff: noqa: RUF001  (full-width punctuation is what is tested)

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harken.text import sentences, stopwords, words

SCRIPTS = st.text(
    st.sampled_from(list("abcde  .!?,\n\u2026-*#[]1234 今日は晴れ。！ภาษาไทย हिन्दी।العربية؟ привет été ß")),
    max_size=300,
)


@pytest.mark.parametrize(
    ("text", "many"),
    [
        ("", 0),
        ("one two  three", 3),
        ("- [00:12] Anna: yes", 4),
        ("今日は晴れです。", 7),
        ("ok 今日は。", 4),
        ("ภาษาไทย", 2),
        ("don't e-mail", 2),
    ],
)
def test_counts_words(text: str, many: int) -> None:
    assert words.count(text) == many


@given(SCRIPTS)
def test_counts_no_fewer_words_than_a_client_would(text: str) -> None:
    assert words.count(text) >= len(text.split())


@pytest.mark.parametrize(
    ("one", "other"),
    [("budgets", "Budget"), ("companies", "company"), ("réunion", "REUNION"), ("the team's", "the team")],
)
def test_forms_of_a_word_are_found_by_the_same_term(one: str, other: str) -> None:
    assert set(words.terms(one)) == set(words.terms(other))


def test_text_without_blanks_is_found_by_pairs_of_characters() -> None:
    assert list(words.terms("予算問題")) == ["予算", "算問", "問題"]
    assert words.words("हिन्दी में") == ["हिन्दी", "में"]
    assert list(words.terms("한국어")) == ["한국어"]


def test_english_costs_about_one_and_a_half_tokens_a_word() -> None:
    text = "the quick brown fox jumps over the lazy dog and then it goes home to sleep"
    assert 1.3 <= words.tokens(text) / len(text.split()) <= 1.5
    assert words.tokens("今日は晴れです") >= 6


def test_splits_sentences() -> None:
    text = (
        "Hello there. Dr. Smith paid 3.5 million, e.g. for this. Was that it? Yes! 1. First point. 今日は。明日は！ ok"
    )
    assert sentences.split(text) == [
        "Hello there.",
        "Dr. Smith paid 3.5 million, e.g. for this.",
        "Was that it?",
        "Yes!",
        "1. First point.",
        "今日は。",
        "明日は！",
        "ok",
    ]


@given(SCRIPTS)
def test_no_letter_is_lost_between_sentences(text: str) -> None:
    assert "".join("".join(sentences.split(text)).split()) == "".join(text.split())


def test_cuts_at_the_last_sentence_that_fits() -> None:
    text = "- Hello there everyone, welcome. The second is here.\n- Third."
    assert sentences.cut(text, 100) == text
    assert sentences.cut(text, 10) == "- Hello there everyone, welcome. The second is here."
    assert sentences.cut(text, 8) == "- Hello there everyone, welcome."
    assert sentences.cut("one two three four", 2) == "one two\u2026"


@given(SCRIPTS, st.integers(1, 40))
def test_a_cut_text_never_has_too_many_words(text: str, limit: int) -> None:
    cut = sentences.cut(text, limit)
    assert words.count(cut) <= limit
    assert len(cut.split()) <= limit
    assert (
        text.startswith(cut.removesuffix("\u2026"))
        or cut == "\u2026"
        or text.strip().startswith(cut.removesuffix("\u2026"))
    )


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("I think that this is what we are going to do", "en"),
        ("Ich glaube, dass wir das so nicht machen können", "de"),
        ("Je pense que nous ne sommes pas dans la bonne salle", "fr"),
        ("Creo que no es lo que nosotros queremos para el año", "es"),
        ("Non so se questa è la cosa che volevi dire", "it"),
        ("Eu acho que isso não é o que você quer", "pt"),
        ("Ik denk dat het niet de bedoeling is dat we dit doen", "nl"),
        ("Я думаю, что это не то, что мы хотели", "ru"),
        ("今日は晴れです", ""),
        ("", ""),
    ],
)
def test_tells_a_language_by_its_common_words(text: str, language: str) -> None:
    assert stopwords.guess(text) == language
