# SPDX-License-Identifier: Apache-2.0
"""Words that a caller says to expect: each is weighed, where the text has something like it, against what was heard.

The text is found without the list, so a list cannot put words where nobody speaks, drop text or change a style. Where a
run of words sounds like a listed one, the model is asked how likely the whole text is with either, both times with the
listed words in its prompt. It is a second look at the same sound: Whisper's probability given the audio decides.
Knows no windows and no times.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from harken.asr import quality
from harken.asr.decoding import LONGEST_SEQUENCE, Decoder, Encoded
from harken.asr.languages import WITHOUT_SPACES
from harken.asr.likeness import Place, places, sound
from harken.asr.quality import Reading
from harken.asr.tokens import WhisperTokens

PROMPTED = 24
"""Listed words that are in the prompt at most: those most like what was heard."""

LIST_TOKENS = 160
"""Tokens that they may take."""

VARIANTS = 2
"""Runs of words around one place that are tried for one listed word: where it begins and ends is not known."""

TRIED = 4
"""Changes that are tried at most, and :data:`TRIED_PER_SECOND` more."""

TRIED_PER_SECOND = 1.0

STRICT = 15.0
"""How much likelier, as log-probability, a text must be with a word for each unit of distance over :data:`ALIKE`."""

ALIKE = 0.2
"""Distance up to which it is enough that it is likelier at all."""

SENTENCE_ENDS = (".", "?", "!")

LEAST = 1e-9
"""Probability that a token has at least, for logarithms."""


@dataclass(frozen=True, slots=True)
class _Word:
    """A word of a hypothesis: where its tokens stand, and its parts."""

    first: int
    stop: int
    text: str
    lead: str
    """The blank and signs before it, and an elided article: ``l'`` of ``l'Aquila``."""
    core: str
    tail: str
    """Signs after it, and a possessive."""
    begins: bool
    """Whether a blank or nothing stands before it."""


@dataclass(frozen=True, slots=True)
class _Change:
    """A listed word for words of the hypothesis."""

    first: int
    stop: int
    """Of the hypothesis's tokens."""
    tokens: tuple[int, ...]
    entry: str
    needed: float


class HotWords:
    """Weighs listed words in one model."""

    def __init__(self, decoder: Decoder, tokens: WhisperTokens) -> None:
        self._decoder = decoder
        self._tokens = tokens

    def weigh(
        self,
        encoded: Encoded,
        row: int,
        reading: Reading,
        start: Sequence[int],
        language: str,
        seconds: float,
        vocabulary: Sequence[str],
    ) -> Reading:
        """The reading with every listed word that the sound makes likelier than what was heard.

        Args:
            encoded: the batch that holds the clip.
            row: which one it is.
            reading: what was heard.
            start: the start sequence of its language and task.
            language: ISO 639-1 code.
            seconds: length of the clip.
            vocabulary: the list.
        """
        if quality.drop_reason(reading) is not None or reading.failed:
            return reading
        tokens = reading.hypothesis.tokens
        changes = self._changes(tokens, language, vocabulary)
        if not changes:
            return reading
        unprompted = _Listening(self._decoder, encoded, row, start, seconds, self._tokens.end)
        doubted = [change for change in changes if unprompted.doubt(tokens, change) > change.needed]
        changes = _various(doubted)[: TRIED + round(TRIED_PER_SECOND * seconds)]
        if not changes:
            return reading
        before = self._prompt(dict.fromkeys(change.entry for change in changes), len(tokens), len(start))
        listening = _Listening(self._decoder, encoded, row, [*before, *start], seconds, self._tokens.end)
        plain = listening.score(tokens)
        gains = [
            (listening.score(_with(tokens, [change])) - plain - change.needed, -at, change)
            for at, change in enumerate(changes)
        ]
        chosen: list[_Change] = []
        for gain, _, change in sorted(gains, reverse=True, key=lambda item: item[:2]):
            if gain <= 0:
                break
            if any(change.first < other.stop and other.first < change.stop for other in chosen):
                continue
            # What one change gains may be gone beside another.
            if not chosen or listening.score(_with(tokens, [*chosen, change])) > (
                listening.score(_with(tokens, chosen)) + change.needed
            ):
                chosen.append(change)
        if not chosen:
            return reading
        changed = _with(tokens, chosen)
        text = self._tokens.decode(changed).strip()
        return replace(reading, hypothesis=replace(reading.hypothesis, tokens=changed), text=text)

    def _prompt(self, entries: Sequence[str] | dict[str, None], text: int, start: int) -> list[int]:
        room = min(LIST_TOKENS, LONGEST_SEQUENCE - text - start - 3)
        listed: list[int] = []
        for entry in list(entries)[:PROMPTED]:
            more = self._tokens.encode((", " if listed else " ") + entry)
            if len(listed) + len(more) > room:
                break
            listed += more
        return [self._tokens.previous, *listed] if listed else []

    def _changes(self, tokens: Sequence[int], language: str, vocabulary: Sequence[str]) -> list[_Change]:
        """What could be put in, most alike first."""
        entries = [sound(entry) for entry in vocabulary]
        found: list[tuple[Place, list[_Word]]] = []
        for words in self._words(tokens, language):
            heard = [sound(word.core) for word in words]
            found += [(place, words) for place in places(heard, [word.begins for word in words], entries)]
        changes = []
        for place, words in sorted(found, key=lambda item: item[0].distance):
            entry = vocabulary[place.entry]
            run = words[place.first : place.stop]
            opens = place.first == 0 or words[place.first - 1].tail.endswith(SENTENCE_ENDS)
            if (text := _spelt(entry, run, opens=opens)) is None:
                continue
            needed = STRICT * max(0.0, place.distance - ALIKE)
            changes.append(_Change(run[0].first, run[-1].stop, tuple(self._tokens.encode(text)), entry, needed))
        return changes

    def _words(self, tokens: Sequence[int], language: str) -> list[list[_Word]]:
        """The words between timestamps, with their places in the hypothesis."""
        runs: list[list[_Word]] = []
        at = 0
        while at < len(tokens):
            stop = at
            while stop < len(tokens) and tokens[stop] < self._tokens.end:
                stop += 1
            words: list[_Word] = []
            for text, ids in self._tokens.words(tokens[at:stop], language):
                begins = not words or text.startswith(" ") or language in WITHOUT_SPACES
                words.append(_Word(at, at + len(ids), text, *_parts(text), begins))
                at += len(ids)
            runs.append(words)
            at = stop + 1
        return runs


class _Listening:
    """How likely texts of one clip are, each asked for once."""

    def __init__(
        self, decoder: Decoder, encoded: Encoded, row: int, start: Sequence[int], seconds: float, end: int
    ) -> None:
        self._decoder = decoder
        self._encoded = encoded.rows([row])
        self._start = start
        self._seconds = seconds
        self._end = end
        self._known: dict[tuple[int, ...], tuple[float, ...]] = {}

    def score(self, tokens: Sequence[int]) -> float:
        """Log-probability of the text tokens."""
        return sum(self._logprobs(tokens))

    def doubt(self, tokens: Sequence[int], change: _Change) -> float:
        """The most that a change can gain: what its words, and the token after them, cost the text as it is."""
        position = sum(token < self._end for token in tokens[: change.first])
        count = change.stop - change.first
        return -sum(self._logprobs(tokens)[position : position + count + 1])

    def _logprobs(self, tokens: Sequence[int]) -> tuple[float, ...]:
        text = tuple(token for token in tokens if token < self._end)
        if text not in self._known:
            found = self._decoder.align(self._encoded, 0, self._start, text, self._seconds).probabilities
            self._known[text] = tuple(math.log(max(value, LEAST)) for value in found)
        return self._known[text]


def _various(changes: Sequence[_Change]) -> list[_Change]:
    """Of one word in about one place no more than :data:`VARIANTS`, the most alike: the others are worth a try too."""
    kept: list[_Change] = []
    for change in changes:
        same = [other for other in kept if other.entry == change.entry]
        if sum(change.first < other.stop and other.first < change.stop for other in same) < VARIANTS:
            kept.append(change)
    return kept


def _with(tokens: Sequence[int], changes: Sequence[_Change]) -> tuple[int, ...]:
    changed = tuple(tokens)
    for change in sorted(changes, key=lambda item: item.first, reverse=True):
        changed = (*changed[: change.first], *change.tokens, *changed[change.stop :])
    return changed


def _parts(text: str) -> tuple[str, str, str]:
    """A word's blank and signs, itself, and the signs after it."""
    found = re.fullmatch(r"(\W*)(.*?)(\W*)", text, re.DOTALL)
    return (found[1], found[2], found[3]) if found else ("", text, "")


def _spelt(entry: str, run: Sequence[_Word], *, opens: bool) -> str | None:
    """The text with which an entry stands for a run of words; None when that is what was heard."""
    lead, tail = run[0].lead, run[-1].tail
    heard = "".join(word.text for word in run)[len(lead) :].removesuffix(tail)
    if entry in heard or (entry.islower() and entry in heard.casefold()):
        return None
    if "'" not in entry and "\u2019" not in entry:
        if elided := re.match(r"\w{1,2}['\u2019](?=\w{3})", heard):
            lead += elided[0]
        if possessive := re.search(r"['\u2019]s$", heard):
            tail = possessive[0] + tail
    if opens and entry.islower() and heard[:1].isupper():
        entry = entry[:1].upper() + entry[1:]
    return lead + entry + tail
