# SPDX-License-Identifier: Apache-2.0
"""What a list of words to expect is worth: rare words that are heard, other words that suffer, and words put in.

Each recording is heard four times: without a list, with its own rare words, with those of the whole corpus, and with
those of the others only, which are not said in it: the price of a list that is wrong. Knows engines only as something
that hears a file.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, get_args

from harken.bench.accuracy import Rule
from harken.bench.corpus import Item
from harken.bench.rare_words import Labelled, everything, says
from harken.bench.scoring import Score, differences, invented, score
from harken.pipeline.validation import MAX_VOCABULARY

Given = Literal["no list", "own words", "all words", "others' words"]

LISTS: tuple[Given, ...] = get_args(Given)


class Engine(Protocol):
    """Something that hears a file with a list of words."""

    def __call__(self, path: Path, language: str | None, vocabulary: Sequence[str]) -> str:
        """The text."""


@dataclass(slots=True)
class Result:
    """What came of one kind of list, summed over the recordings."""

    given: Given
    said: int = 0
    """Times that a rare word is said in a recording."""
    heard: int = 0
    missed: int = 0
    """Of those that are not heard without a list: how many."""
    won: int = 0
    """And how many of them are heard with this one."""
    put_in: int = 0
    """Listed words in the text that were not said, and are not in the text without a list."""
    score: Score = field(default_factory=Score)
    invented: int = 0
    """Words in recordings without speech."""
    cpu: float = 0.0
    """Seconds of the processor."""

    @property
    def recall(self) -> float:
        """Rare words that are heard, in percent."""
        return 100.0 * self.heard / self.said if self.said else 0.0


@dataclass(frozen=True, slots=True)
class Change:
    """A recording that another list gave another text."""

    given: Given
    item: Item
    differences: tuple[str, ...]
    """From the text without a list, as words that were ``right>wrong``."""
    put_in: tuple[str, ...]


def measure(
    labelled: Sequence[Labelled],
    engine: Engine,
    *,
    progress: Callable[[Item], None] = lambda _: None,
) -> tuple[list[Result], list[Change]]:
    """Hear every recording with every list; the language is the manifest's, so that lists alone differ."""
    results = {given: Result(given) for given in LISTS}
    changes: list[Change] = []
    every = everything(labelled)
    for one in labelled:
        progress(one.item)
        item, plain, unlisted = one.item, "", 0.0
        for given in LISTS:
            words = _list(given, one, every)
            result = results[given]
            if words or given == "no list":
                start = time.process_time()
                text = engine(item.path, item.language, words)
                taken = time.process_time() - start
            else:
                text, taken = plain, unlisted
            result.cpu += taken
            if given == "no list":
                plain, unlisted = text, taken
            if not item.spoken:
                result.invented += invented(text)
                continue
            missed = [word for word in one.words if not says(plain, word, item.language)]
            heard = [word for word in one.words if says(text, word, item.language)]
            put_in = tuple(
                word
                for word in words
                if says(text, word, item.language)
                > max(says(item.text, word, item.language), says(plain, word, item.language))
            )
            result.said += len(one.words)
            result.heard += len(heard)
            result.missed += len(missed)
            result.won += len(set(missed) & set(heard))
            result.put_in += len(put_in)
            result.score += score(item.text, text, item.language)
            if text != plain:
                changes.append(Change(given, item, tuple(differences(plain, text, item.language)), put_in))
    return list(results.values()), changes


def gate(results: Sequence[Result]) -> list[Rule]:
    """What must hold: rare words are won, no list costs words, nothing that was not said is put in."""
    plain = next(result for result in results if result.given == "no list")
    rules = []
    for result in results:
        if result is plain:
            continue
        errors = f"{result.score.errors} errors against {plain.score.errors} in {plain.score.words} words"
        rules.append(Rule(f"{result.given}: not worse", result.score.errors <= plain.score.errors, errors))
        rules.append(Rule(f"{result.given}: none put in", result.put_in == 0, f"{result.put_in} words"))
        silent = result.invented <= plain.invented
        rules.append(Rule(f"{result.given}: as silent", silent, f"{result.invented} against {plain.invented}"))
        if result.given in {"own words", "all words"}:
            won = (
                f"{result.won} of {result.missed} that were missed, {result.recall:.1f} % against {plain.recall:.1f} %"
            )
            rules.append(Rule(f"{result.given}: more are heard", result.heard > plain.heard or not plain.missed, won))
    return rules


def _list(given: Given, one: Labelled, every: Sequence[str]) -> tuple[str, ...]:
    if given == "no list":
        return ()
    if given == "own words":
        return one.words
    others = [word for word in every if not says(one.item.text, word, one.item.language)]
    if given == "others' words":
        return tuple(others[:MAX_VOCABULARY])
    return (*one.words, *others)[:MAX_VOCABULARY]
