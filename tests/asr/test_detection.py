# SPDX-License-Identifier: Apache-2.0
"""Languages of windows, weighed against the recording."""

from __future__ import annotations

import pytest

from harken.asr.detection import among, candidates, weigh

ENGLISH = (("en", 1.0),)


def first(heard: dict[str, float], shares: tuple[tuple[str, float], ...] = ()) -> str:
    return next(iter(weigh(heard, shares)))


def test_without_a_past_the_window_decides() -> None:
    weighed = weigh({"en": 0.2, "fr": 0.7, "de": 0.1}, ())
    assert weighed == {"fr": pytest.approx(0.7), "en": pytest.approx(0.2), "de": pytest.approx(0.1)}
    assert list(weighed) == ["fr", "en", "de"]


def test_a_weak_window_does_not_change_the_language() -> None:
    assert first({"cy": 0.67, "en": 0.25, "pl": 0.08}) == "cy"
    assert first({"cy": 0.67, "en": 0.25, "pl": 0.08}, ENGLISH) == "en"


def test_a_sure_window_changes_the_language() -> None:
    assert first({"de": 0.98, "en": 0.02}, ENGLISH) == "de"


def test_little_evidence_holds_little() -> None:
    assert first({"cy": 0.8, "en": 0.2}, (("en", 0.1),)) == "cy"


def test_a_recording_in_two_languages_switches_freely() -> None:
    shares = (("de", 0.5), ("en", 0.5))
    assert first({"de": 0.6, "en": 0.4}, shares) == "de"
    assert first({"de": 0.4, "en": 0.6}, shares) == "en"


def test_others_are_tried_only_in_doubt() -> None:
    assert candidates({"en": 0.9, "cy": 0.1}) == ["en"]
    assert candidates({"de": 0.5, "en": 0.3, "nl": 0.15, "af": 0.05}) == ["de", "en", "nl"]
    assert candidates({"de": 0.7, "en": 0.09}) == ["de"]


def test_only_languages_that_it_can_be_are_weighed() -> None:
    heard = {"en": 0.2, "fr": 0.7, "de": 0.1}
    assert among(heard, ()) == heard
    weighed = weigh(among(heard, ("en", "de")), ())
    assert weighed == {"en": pytest.approx(2 / 3), "de": pytest.approx(1 / 3)}
