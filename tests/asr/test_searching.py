# SPDX-License-Identifier: Apache-2.0
"""How often and how hard a clip is heard, with a decoder that says what it is told to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from harken.asr.decoding import Decoder, Encoded, Search
from harken.asr.quality import Hypothesis
from harken.asr.searching import Clip, Searcher
from harken.asr.tokens import SECONDS_PER_TIMESTAMP, WhisperTokens
from harken.model import SAMPLE_RATE, Options

SPOKEN = 4.0
SAMPLES = np.full(round(SPOKEN * SAMPLE_RATE), 0.5, np.float32)


class Scripted:
    """Says one text after the other, and remembers what it was given."""

    def __init__(self, said: Sequence[Hypothesis]) -> None:
        self.said = list(said)
        self.heard: list[np.ndarray[Any, np.dtype[np.float32]]] = []
        self.searches: list[tuple[float, Search]] = []

    def encode(self, audio: Sequence[np.ndarray[Any, np.dtype[np.float32]]], seconds: float) -> Encoded:
        self.heard += audio
        return Encoded(np.zeros((len(audio), 1)), round(seconds * 100))

    def search(self, encoded: Encoded, prompts: Sequence[Sequence[int]], search: Search) -> list[Hypothesis]:
        self.searches.append((encoded.seconds, search))
        return [self.said.pop(0) for _ in prompts]


@pytest.fixture(scope="module")
def vocabulary(base_model: Path) -> WhisperTokens:
    return WhisperTokens(base_model)


def hypothesis(vocabulary: WhisperTokens, text: str, start: float, logprob: float) -> Hypothesis:
    first, last = (vocabulary.first_timestamp + round(at / SECONDS_PER_TIMESTAMP) for at in (start, start + SPOKEN))
    return Hypothesis((first, *vocabulary.encode(" " + text), last), logprob, 0.0)


def searched(vocabulary: WhisperTokens, decoder: Scripted, language: str, options: Options) -> Hypothesis:
    clip = Clip(SAMPLES, [vocabulary.start], language, SPOKEN)
    encoded = Encoded(np.zeros((1, 1)), 600)
    [found] = Searcher(cast("Decoder", decoder), vocabulary).search(encoded, [clip], options)
    assert decoder.said == []
    return found.hypothesis


def test_a_doubtful_clip_in_another_language_is_heard_up_to_three_times_more_and_its_hearings_vote(
    vocabulary: WhisperTokens,
) -> None:
    said = [
        hypothesis(vocabulary, "liegt", 0.4, -0.3),
        hypothesis(vocabulary, "liegen da Raum", 0.4, -0.1),
        hypothesis(vocabulary, "liegenden Raum", 0.5, -0.4),
        hypothesis(vocabulary, "liegende Raum", 0.6, -0.4),
    ]
    decoder = Scripted(said)
    found = searched(vocabulary, decoder, "de", Options())
    assert vocabulary.decode(found.tokens) == " liegende Raum"
    assert [vocabulary.seconds(found.tokens[at]) for at in (0, -1)] == pytest.approx([0.4, 0.4 + SPOKEN])
    assert decoder.searches == [(6.0, Search()), *[(30.0, Search(beam_size=10))] * 3]
    for shift, samples in zip((0.0, 0.1, 0.2), decoder.heard, strict=True):
        silence = round(shift * SAMPLE_RATE)
        assert not samples[:silence].any()
        assert np.array_equal(samples[silence:], SAMPLES)


def test_a_hearing_that_failed_has_no_vote(vocabulary: WhisperTokens) -> None:
    said = [("Raum", -0.3), ("ja", -1.2), ("ja", -1.2), ("nein", -0.5)]
    decoder = Scripted([hypothesis(vocabulary, text, 0.4, logprob) for text, logprob in said])
    assert vocabulary.decode(searched(vocabulary, decoder, "de", Options()).tokens) == " nein"


def test_where_every_hearing_failed_the_likeliest_is_believed(vocabulary: WhisperTokens) -> None:
    searches = [("ja", -1.3), ("ja", -1.25)]
    longer = [("ja", -1.2), ("nein", -1.05), ("ja", -1.2)]
    fallbacks = [("ja", -1.4)] * 3
    said = searches + longer + fallbacks
    decoder = Scripted([hypothesis(vocabulary, text, 0.4, logprob) for text, logprob in said])
    assert vocabulary.decode(searched(vocabulary, decoder, "de", Options()).tokens) == " nein"


def test_what_was_heard_with_short_context_has_no_vote(vocabulary: WhisperTokens) -> None:
    said = [("ninho", -0.25), ("nenhum", -0.3), ("ninho", -0.4), ("nenhum", -0.3)]
    decoder = Scripted([hypothesis(vocabulary, text, 0.4, logprob) for text, logprob in said])
    assert vocabulary.decode(searched(vocabulary, decoder, "pt", Options()).tokens) == " nenhum"


def test_hearing_ends_when_two_hearings_agree(vocabulary: WhisperTokens) -> None:
    once = Scripted([hypothesis(vocabulary, text, 0.4, -0.3) for text in ("jagut", "Ja gut.", "ja, gut")])
    assert vocabulary.decode(searched(vocabulary, once, "de", Options()).tokens) in {" Ja gut.", " ja, gut"}


def test_a_clip_that_needs_more_hearings_does_not_change_its_batch_mate(vocabulary: WhisperTokens) -> None:
    texts = ["jaja", "nein", "ja", "doch", "ja", "gut so", "gut so"]
    decoder = Scripted([hypothesis(vocabulary, text, 0.4, -0.3) for text in texts])
    clip = Clip(SAMPLES, [vocabulary.start], "de", SPOKEN)
    searcher = Searcher(cast("Decoder", decoder), vocabulary)
    found = searcher.search(Encoded(np.zeros((2, 1)), 600), [clip, clip], Options())
    assert [item.text for item in found] == ["ja", "gut so"]
    assert decoder.said == []


def test_a_doubtful_clip_in_english_is_heard_once_more(vocabulary: WhisperTokens) -> None:
    said = [hypothesis(vocabulary, text, 0.4, -0.5) for text in ("rum", "rum")]
    said.append(hypothesis(vocabulary, "room", 0.4, -0.4))
    decoder = Scripted(said)
    assert vocabulary.decode(searched(vocabulary, decoder, "en", Options()).tokens) == " room"
    assert decoder.searches == [(6.0, Search()), (6.0, Search(beam_size=5)), (30.0, Search(beam_size=5))]


@pytest.mark.parametrize("language", ["de", "en"])
def test_a_clip_beyond_doubt_is_heard_once(vocabulary: WhisperTokens, language: str) -> None:
    decoder = Scripted([hypothesis(vocabulary, "Raum", 0.4, -0.15)])
    assert vocabulary.decode(searched(vocabulary, decoder, language, Options()).tokens) == " Raum"


def test_a_width_that_was_asked_for_holds_in_every_hearing(vocabulary: WhisperTokens) -> None:
    decoder = Scripted([hypothesis(vocabulary, text, 0.4, -0.3) for text in ("Baum", "Raum", "Traum", "Saum")])
    searched(vocabulary, decoder, "de", Options(beam_size=2))
    assert {search for _, search in decoder.searches} == {Search(beam_size=2)}
    fast = Scripted([hypothesis(vocabulary, "Raum", 0.4, -0.3)])
    searched(vocabulary, fast, "de", Options(mode="fast"))
    assert fast.searches == [(6.0, Search())]
