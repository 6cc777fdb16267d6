# SPDX-License-Identifier: Apache-2.0
"""What sounds like what: folded spellings, runs of words, words that are not alike."""

from __future__ import annotations

import pytest

from harken.asr.likeness import UNLIKE, _change, _weight, places, sound


def found(text: str, *entries: str) -> list[tuple[str, str]]:
    words = text.split()
    near = places([sound(word) for word in words], [True] * len(words), [sound(entry) for entry in entries])
    return [(" ".join(words[place.first : place.stop]), entries[place.entry]) for place in near]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Schoeffer", "schoefer"),
        ("Philipp", "Filip"),
        ("Müller", "Muller"),
        ("OpenAI", "open ai"),
        ("Straße", "STRASSE"),
        ("e-mail", "Email"),
        ("Фёдор", "федор"),
    ],
)
def test_spellings_of_one_sound_are_one(one: str, other: str) -> None:
    assert sound(one) == sound(other)


def test_the_most_alike_comes_first() -> None:
    near = found("we met Swayneheim and Panartes there", "Pannartz", "Sweynheim")
    assert set(near[:2]) == {("Swayneheim", "Sweynheim"), ("Panartes", "Pannartz")}
    assert near.index(("Swayneheim", "Sweynheim")) < near.index(("met Swayneheim", "Sweynheim"))


def test_a_name_that_fell_apart_is_one_place() -> None:
    assert ("met a brother", "metoprolol") in found("he met a brother today", "metoprolol")
    assert found("running on cooper net ease today", "Kubernetes")[0] == ("cooper net ease", "Kubernetes")


def test_a_listed_phrase_is_found_in_words_of_another_number() -> None:
    assert found("she plays the viola dagamba", "viola da gamba")[0] == ("viola dagamba", "viola da gamba")


@pytest.mark.parametrize("entry", ["Kubernetes", "phosphofructokinase", "Xi", ""])
def test_what_is_not_alike_is_no_place(entry: str) -> None:
    assert found("the weather was fine and everybody went home", entry) == []


def test_a_short_word_is_alike_only_when_it_is_the_same() -> None:
    assert found("ask the ex about it", "AX") == []
    assert found("ask the ax about it", "AX") == [("ax", "AX")]


def test_a_place_begins_and_ends_where_words_do() -> None:
    words, starts = ["pro", "kip", "c", "road"], [True, False, False, True]
    near = places(words, starts, ["prokip", "kipc", "prokipc"])
    assert {(place.first, place.stop) for place in near} <= {(0, 3), (0, 4)}
    assert (near[0].first, near[0].stop, near[0].entry, near[0].distance) == (0, 3, 2, 0.0)


def test_distances_are_those_of_letter_by_letter_editing() -> None:
    """The whole list at once, against the textbook's loop for one pair."""
    pairs = [("kubanites", "kubernetes"), ("tekamkari", "tukumkari"), ("rafa", "grafana"), ("seler", "siler")]
    for heard, entry in pairs:
        for beside in ([entry], ["x", entry, "averylongotherwordbeside"]):
            [place] = [place for place in places([heard], [True], beside) if beside[place.entry] == entry]
            assert place.distance == pytest.approx(edits(heard, entry) / max(len(heard), len(entry)), abs=1e-5)
            assert place.distance <= UNLIKE


def edits(one: str, other: str) -> float:
    before = [0.0]
    for char in other:
        before.append(before[-1] + _weight(char))
    for left in one:
        here = [before[0] + _weight(left)]
        for column, right in enumerate(other, 1):
            here.append(
                min(
                    before[column] + _weight(left),
                    here[-1] + _weight(right),
                    before[column - 1] + _change(left, right),
                )
            )
        before = here
    return before[-1]
