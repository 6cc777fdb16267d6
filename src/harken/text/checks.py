# SPDX-License-Identifier: Apache-2.0
"""What a language model wrote, held against the transcript: what it cites, what it made up, what it must not show.

Warnings are for readers: they name numbers, names and addresses that the transcript does not hold. They find much of
what a model invents, and not all. Knows no prompt and no provider.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from harken.text import numbers, sentences, stopwords, words

_THOUGHT = re.compile(r"<(think|thinking|thought|reasoning)>.*?(?:</\1>|\Z)", re.DOTALL | re.IGNORECASE)
_ORPHAN_THOUGHT = re.compile(r"\A.*?</(?:think|thinking|thought|reasoning)>", re.DOTALL | re.IGNORECASE)
_CITED = re.compile(r"[ \t]*\[((?:segments? )?\d+(?:\s*(?:[,;]|-|\u2013|to)\s*\d+)*)\](?!\()", re.IGNORECASE)
_FENCE = re.compile(r"\A\s*```[a-z]*\n(.*?)\n?```\s*\Z", re.DOTALL)
_IMAGE = re.compile(r"!\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])")
_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)\s]*)[^)]*\)")
_TAG = re.compile(r"</?[a-zA-Z!][^<>]*>")
_ADDRESS = re.compile(r"(?:https?://|www\.|mailto:)[^\s<>()\[\]\"']+", re.IGNORECASE)

_NAME = re.compile(r"[^\W\d_][\w'\u2019.&-]*[^\W_]|[^\W\d_]")
_STARTS = re.compile(r"[:\u201c\"(\u2013\u2014]\s*$")
# After a name that begins a sentence there is often one of these; after a plain noun too, hence the nouns below.
_DOES = {
    "is",
    "was",
    "has",
    "had",
    "will",
    "would",
    "can",
    "could",
    "should",
    "must",
    "may",
    "might",
    "to",
    "and",
    "or",
}
_DOES |= {"said", "says", "agreed", "asked", "added", "noted", "offered", "promised", "proposed", "suggested", "wants"}
_DOES |= {"needs", "plans"}
_OF_SUMMARIES = {"participants", "attendees", "speakers", "speaker", "discussion", "meeting", "team", "teams", "both"}
_OF_SUMMARIES |= {"everyone", "everybody", "action", "actions", "items", "notes", "summary", "agenda", "decisions"}
_OF_SUMMARIES |= {"next", "steps", "call", "attendance", "conversation", "recording", "transcript", "customers"}
_OF_SUMMARIES |= {"people", "overview", "topics", "points"}
_HEADING = re.compile(r"^\s*#{1,6} .*$|^\s*(?:[-*+] |\d+[.)] )?\*\*[^*\n]+\*\*:?", re.MULTILINE)
_NUMBERED = re.compile(r"^\s*\d+[.)]\s", re.MULTILINE)
_ORDERS = re.compile(
    r"\b(?:ignore|disregard|forget|override)\b.{0,40}\b(?:instruction|prompt|rule|previous|above|prior|context)"
    r"|\bsystem prompt\b|\byou are (?:now )?(?:an? )?(?:ai|assistant|chatgpt|language model|dan)\b"
    r"|\b(?:reply|respond|answer|output|print|say) (?:only |exactly |just )+(?:with |the )?"
    r"|\bnew instructions?\b|\bend of (?:the )?transcript\b|<\|[a-z_]+\|>",
    re.IGNORECASE,
)
_SHOWN = 10
"""Numbers or names that a warning lists."""


def answer(text: str) -> str:
    """What is meant for the reader, without what a reasoning model thought before it."""
    return _ORPHAN_THOUGHT.sub("", _THOUGHT.sub("", text), count=1).strip()


def unfenced(text: str) -> str:
    """``text`` without the fence around all of it, where there is one."""
    found = _FENCE.match(text)
    return found.group(1) if found else text


def cited(text: str) -> tuple[str, list[int]]:
    """``text`` without its citations such as ``[12]`` or ``[3, 5-7]``, and the numbers that they name."""
    found: list[int] = []
    for match in _CITED.finditer(text):
        for part in re.split(r"[,;]", match.group(1)):
            ends = [int(number) for number in re.findall(r"\d+", part)]
            found.extend(range(ends[0], min(ends[-1], ends[0] + 50) + 1))
    return _CITED.sub("", text), found


def harmless(text: str) -> str:
    """``text`` without images, tags and links: what a page that shows it would load, run or lead to."""
    text = _IMAGE.sub(lambda found: found.group(1), text)
    text = _LINK.sub(lambda found: f"{found.group(1)} ({found.group(2)})", text)
    return _TAG.sub("", text)


def orders(text: str) -> bool:
    """Whether something in a transcript reads like orders to a program."""
    return _ORDERS.search(text) is not None


class Evidence:
    """What may stand in a text about a transcript: whatever the transcript holds, and whatever the caller said."""

    def __init__(self, transcript: str, others: Iterable[str], language: str) -> None:
        others = tuple(others)
        self._text = " ".join([transcript, *others])
        self._language = language
        self._numbers = numbers.held(self._text)
        self._said = _stems(transcript)
        self._stems = self._said | _stems(" ".join(others))

    def warnings(self, text: str) -> tuple[str, ...]:
        """What the reader of ``text`` should know."""
        found: list[str] = []
        for what, missing in (
            ("numbers", self._missing_numbers(text)),
            ("names", self._missing_names(text)),
            ("addresses", self._missing_addresses(text)),
        ):
            listed = list(dict.fromkeys(missing))
            if listed:
                more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
                found.append(f"{what} that are not in the transcript: {', '.join(listed[:_SHOWN])}{more}")
        return tuple(found)

    def related(self, text: str) -> bool:
        """Whether any telling word of ``text`` is the transcript's, besides those that the caller put into its mouth.

        A text in another language cannot be told.
        """
        if stopwords.guess(text) not in {"", self._language}:
            return True
        common = stopwords.of(self._language)
        telling = {words.stem(word) for word in words.words(text) if words.fold(word) not in common}
        telling -= self._stems - self._said
        return not telling or bool(telling & self._said) or words.unspaced(self._text) or words.unspaced(text)

    def _missing_numbers(self, text: str) -> Iterator[str]:
        text = _NUMBERED.sub("", text)
        for shown, meanings in [*numbers.digits(text), *numbers.spelled(text)]:
            if not meanings & self._numbers:
                yield shown

    def _missing_addresses(self, text: str) -> Iterator[str]:
        for address in _ADDRESS.findall(text):
            if address.lower().rstrip(".,;") not in self._text.lower():
                yield address[:80]

    def _missing_names(self, text: str) -> Iterator[str]:
        for line in _ADDRESS.sub("", _HEADING.sub("", text)).splitlines():
            for sentence in sentences.split(line.strip(" -*+>")):
                yield from self._names(sentence)

    def _names(self, sentence: str) -> Iterator[str]:
        """Names that the evidence does not hold; what follows each other is one name."""
        common = stopwords.of(self._language)
        found = list(_NAME.finditer(sentence))
        run: list[str] = []
        for place, match in enumerate(found):
            word = match.group()
            after = found[place + 1].group() if place + 1 < len(found) else ""
            starts = place == 0 or _STARTS.search(sentence[: match.start()]) is not None
            named = word[0].isupper() and (len(word) > 1) and words.fold(word) not in common
            if named and starts:
                named = words.fold(word) not in _OF_SUMMARIES and (after in _DOES or after[:1].isupper())
            if named and not self._holds(word):
                run.append(word)
                continue
            yield from self._named(run)
            run = []
        yield from self._named(run)

    def _named(self, run: list[str]) -> Iterator[str]:
        # German writes every noun with a capital: there a name has two of them.
        if len(run) > (1 if self._language in {"de", "lb"} else 0):
            yield " ".join(run)

    def _holds(self, word: str) -> bool:
        return all(not part or words.stem(part) in self._stems for part in re.split(r"[-.&]", word))


def _stems(text: str) -> set[str]:
    found = {words.stem(word) for word in words.words(text)}
    return found | {part for stem in found for part in stem.split("-")}
