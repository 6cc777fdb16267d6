# SPDX-License-Identifier: Apache-2.0
"""The provider that needs nothing: it chooses sentences and quotes them, with speaker and time, and writes nothing.

The same transcript always gives the same text. What it makes is called highlights, quotes and possible action items,
because that is what they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from harken.model import Message, Style, TextResult, Transcript, Usage
from harken.model.texts import MAX_LENGTH, MAX_TOKENS, TEMPERATURE
from harken.text import actions, highlights, instructions, search, sentences, stopwords, topics, words
from harken.text.instructions import Section
from harken.text.markdown import escape
from harken.text.provider import IDLE, NOT_FOUND, Watch, check_chat, check_summary
from harken.text.spoken import Passage, Spoken, clock, sources

NAME = "extractive"

_SHARE = 0.25
"""Of the words of a recording, the share that highlights take; all of it would be no summary."""
_AT_LEAST = 60
"""Words that highlights may take of a short recording."""
_NOTES_LENGTH = 250
"""Words of the highlights in formatted notes."""
_ACTIONS = 20
"""Possible action items that are shown."""
_PASSAGES = 4
"""Passages that answer a question."""
_WORTH = 0.35
"""Share of the best passage's score from which on a passage is shown beside it."""
_NOTE = "*Quoted from the recording. No language model wrote any of this.*"


class Extractive:
    """A :class:`~harken.text.provider.TextProvider` that quotes."""

    name = NAME

    def check_instruction(self, instruction: str) -> None:
        """See :class:`~harken.text.provider.TextProvider`."""
        instructions.sections(instruction)

    def summarise(
        self, transcript: Transcript, *, style: Style = "paragraph", max_length: int = MAX_LENGTH, watch: Watch = IDLE
    ) -> TextResult:
        """Highlights: the most telling sentences of each stretch of time."""
        check_summary(style, max_length)
        spoken = _read(transcript, watch)
        limit = spoken.room(max_length)
        chosen, shown = spoken.highlights(style, limit)
        text = "\n".join(shown) if style != "paragraph" else " ".join(shown)
        if not text and spoken.sentences:
            best = max(spoken.sentences, key=lambda passage: highlights.score(passage, spoken.topics.weights))
            chosen, text = [best], sentences.cut(best.text, limit)
        watch.check()
        return _result(spoken, text, chosen, topics=spoken.topics.names)

    def format_text(self, transcript: Transcript, instruction: str = "", *, watch: Watch = IDLE) -> TextResult:
        """Meeting notes, action items, highlights, topics or clean paragraphs, by what the instruction names."""
        wanted = instructions.sections(instruction)
        spoken = _read(transcript, watch)
        if wanted == (Section.PARAGRAPHS,):
            return paragraphs(spoken)
        parts: list[str] = ["# Meeting notes" if instructions.notes(instruction) else "# Notes", _NOTE]
        if len(spoken.speakers) > 1:
            parts.append("**Speakers:** " + ", ".join(map(escape, spoken.speakers)))
        quoted: list[Passage] = []
        for section in wanted:
            body, passages = _section(spoken, section)
            parts += [f"## {section.value}", body]
            quoted += passages
        watch.check()
        return _result(spoken, "\n\n".join(parts), quoted, topics=spoken.topics.names)

    def chat(
        self,
        transcript: Transcript,
        messages: Sequence[Message],
        *,
        temperature: float = TEMPERATURE,
        max_tokens: int = MAX_TOKENS,
        watch: Watch = IDLE,
    ) -> TextResult:
        """The passages that hold what the question asks for, quoted; there is nothing to be hot about."""
        check_chat(messages, temperature, max_tokens)
        spoken = _read(transcript, watch)
        limit = max(1, int(max_tokens / words.TOKENS_PER_WORD))
        asked = [message.content for message in messages if message.role == "user"]
        found = _answer(spoken, asked, limit)
        text = _quoted(spoken, found) or NOT_FOUND
        watch.check()
        read = spoken.tokens + sum(words.tokens(message.content) for message in messages)
        return _result(spoken, sentences.cut(text, limit), found, read=read)


class _Known(Spoken):
    """A transcript, and what it is about."""

    def __init__(self, transcript: Transcript) -> None:
        super().__init__(transcript)
        self.language = language(self)
        self.topics = topics.find([passage.text for passage in self.sentences], self.language, self.speakers)

    @property
    def tokens(self) -> int:
        """About how many a language model would have read."""
        return words.tokens(self.text)

    def room(self, limit: int) -> int:
        """Words that highlights may take, ``limit`` at most."""
        return min(limit, max(_AT_LEAST, round(_SHARE * self.count)))

    def quote(self, passage: Passage) -> str:
        """``[00:12] Anna: what she said``, without what nobody knows of it."""
        head = self.head(passage)
        return f"{head}{':' if passage.speaker else ''} {passage.text}" if head else passage.text

    def markdown(self, passage: Passage, mark: str) -> str:
        """The same as an item of a list that ``mark`` begins."""
        time = f"[{clock(passage.start)}] " if self.timed else ""
        speaker = f"**{escape(passage.speaker)}:** " if passage.speaker else ""
        return f"{mark} {time}{speaker}{escape(passage.text)}"

    def highlights(self, style: Style, limit: int) -> tuple[list[Passage], list[str]]:
        """Sentences that take at most ``limit`` words together, and how they are shown."""
        bullet = "" if style == "paragraph" else "- "

        def shown(passage: Passage) -> str:
            topic = self._topic(passage) if style == "key_points" else ""
            return bullet + (f"{topic}: " if topic else "") + self.quote(passage)

        chosen = highlights.choose(self.sentences, self.topics.weights, limit, shown)
        return chosen, [shown(passage) for passage in chosen]

    def _topic(self, passage: Passage) -> str:
        """The first of the topics that a sentence names."""
        held = set(words.terms(passage.text))
        return next((topic for topic in self.topics.names if set(words.terms(topic)) <= held), "")


def _read(transcript: Transcript, watch: Watch) -> _Known:
    """What was said, and what about, which of a day of talk takes as long as choosing from it."""
    watch.check()
    spoken = _Known(transcript)
    watch.check()
    watch.progress(0.5)
    return spoken


def language(spoken: Spoken) -> str:
    """The language of what was said, by its commonest words where nobody knows it; empty where they do not tell."""
    return spoken.language or stopwords.guess(spoken.text)


def paragraphs(spoken: Spoken) -> TextResult:
    """Everything that was said, in paragraphs, with the speakers' names where there are several. No word is changed."""
    several = len(spoken.speakers) > 1
    shown: list[str] = []
    last: str | None = None
    for paragraph in spoken.paragraphs:
        text = re.sub(r"^([-+#]|\d+[.)])(?=\s|$)", r"\\\1", escape(paragraph.text))
        if several and paragraph.speaker and paragraph.speaker != last:
            text = f"**{escape(paragraph.speaker)}:** {text}"
        last = paragraph.speaker
        shown.append(text)
    return _result(spoken, "\n\n".join(shown), spoken.paragraphs)


def _result(
    spoken: Spoken, text: str, quoted: Iterable[Passage], *, topics: tuple[str, ...] = (), read: int | None = None
) -> TextResult:
    return TextResult(
        text=text,
        model=NAME,
        generated=False,
        sources=sources(line for passage in quoted for line in passage.lines),
        topics=topics,
        warnings=() if spoken.lines else ("nothing was said in the recording",),
        usage=Usage(words.tokens(spoken.text) if read is None else read, words.tokens(text)),
    )


def _section(spoken: _Known, section: Section) -> tuple[str, list[Passage]]:
    """The Markdown of a section, and the passages that it quotes."""
    if section is Section.TOPICS:
        return "\n".join(f"- {escape(topic)}" for topic in spoken.topics.names) or "None found.", []
    if section is Section.PARAGRAPHS:
        return paragraphs(spoken).text or "Nothing was said.", list(spoken.paragraphs)
    if section is Section.ACTIONS:
        chosen = [one for one in spoken.sentences if actions.possible(one.text, spoken.language)][:_ACTIONS]
        return "\n".join(spoken.markdown(one, "- [ ]") for one in chosen) or "None found.", chosen
    chosen, _ = spoken.highlights("bullet_points", spoken.room(_NOTES_LENGTH))
    return "\n".join(spoken.markdown(one, "-") for one in chosen) or "Nothing was said.", chosen


def _answer(spoken: _Known, asked: Sequence[str], limit: int) -> list[Passage]:
    """The sentences to quote: those that hold what is asked for, and their neighbours."""
    question = asked[-1]
    speaker, rest = _named(spoken, question)
    terms = search.query_terms(rest, spoken.language)
    for earlier in reversed(asked[:-1]):
        if terms or speaker or instructions.about_all(question):
            break
        terms = search.query_terms(earlier, spoken.language)
    theirs = [passage for passage in spoken.sentences if speaker is None or passage.speaker == speaker]
    places = _best(theirs, terms)
    if places:
        found = [theirs[place] for place in places]
        around = spoken.sentences
        kept = {near for one in found for near in _near(around.index(one), len(around))}
        return [around[place] for place in sorted(kept)]
    if speaker is not None or not terms or instructions.about_all(question):
        wanted = [one for one in theirs if actions.possible(one.text, spoken.language)] if speaker else []
        chosen = highlights.choose(wanted or theirs, spoken.topics.weights, min(limit, 120), spoken.quote)
        return chosen or theirs[:1]
    return []


def _best(passages: Sequence[Passage], terms: set[str]) -> list[int]:
    scores = search.Index([passage.text for passage in passages]).scores(terms)
    ranked = sorted(range(len(scores)), key=lambda place: (-scores[place], place))[:_PASSAGES]
    return [place for place in ranked if scores[place] > _WORTH * scores[ranked[0]]]


def _near(place: int, many: int) -> range:
    return range(max(0, place - 1), min(many, place + 2))


def _quoted(spoken: _Known, passages: Sequence[Passage]) -> str:
    """The passages, those that follow each other as one."""
    shown: list[str] = []
    last: Passage | None = None
    order = {passage: place for place, passage in enumerate(spoken.sentences)}
    for passage in passages:
        if last is not None and last.speaker == passage.speaker and order[passage] == order[last] + 1:
            shown[-1] += ("" if words.unspaced(passage.text[0]) else " ") + passage.text
        else:
            shown.append(spoken.quote(passage))
        last = passage
    return "\n".join(shown)


def _named(spoken: Spoken, question: str) -> tuple[str | None, str]:
    """The speaker that a question names, by label or as "speaker 2", and the question without the name."""
    plain = _plain_name(question)
    for speaker in sorted(spoken.speakers, key=len, reverse=True):
        name = re.compile(rf"\b{re.escape(_plain_name(speaker))}\b")
        if name.search(plain):
            return speaker, name.sub(" ", plain)
    numbered = re.search(r"\bspeaker (\d+)\b", plain)
    if numbered and 1 <= int(numbered[1]) <= len(spoken.speakers):
        return spoken.speakers[int(numbered[1]) - 1], plain.replace(numbered[0], " ")
    return None, question


def _plain_name(text: str) -> str:
    return re.sub(r"[\s_]+0*(?=\d)|[\s_]+", " ", words.fold(text))
