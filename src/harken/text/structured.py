# SPDX-License-Identifier: Apache-2.0
"""Answers of a language model that are good enough to use: read, checked, and asked for once more where they are not.

Knows what an answer must not be; the tasks know what it is for.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from harken.errors import TextTooLong, TextUnusable
from harken.model import Usage
from harken.text import checks, words
from harken.text.prompts import Prompt
from harken.text.provider import Completion, LanguageModel, Watch

_TRIES = 2
_MORE = 4
"""Times as many tokens are given to a model that did not get to its answer."""

Read = TypeVar("Read")

_DECODER = json.JSONDecoder(strict=False)


class Unusable(Exception):
    """An answer cannot be used; the text says why, for the model and for people."""


@dataclass(frozen=True, slots=True)
class Point:
    """A statement of a summary or of notes, and the numbers of the segments it rests on."""

    text: str
    segments: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Points:
    """What :func:`~harken.text.prompts.points_schema` describes."""

    points: tuple[Point, ...]
    topics: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """A text, and the numbers of the segments it cites."""

    text: str
    segments: tuple[int, ...]
    cut: bool
    """Whether the model had more to say."""


class Asker:
    """Asks one model, and counts what that costs."""

    def __init__(self, model: LanguageModel, watch: Watch) -> None:
        self._model = model
        self._watch = watch
        self.usage = Usage()
        self.model = model.name
        """Who answered, by its own account."""

    def points(self, prompt: Prompt, max_tokens: int) -> Points:
        """An answer in JSON. Raises TextError."""
        return self._ask(prompt, 0.2, max_tokens, lambda done: _read_points(done.text))

    def text(self, prompt: Prompt, temperature: float, max_tokens: int) -> Answer:
        """An answer in words. Raises TextError."""
        return self._ask(prompt, temperature, max_tokens, _read_text)

    def _ask(
        self,
        prompt: Prompt,
        temperature: float,
        max_tokens: int,
        read: Callable[[Completion], Read],
    ) -> Read:
        why = ""
        for _ in range(_TRIES):
            self._watch.check()
            asked = prompt.again(f"Your last answer could not be used: {why}. Do the task again.") if why else prompt
            room = self._model.context - sum(words.tokens(message.content) for message in asked.messages)
            if room < 1:
                raise TextTooLong(
                    f"the request does not fit the {self._model.context} tokens that {self._model.name} reads at once"
                )
            done = self._model.complete(
                asked.messages,
                temperature=temperature,
                max_tokens=min(max_tokens, room),
                schema=prompt.schema,
                cancelled=self._watch.cancelled,
            )
            self._count(asked, done)
            try:
                return read(_sound(done, prompt.mark))
            except Unusable as error:
                why = str(error)
            if done.finish == "length":
                max_tokens *= _MORE
        raise TextUnusable(f"{self.model} gave no usable answer, also when asked again: {why}")

    def _count(self, prompt: Prompt, done: Completion) -> None:
        estimate = Usage(sum(words.tokens(one.content) for one in prompt.messages), words.tokens(done.text))
        self.usage += done.usage or estimate
        self.model = done.model or self.model


def _sound(done: Completion, mark: str) -> Completion:
    """The answer without a model's thoughts. Raises Unusable for one that shows what it must not."""
    text = checks.answer(done.text)
    if mark in text:
        raise Unusable("it repeats the rules or the marks around the transcript")
    if not text:
        raise Unusable("it is empty")
    return Completion(text, done.model, done.finish)


def parse(text: str) -> Any:
    """The JSON object in ``text``, with or without other words or a fence around it.

    Raises:
        Unusable: there is none.
    """
    start = text.find("{")
    while start >= 0:
        try:
            found, _ = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            start = text.find("{", start + 1)
        else:
            return found
    raise Unusable("it is not the JSON object that was asked for")


def _read_points(text: str) -> Points:
    found = parse(text)
    if not isinstance(found, dict) or not isinstance(found.get("points"), list):
        # The object did not come whole: what was read is one of its points, or nothing of ours.
        found = {"points": list(_whole(text)), "topics": _strings(text)}
    points: list[Point] = []
    for one in found["points"]:
        point = _read_point(one)
        if point is not None and not any(_again(point.text, before.text) for before in points):
            points.append(point)
    if not points:
        raise Unusable('its "points" say nothing')
    topics = found.get("topics")
    named = [_line(topic) for topic in topics if isinstance(topic, str)] if isinstance(topics, list) else []
    return Points(tuple(points), tuple(dict.fromkeys(topic for topic in named if topic)))


def _again(text: str, before: str) -> bool:
    """Whether all that ``text`` says was said before, in this order: small models repeat themselves."""
    said = iter(words.fold(word) for word in words.words(before))
    return all(words.fold(word) in said for word in words.words(text))


def _whole(text: str) -> Iterator[Any]:
    """The points that are whole in an answer that was cut off: asking again would take as long and end there too."""
    for start in re.finditer(r'\{\s*"text"', text):
        with contextlib.suppress(ValueError, RecursionError):
            yield _DECODER.raw_decode(text, start.start())[0]


def _strings(text: str) -> list[Any]:
    """The topics of an answer that was cut off."""
    start = re.search(r'"topics"\s*:\s*(?=\[)', text)
    if start is not None:
        with contextlib.suppress(ValueError, RecursionError):
            found = _DECODER.raw_decode(text, start.end())[0]
            return found if isinstance(found, list) else []
    return []


def _read_point(found: object) -> Point | None:
    """A point, also where a model leaves out the numbers or writes them into the text."""
    if isinstance(found, str):
        found = {"text": found}
    if not isinstance(found, dict) or not isinstance(found.get("text"), str):
        return None
    text, inline = checks.cited(found["text"])
    listed = found.get("segments")
    numbers = [one for one in listed if isinstance(one, int)] if isinstance(listed, list) else []
    line = _line(text)
    return Point(line, tuple(dict.fromkeys([*numbers, *inline]))) if line else None


def _line(text: str) -> str:
    return " ".join(checks.harmless(text).split()).lstrip("-*\u2022 ").strip()


def _read_text(done: Completion) -> Answer:
    whole = checks.unfenced(done.text)
    if _hollow(whole):
        raise Unusable("it has the numbers of segments in place of what was said in them")
    text, numbers = checks.cited(whole)
    text = checks.harmless(text).strip()
    if not text:
        raise Unusable("it is empty")
    return Answer(text, tuple(dict.fromkeys(numbers)), done.finish == "length")


def _hollow(text: str) -> bool:
    """Whether most lines with a citation have nothing else to say: a heading, or nothing."""
    lines = [checks.cited(line) for line in text.splitlines()]
    empty = [not words.words(left) or left.rstrip(" *_").endswith(":") for left, numbers in lines if numbers]
    return sum(empty) * 2 > len(empty)
