# SPDX-License-Identifier: Apache-2.0
"""What is believed."""

from __future__ import annotations

import pytest

from harken.asr.quality import Hypothesis, Reading, compression_ratio, drop_reason, keep_rounds, repeats
from harken.model import DropReason


def reading(text: str, logprob: float = -0.3, silence: float = 0.1) -> Reading:
    return Reading(Hypothesis((1,), logprob, silence), text)


def test_repetition_shows_in_the_compression_ratio() -> None:
    assert compression_ratio("") == 0
    assert compression_ratio("It was the best of times, it was the worst of times.") < 2.4
    assert compression_ratio("Start. " * 20) > 2.4


def test_a_search_failed_by_doubt_or_by_repetition() -> None:
    assert not reading("Good morning.").failed
    assert reading("Good morning.", logprob=-1.1).failed
    assert reading("Start. " * 20).failed


def test_silence_is_not_searched_again_and_is_dropped() -> None:
    silent = reading("Hm.", logprob=-1.5, silence=0.8)
    assert not silent.failed
    assert drop_reason(silent) is DropReason.NO_SPEECH
    assert drop_reason(reading("I'm sorry, " * 30, logprob=-0.1, silence=0.7)) is DropReason.NO_SPEECH


@pytest.mark.parametrize(("logprob", "silence"), [(-1.5, 0.2), (-0.3, 0.9)])
def test_text_stays_unless_both_say_silence(logprob: float, silence: float) -> None:
    assert drop_reason(reading("Well, well.", logprob, silence)) is None


def test_stock_phrases_need_speech() -> None:
    assert drop_reason(reading(" Thank you.", silence=0.4)) is DropReason.LOW_CONFIDENCE
    assert drop_reason(reading(" Thank you.", silence=0.1)) is None
    assert drop_reason(reading(" Thank you for the tea.", silence=0.4)) is None


def test_text_that_does_not_repeat_itself_is_better() -> None:
    loop, sane = reading("Start. " * 20, logprob=-0.1), reading("Start.", logprob=-0.9)
    assert max(loop, sane, key=lambda item: item.rank) is sane


def test_text_that_stops_early_is_worse() -> None:
    early = Reading(Hypothesis((1,), -0.2, 0.0), "a transition between", unfinished=True)
    whole = Reading(Hypothesis((1,), -0.4, 0.0), "a transition between Gothic and Roman.")
    assert max(early, whole, key=lambda item: item.rank) is whole


def test_a_loop_keeps_its_first_round() -> None:
    assert keep_rounds((7, 8, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1)) == 5
    assert keep_rounds((5, 5, 5, 6)) == 4
    assert keep_rounds(()) == 0


def test_a_second_pass_brings_only_news() -> None:
    assert repeats(" of times,", "it was the worst of times.", "It was the age")
    assert repeats(" It was", "said before", "It was the age of wisdom")
    assert not repeats(" it was the spring of hope", "it was the worst of times.", "It was the age")
    assert repeats(" ...", "", "")
