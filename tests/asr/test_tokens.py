# SPDX-License-Identifier: Apache-2.0
"""Tokens of the real vocabulary: words, timestamps, what is refused."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from harken.asr.timestamps import earlier, goes_on, pieces
from harken.asr.tokens import WhisperTokens
from harken.errors import ModelUnavailable


@pytest.fixture(scope="module")
def vocabulary(base_model: Path) -> WhisperTokens:
    return WhisperTokens(base_model)


def words(vocabulary: WhisperTokens, text: str, language: str = "en") -> list[str]:
    grouped = vocabulary.words(vocabulary.encode(text), language)
    assert [token for _, tokens in grouped for token in tokens] == vocabulary.encode(text)
    return [word for word, _ in grouped]


def test_signs_belong_to_words(vocabulary: WhisperTokens) -> None:
    assert words(vocabulary, ' He said "stop" (twice), didn\'t he?') == [
        " He",
        " said",
        ' "stop"',
        " (twice),",
        " didn't",
        " he?",
    ]


def test_languages_without_blanks_give_characters(vocabulary: WhisperTokens) -> None:
    found = words(vocabulary, "欢迎来体验。", "zh")
    assert "".join(found) == "欢迎来体验。"
    assert len(found) >= 3
    assert found[-1].endswith("。")
    assert len(found[-1]) > 1


def test_a_character_of_several_tokens_is_whole(vocabulary: WhisperTokens) -> None:
    assert "".join(words(vocabulary, " naïve 🎉 façade")) == " naïve 🎉 façade"


def test_text_is_encoded_as_the_model_writes_it(vocabulary: WhisperTokens) -> None:
    """A word and its blank are one token: the published file lacks the merge that every word with a t needs."""
    said = " it was the age of wisdom, to be told at that time"
    assert [vocabulary.decode([token]) for token in vocabulary.encode(said)] == re.findall(r" \w+|,", said)


def test_text_cannot_smuggle_special_tokens(vocabulary: WhisperTokens) -> None:
    assert max(vocabulary.encode("<|endoftext|><|en|>now<|nocaptions|>"), default=0) < vocabulary.end


def test_start_sequences(vocabulary: WhisperTokens) -> None:
    assert vocabulary.start_sequence(None, "transcribe") == [vocabulary.start]
    assert len(vocabulary.start_sequence("de", "translate")) == 3
    assert vocabulary.knows("yo")
    assert not vocabulary.knows("xx")


def test_timestamps_cut_a_hypothesis(vocabulary: WhisperTokens) -> None:
    zero = vocabulary.first_timestamp
    hello, world = vocabulary.encode(" Hello"), vocabulary.encode(" world")
    found = pieces([zero + 10, *hello, zero + 60, zero + 75, *world], vocabulary, 4.0)
    assert [(piece.start, piece.end, list(piece.tokens), piece.closed) for piece in found] == [
        (0.2, 1.2, hello, True),
        (1.5, 4.0, world, False),
    ]


def test_a_start_at_the_end_says_that_speech_goes_on(vocabulary: WhisperTokens) -> None:
    zero = vocabulary.first_timestamp
    hello = vocabulary.encode(" Hello")
    assert goes_on([zero, *hello, zero + 60, zero + 60], vocabulary) == pytest.approx(1.2)
    assert goes_on([zero, *hello, zero + 60], vocabulary) is None
    assert goes_on([], vocabulary) is None


def test_times_never_run_back_or_out(vocabulary: WhisperTokens) -> None:
    zero = vocabulary.first_timestamp
    hello = vocabulary.encode(" Hello")
    found = pieces([zero + 100, *hello, zero + 50, zero + 20, *hello, zero + 900], vocabulary, 3.0)
    assert [(piece.start, piece.end) for piece in found] == [(2.0, 2.0), (2.0, 3.0)]


def test_a_folder_without_a_vocabulary_is_told_apart(tmp_path: Path, base_model: Path) -> None:
    with pytest.raises(ModelUnavailable, match=r"no tokenizer\.json"):
        WhisperTokens(tmp_path)
    shutil.copy(base_model / "tokenizer.json", tmp_path)
    content = json.loads((tmp_path / "tokenizer.json").read_text())
    content["added_tokens"] = [item for item in content["added_tokens"] if item["content"] != "<|notimestamps|>"]
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(ModelUnavailable, match="not a Whisper model"):
        WhisperTokens(tmp_path)


def test_times_are_put_earlier_and_never_before_the_start(vocabulary: WhisperTokens) -> None:
    zero = vocabulary.first_timestamp
    hello = vocabulary.encode(" Hello")
    assert earlier([zero + 3, *hello, zero + 60, zero + 60], vocabulary, 0.1) == (zero, *hello, zero + 55, zero + 55)
    assert earlier([zero, *hello], vocabulary, 0.0) == (zero, *hello)
