# SPDX-License-Identifier: Apache-2.0
"""The provider that lets a language model write: summaries, texts after an instruction, answers.

Whatever the model is and wherever it runs. What it writes is checked: it has the length that was asked for, cites only
segments that there are, and comes with a warning for what the transcript does not hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from harken.errors import TextTooLong
from harken.model import Message, Style, TextResult, Transcript
from harken.model.texts import MAX_LENGTH, MAX_TOKENS, TEMPERATURE
from harken.text import extractive, reading, sentences, words
from harken.text.checks import Evidence, orders
from harken.text.prompts import OVERHEAD, Item, Prompter
from harken.text.provider import IDLE, NOT_FOUND, LanguageModel, Watch, check_chat, check_summary
from harken.text.spoken import Spoken, sources
from harken.text.structured import Asker, Point, Points

_SURE = 0.9
"""Share of a model's context that is planned with: tokens are only estimated."""
_READ = 0.9
"""Share of the work that reading a long recording is."""
_WRITE = 0.25
"""Share of the context that is kept for a text after an instruction."""
_HISTORY = 0.3
"""Share of the context that earlier messages may take."""
_JSON = 3.5
"""Tokens a word of a summary in JSON, with its citations and with the line breaks that models put into it."""
_SHARE, _SHORT = 1 / 3, 50
"""Share of the words that were said, and words, that a summary has at most, however many may be written."""
_OVER = 1.3
"""A summary so many times too long is asked for again; a shorter one is cut."""
_TOPICS = 8
_NOTHING_MORE = 12
"""Words of an answer that says only that the transcript does not hold it."""
_ORDERS = "the recording holds words that read like orders to a program; they were taken as speech"


class Generative:
    """A :class:`~harken.text.provider.TextProvider` on any :class:`~harken.text.provider.LanguageModel`."""

    def __init__(self, model: LanguageModel) -> None:
        self._model = model
        self._context = int(model.context * _SURE)

    @property
    def name(self) -> str:
        """The model's."""
        return self._model.name

    def check_instruction(self, instruction: str) -> None:
        """Any instruction will do, if it leaves room for the recording."""
        if words.tokens(instruction) > self._context * _WRITE:
            raise TextTooLong(f"the instruction is too long for {self.name}", param="instruction")

    def summarise(
        self, transcript: Transcript, *, style: Style = "paragraph", max_length: int = MAX_LENGTH, watch: Watch = IDLE
    ) -> TextResult:
        """A summary in the model's words."""
        check_summary(style, max_length)
        work = _Work(self._model, transcript, (), watch)
        if not work.spoken.lines:
            return work.nothing()
        limit = min(max_length, max(_SHORT, int(_SHARE * work.spoken.count)))
        room = min(int(limit * _JSON) + 150, self._context // 3)
        items = work.condensed("", room)
        prompt = work.prompter.summary(items, style, limit)
        found = work.asker.points(prompt, room)
        if words.count(_shown(found.points, style)) > max_length * _OVER:
            shorter = work.asker.points(prompt.again(f"Your last answer had more than {max_length} words."), room)
            found = min(found, shorter, key=lambda one: words.count(_shown(one.points, style)))
        kept, text = _fitting(found, style, max_length)
        speakers = {name.casefold() for name in work.spoken.speakers}
        topics = tuple(topic for topic in found.topics if topic.casefold() not in speakers)[:_TOPICS]
        return work.result(text, (number for point in kept for number in point.segments), topics)

    def format_text(self, transcript: Transcript, instruction: str = "", *, watch: Watch = IDLE) -> TextResult:
        """A text after the instruction; without one, every word as it was said, in paragraphs."""
        if not instruction.strip():
            return extractive.paragraphs(Spoken(transcript))
        self.check_instruction(instruction)
        work = _Work(self._model, transcript, (instruction,), watch)
        if not work.spoken.lines:
            return work.nothing()
        room = int(self._context * _WRITE)
        items = work.condensed(instruction, room)
        done = work.asker.text(work.prompter.formatted(items, instruction), 0.2, room)
        return work.result(done.text, done.segments, cut=done.cut)

    def chat(
        self,
        transcript: Transcript,
        messages: Sequence[Message],
        *,
        temperature: float = TEMPERATURE,
        max_tokens: int = MAX_TOKENS,
        watch: Watch = IDLE,
    ) -> TextResult:
        """The model's answer to the last message."""
        check_chat(messages, temperature, max_tokens)
        work = _Work(self._model, transcript, [message.content for message in messages], watch)
        kept = self._recent(messages)
        said = sum(words.tokens(message.content) for message in kept)
        answer = min(max_tokens, self._context // 3)
        room = self._context - OVERHEAD - answer - said
        if room < 1:
            raise TextTooLong(f"the question is too long for {self.name}", param="messages")
        asked = [message.content for message in kept if message.role == "user"]
        items = reading.passages(work.spoken, asked, room)
        done = work.asker.text(work.prompter.answer(items, kept), temperature, answer)
        if done.text.lower().startswith(NOT_FOUND.rstrip(".").lower()) and words.count(done.text) <= _NOTHING_MORE:
            return replace(work.result(NOT_FOUND, ()), warnings=())
        return work.result(done.text, done.segments, cut=done.cut)

    def _recent(self, messages: Sequence[Message]) -> list[Message]:
        """The last message, what the system is told, and as many of the others before it as there is room for."""
        kept = {len(messages) - 1} | {place for place, message in enumerate(messages) if message.role == "system"}
        left = self._context * _HISTORY - sum(words.tokens(messages[place].content) for place in kept)
        for place in range(len(messages) - 2, -1, -1):
            if place in kept:
                continue
            left -= words.tokens(messages[place].content)
            if left < 0:
                break
            kept.add(place)
        return [messages[place] for place in sorted(kept)]


class _Work:
    """One task on one transcript."""

    def __init__(self, model: LanguageModel, transcript: Transcript, others: Iterable[str], watch: Watch) -> None:
        self.spoken = Spoken(transcript)
        self.prompter = Prompter(self.spoken.text)
        self.asker = Asker(model, watch)
        self._model = model
        self._watch = watch
        self._held = "\n".join([self.spoken.text, *self.spoken.speakers])
        self._evidence = Evidence(self._held, others, extractive.language(self.spoken))

    def condensed(self, purpose: str, answer: int) -> list[Item]:
        """What the model is to read."""
        part = self._watch.part(0.0, _READ)
        return reading.condensed(
            self.spoken, purpose, self.prompter, self.asker, int(self._model.context * _SURE), answer, part
        )

    def result(
        self, text: str, segments: Iterable[int], topics: tuple[str, ...] = (), *, cut: bool = False
    ) -> TextResult:
        """What the model wrote, with what the reader should know of it."""
        cited = set(segments)
        warnings = list(self._evidence.warnings(text))
        if not self._evidence.related(text):
            warnings.append("nothing in this text is in the transcript")
        if cut:
            warnings.append("the text ends where the model had no more tokens")
        if orders(self._held):
            warnings.append(_ORDERS)
        self._watch.progress(1.0)
        return TextResult(
            text=text,
            model=self.asker.model,
            generated=True,
            sources=sources(line for line in self.spoken.lines if line.index + 1 in cited),
            topics=topics,
            warnings=tuple(warnings),
            usage=self.asker.usage,
        )

    def nothing(self) -> TextResult:
        """For a recording in which nobody speaks: there is nothing to ask a model about."""
        return extractive.paragraphs(self.spoken)


def _shown(points: Sequence[Point], style: Style) -> str:
    if style == "paragraph":
        return " ".join(point.text for point in points)
    marks = [f"{place}." if style == "key_points" else "-" for place in range(1, len(points) + 1)]
    return "\n".join(f"{mark} {point.text}" for mark, point in zip(marks, points, strict=True))


def _fitting(found: Points, style: Style, limit: int) -> tuple[tuple[Point, ...], str]:
    """As many points as have at most ``limit`` words together; the first is cut where it is too long alone."""
    for many in range(len(found.points), 0, -1):
        text = _shown(found.points[:many], style)
        if words.count(text) <= limit:
            return found.points[:many], text
    return found.points[:1], sentences.cut(_shown(found.points[:1], style), limit)
