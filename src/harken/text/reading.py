# SPDX-License-Identifier: Apache-2.0
"""How a recording of any length is read by a language model that reads only so much at once.

What fits is read as it is. What does not is split at turns, each part is noted, and the notes are read in place of the
parts; notes that are still too long are noted again. A question is answered from the passages that it needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harken.errors import TextTooLong
from harken.text import highlights, search, sentences, topics, words
from harken.text.prompts import OVERHEAD, Item, Prompter, cost, defuse, items_of
from harken.text.provider import Watch
from harken.text.spoken import Spoken
from harken.text.structured import Asker

_PART = 0.6
"""Share of the context that a part of a long recording takes."""
_NOTES = 0.15
"""Share of the context that the notes of a part take at most."""
_NOTE = 40
"""Tokens of a note in JSON, with what it rests on."""
_ROUNDS = 4
"""Times that notes are noted again; each makes them several times shorter."""
_LEAST = 64
"""Tokens that notes may have in any case."""
_CITED = 12
"""Segments that a note is taken to rest on."""
_AROUND = 2
"""Lines before and after one that answers a question."""


def condensed(
    spoken: Spoken, purpose: str, prompter: Prompter, asker: Asker, context: int, answer: int, watch: Watch
) -> list[Item]:
    """What a model with ``context`` tokens is to read, so that ``answer`` tokens are left for what it writes."""
    items = items_of(spoken.lines, timed=spoken.timed)
    own = OVERHEAD + words.tokens(purpose)
    longest = min(context - own - int(_NOTES * context), int(_PART * context))
    for round_ in range(_ROUNDS):
        if cost(items) <= context - own - answer:
            return items
        if longest < 1:
            break
        parts = list(split(items, longest))
        items = []
        for place, part in enumerate(parts):
            items += _noted(part, purpose, prompter, asker, int(_NOTES * context))
            if round_ == 0:
                watch.progress((place + 1) / len(parts))
    raise TextTooLong("the recording is too long for what the language model reads at once, also as notes")


def _noted(part: Sequence[Item], purpose: str, prompter: Prompter, asker: Asker, limit: int) -> list[Item]:
    """The notes of a part: a third of its tokens at most, so that noting again comes to an end."""
    limit = max(_LEAST, min(limit, cost(part) // 3))
    notes = asker.points(prompter.notes(part, purpose, max(1, limit // _NOTE)), limit)
    known = {number for item in part for number in item.numbers}
    items: list[Item] = []
    for point in notes.points:
        numbers = _some(point.segments, known) or part[0].numbers[:1]
        # Somebody in the recording may have told the model what to note: it is no more ours than speech is.
        text = sentences.cut(defuse(point.text), max(1, int(limit / words.TOKENS_PER_WORD)))
        items.append(Item(numbers[:_CITED], text))
        if cost(items) > limit and len(items) > 1:
            items.pop()
            break
    return items


def split(items: Sequence[Item], limit: int) -> Iterator[list[Item]]:
    """Parts of at most ``limit`` tokens, cut where the speaker changes as long as that leaves no part half empty."""
    part: list[Item] = []
    for item in _short(items, limit):
        if part and cost([*part, item]) > limit:
            keep = _turn(part)
            yield part[:keep]
            part = part[keep:]
        part.append(item)
    if part:
        yield part


def _turn(part: Sequence[Item]) -> int:
    """Where the last turn of the second half begins; the end where there is none."""
    for place in range(len(part) - 1, len(part) // 2, -1):
        if part[place].speaker != part[place - 1].speaker:
            return place
    return len(part)


def _short(items: Sequence[Item], limit: int) -> Iterator[Item]:
    """The items, those too long for half a part in pieces."""
    for item in items:
        rest = item.text
        while cost([Item(item.numbers, rest)]) > max(1, limit // 2):
            room = max(1, int(limit / 3 / words.TOKENS_PER_WORD))
            head = sentences.cut(rest, room).removesuffix("\u2026").rstrip()
            if not head or not rest.startswith(head) or len(head) == len(rest):
                head = rest[: max(1, limit)]
            yield Item(item.numbers, head, item.speaker, item.start)
            rest = rest[len(head) :].lstrip()
        yield Item(item.numbers, rest, item.speaker, item.start)


def passages(spoken: Spoken, questions: Sequence[str], room: int) -> list[Item]:
    """What the last question needs, in at most ``room`` tokens: everything, or the lines that it and their neighbours.

    Where nothing is like the question, lines from the whole recording.
    """
    items = items_of(spoken.lines, timed=spoken.timed)
    if cost(items) <= room:
        return items
    scores = _scores(spoken, questions)
    chosen: set[int] = set()
    left = room
    for place in sorted(range(len(items)), key=lambda place: (-scores[place], place)):
        if scores[place] <= 0:
            break
        near = set(range(max(0, place - _AROUND), min(len(items), place + _AROUND + 1))) - chosen
        price = cost([items[one] for one in sorted(near)]) + 10
        if price <= left:
            chosen |= near
            left -= price
    if not chosen:
        weights = topics.find([one.text for one in spoken.sentences], spoken.language, spoken.speakers).weights
        best = highlights.choose(
            spoken.sentences,
            weights,
            int(room / words.TOKENS_PER_WORD / 2),
            lambda one: f"{spoken.head(one)} {one.text}",
        )
        lines = {line.index + 1 for one in best for line in one.lines}
        chosen = {place for place, item in enumerate(items) if item.numbers[0] in lines}
    found = [items[place] for place in sorted(chosen)]
    while found and cost(found) > room:
        found.pop()
    return found


def _scores(spoken: Spoken, questions: Sequence[str]) -> list[float]:
    index = search.Index([f"{line.speaker or ''} {line.text}" for line in spoken.lines])
    for question in reversed(questions):
        scores = index.scores(search.query_terms(question, spoken.language))
        if any(scores):
            return scores
    return [0.0] * len(spoken.lines)


def _some(numbers: Sequence[int], known: set[int]) -> tuple[int, ...]:
    return tuple(number for number in numbers if number in known)
