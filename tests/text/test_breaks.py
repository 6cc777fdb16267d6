# SPDX-License-Identifier: Apache-2.0
"""Where a line may end, sign by sign."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harken.text.breaks import clean, clusters, ends_clause, ends_sentence, pieces, width


@settings(deadline=None)
@given(st.text())
def test_pieces_and_clusters_keep_every_character(text: str) -> None:
    assert "".join(pieces(text)) == "".join(clusters(text)) == text


@pytest.mark.parametrize(
    ("run", "cut"),
    [
        ("word", ["word"]),
        ("naïve", ["naïve"]),
        ("안녕하세요", ["안녕하세요"]),
        ("日本語", ["日", "本", "語"]),
        ("「はい」、", ["「は", "い」、"]),
        ("まって", ["まっ", "て"]),
        ("ラーメン", ["ラー", "メ", "ン"]),
        ("第10回", ["第", "10", "回"]),
        ("ไทย", ["ไท", "ย"]),
        ("น้ำ", ["น้ำ"]),
    ],
)
def test_pieces_follow_the_rules_of_the_script(run: str, cut: list[str]) -> None:
    assert pieces(run) == cut


@pytest.mark.parametrize(
    ("text", "columns"), [("abc", 3), ("日本", 4), ("é", 1), ("e\u0301", 1), ("สวัสดี", 4), ("👨\u200d👩", 4), ("ｶﾅ", 2)]
)
def test_width_is_what_a_screen_shows(text: str, columns: int) -> None:
    assert width(text) == columns


@pytest.mark.parametrize("sign", ["e\u0301", "👨\u200d👩\u200d👧", "🇩🇪", "👍🏽", "ก็"])
def test_a_sign_is_one_cluster(sign: str) -> None:
    assert clusters(sign + sign) == [sign, sign]


@pytest.mark.parametrize(
    ("text", "following", "ends"),
    [
        ("night.", "Nobody", True),
        ('night."', "Nobody", True),
        ("now?", "yes", True),
        ("です。", "次", True),
        ("كيف؟", "نعم", True),
        ("Dr.", "Lowell", False),
        ("J.", "Smith", False),
        ("approx.", "five", False),
        ("night,", "Nobody", False),
        ("night", "Nobody", False),
    ],
)
def test_sentences_end_where_signs_say_so(text: str, following: str, ends: bool) -> None:
    assert ends_sentence(text, following) is ends


def test_clauses_end_at_commas() -> None:
    assert ends_clause("well,")
    assert ends_clause("「はい」、")
    assert not ends_clause("well")


def test_clean_is_one_line_without_control_characters() -> None:
    assert clean(" a\u2028b\tc\x00d \r\n e\u00a0f ") == "a b cd e\u00a0f"
