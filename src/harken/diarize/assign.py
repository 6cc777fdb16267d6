# SPDX-License-Identifier: Apache-2.0
"""Which words are whose: turns put to words, and segments cut where another speaker takes over.

Pure functions of plain values. Knows no sound and no recogniser; word times come from whoever made the transcript.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from typing import NamedTuple

from harken.model import Diarization, Segment, Speaker, Transcript, Turn, Word

INSIDE, CLAUSE, SENTENCE = 0.5, 0.2, 0.05
"""Seconds of speech that must speak for another speaker before a change is believed: within a phrase, where a clause
or a segment ends, and where a sentence ends. The edges of turns are some tenths of a second off, so a lone word that
sticks out of its sentence is the edge's error more often than another speaker."""

BREATH, PAUSE = 0.25, 0.6
"""Seconds of silence between words that count as the end of a clause, and of a sentence."""

NEAR = 1.0
"""Seconds: of turns farther than this from a word none is nearer than another."""
NEARNESS = 0.1
"""Seconds of speech that being so far away counts for."""

LONGEST, PER_CHARACTER = 0.5, 0.08
"""Seconds that a word lasts at most, and more for each of its characters; what is longer was stretched over a pause."""

DOUBT = 0.3
"""Weight of a turn whose speaker is quite unsure, where a sure one's is 1."""

JOINED = 0.5
"""Seconds of pause between a channel's words that are still one turn."""

_SENTENCE_ENDS = frozenset(".?!…。！？．｡؟۔।॥።")  # noqa: RUF001 - signs of many scripts look alike
_CLAUSE_ENDS = frozenset(",;:、，；：،؛–—")  # noqa: RUF001
_CLOSERS = "\"')]}»”’›」』）】 "  # noqa: RUF001


def assign(transcript: Transcript, diarization: Diarization) -> Transcript:
    """The transcript with a speaker for every word and segment, and with the turns and speakers themselves.

    A word is its speaker's who speaks during most of it, else the nearest one's; a change of speaker inside a sentence
    needs more to speak for it than one where a sentence ends. A segment in which the speaker changes is cut there, at
    the words' times, and its pieces keep all it has but the token ids, which no word tells apart. The text of the
    transcript stays as it is. Without word times a segment is its speaker's who speaks during most of it.

    With one speaker there is nothing to be unsure of: all is his, without confidences. Without speakers nothing
    changes, but that speakers put there before are taken away.
    """
    if not diarization.speakers:
        return replace(transcript, segments=tuple(map(_bare, transcript.segments)), turns=(), speakers=())
    if len(diarization.speakers) == 1:
        segments = [_owned(segment, diarization.speakers[0].id) for segment in transcript.segments]
    else:
        segments = _told_apart(transcript.segments, diarization)
    return replace(transcript, segments=tuple(segments), turns=diarization.turns, speakers=diarization.speakers)


def by_channel(transcript: Transcript) -> Transcript:
    """A transcript whose channels were recognised one by one, each channel with words in it as a speaker.

    Channel 0 is ``SPEAKER_00`` whether others have words or not. Nothing was compared, so there are no confidences
    and no centroids. Segments that tell no channel are left alone.
    """
    channels = sorted({item.channel for item in transcript.segments if item.channel is not None and item.text.strip()})
    turns = {channel: list(_channel_turns(transcript.segments, channel)) for channel in channels}
    return replace(
        transcript,
        segments=tuple(
            segment if segment.channel is None else _owned(segment, _channel_id(segment.channel))
            for segment in transcript.segments
        ),
        turns=tuple(sorted((turn for own in turns.values() for turn in own), key=lambda turn: (turn.start, turn.end))),
        speakers=tuple(
            Speaker(_channel_id(channel), round(sum(turn.end - turn.start for turn in own), 3))
            for channel, own in turns.items()
        ),
    )


class _Fit(NamedTuple):
    """How a stretch of time lies to one speaker's turns."""

    covered: float
    """Seconds of it in which the speaker speaks."""
    away: float
    """Seconds to the nearest turn; 0 inside one."""
    confidence: float
    """Of the turn that covers most of it, or of the nearest."""


@dataclass(frozen=True, slots=True)
class _Line:
    """One speaker's turns in order, none overlapping another."""

    starts: list[float]
    ends: list[float]
    confidences: list[float]

    def fit(self, start: float, end: float) -> _Fit:
        at = bisect_right(self.ends, start)
        covered = most = 0.0
        confidence = 1.0
        index = at
        while index < len(self.starts) and self.starts[index] < end:
            seconds = min(end, self.ends[index]) - max(start, self.starts[index])
            covered += seconds
            if seconds > most:
                most, confidence = seconds, self.confidences[index]
            index += 1
        if covered > 0:
            return _Fit(covered, 0.0, confidence)
        sides = [(start - self.ends[at - 1], at - 1)] if at else []
        sides += [(self.starts[at] - end, at)] if at < len(self.starts) else []
        if not sides:
            return _Fit(0.0, NEAR, 1.0)
        away, nearest = min(sides)
        return _Fit(0.0, max(0.0, away), self.confidences[nearest])


def _line(turns: Iterable[Turn]) -> _Line:
    line = _Line([], [], [])
    for turn in sorted(turns, key=lambda turn: turn.start):
        confidence = 1.0 if turn.confidence is None else turn.confidence
        if line.ends and turn.start <= line.ends[-1]:
            line.ends[-1] = max(line.ends[-1], turn.end)
            line.confidences[-1] = min(line.confidences[-1], confidence)
        else:
            line.starts.append(turn.start)
            line.ends.append(turn.end)
            line.confidences.append(confidence)
    return line


def _told_apart(segments: Sequence[Segment], diarization: Diarization) -> list[Segment]:
    ids = [speaker.id for speaker in diarization.speakers]
    lines = [_line(turn for turn in diarization.turns if turn.speaker == name) for name in ids]
    words = [word for segment in segments for word in segment.words]
    fits = [[line.fit(*_capped(word)) for line in lines] for word in words]
    first = set(_first_words(segments))
    doors = [_door(words[index - 1], word, index in first) if index else 0.0 for index, word in enumerate(words)]
    owners = _cheapest([_costs(word, row) for word, row in zip(words, fits, strict=True)], doors)
    labelled = iter(
        replace(word, speaker=ids[owner], speaker_confidence=_confidence(row, owner))
        for word, row, owner in zip(words, fits, owners, strict=True)
    )
    found: list[Segment] = []
    for segment in segments:
        if segment.words:
            own = tuple(next(labelled) for _ in segment.words)
            found.extend(_pieces(replace(segment, words=own)))
        else:
            row = [line.fit(segment.start, segment.end) for line in lines]
            owner = min(range(len(row)), key=lambda index: (-row[index].covered, row[index].away))
            found.append(replace(segment, speaker=ids[owner], speaker_confidence=_confidence(row, owner)))
    return found


def _first_words(segments: Iterable[Segment]) -> Iterator[int]:
    """The places, among all words, of those that begin a segment."""
    place = 0
    for segment in segments:
        yield place
        place += len(segment.words)


def _capped(word: Word) -> tuple[float, float]:
    """A word's time without the pause that it was stretched over: that behind it, the usual one."""
    return word.start, min(word.end, word.start + LONGEST + PER_CHARACTER * len(word.text.strip()))


def _costs(word: Word, row: Sequence[_Fit]) -> list[float]:
    """Seconds of the word that speak against each speaker."""
    start, end = _capped(word)
    sure = max(row, key=lambda fit: (fit.covered, -fit.away)).confidence
    weight = DOUBT + (1 - DOUBT) * sure
    return [weight * (end - start - fit.covered + NEARNESS * min(1.0, fit.away / NEAR)) for fit in row]


def _door(before: Word, after: Word, segment_begins: bool) -> float:
    """What a change of speaker between two words costs, in seconds of speech."""
    last = before.text.rstrip(_CLOSERS)[-1:]
    pause = after.start - _capped(before)[1]
    if last in _SENTENCE_ENDS or pause >= PAUSE:
        return SENTENCE
    if last in _CLAUSE_ENDS or pause >= BREATH or segment_begins:
        return CLAUSE
    return INSIDE


def _cheapest(costs: Sequence[Sequence[float]], doors: Sequence[float]) -> list[int]:
    """The speaker of every word on the cheapest path through all words (Viterbi)."""
    if not costs:
        return []
    totals = list(costs[0])
    origins: list[list[int]] = []
    for row, door in zip(costs[1:], doors[1:], strict=True):
        best = min(range(len(totals)), key=totals.__getitem__)
        change = totals[best] + door
        origin = [best if change < total else index for index, total in enumerate(totals)]
        totals = [min(change, total) + cost for total, cost in zip(totals, row, strict=True)]
        origins.append(origin)
    path = [min(range(len(totals)), key=totals.__getitem__)]
    for origin in reversed(origins):
        path.append(origin[path[-1]])
    return path[::-1]


def _confidence(row: Sequence[_Fit], owner: int) -> float:
    """The turn's confidence times how clearly the turn is this one and no other's."""
    own = row[owner]
    others = max((fit.covered for index, fit in enumerate(row) if index != owner), default=0.0)
    clear = 0.5 if own.covered == others else own.covered / (own.covered + others)
    return round(own.confidence * clear, 3)


def _pieces(segment: Segment) -> Iterator[Segment]:
    """The segment cut where its words' speaker changes; whole where its words do not make up its text."""
    runs = [tuple(run) for _, run in groupby(segment.words, key=lambda word: word.speaker)]
    texts = _texts(segment.text, runs)
    if len(runs) == 1 or texts is None:
        yield _spoken(segment)
        return
    for index, (run, text) in enumerate(zip(runs, texts, strict=True)):
        start = segment.start if index == 0 else run[0].start
        end = segment.end if index == len(runs) - 1 else run[-1].end
        yield _spoken(replace(segment, start=start, end=max(start, end), text=text, words=run, tokens=()))


def _texts(text: str, runs: Sequence[Sequence[Word]]) -> list[str] | None:
    """The text cut where the runs of words end in it; None where the words are not found in it one after another."""
    cuts = [0]
    place = 0
    for run in runs:
        for word in run:
            bare = word.text.strip()
            place += len(text[place:]) - len(text[place:].lstrip())
            if not text.startswith(bare, place):
                return None
            place += len(bare)
        cuts.append(place)
    cuts[-1] = len(text)
    return [text[begin:end] for begin, end in pairwise(cuts)]


def _spoken(segment: Segment) -> Segment:
    """The segment as that speaker's who has most of its speech, as sure as his words are on the whole."""
    seconds: dict[str | None, float] = {}
    for word in segment.words:
        seconds[word.speaker] = seconds.get(word.speaker, 0.0) + max(word.end - word.start, 1e-3)
    speaker = max(seconds, key=seconds.__getitem__)
    sure = sum(
        max(word.end - word.start, 1e-3) * (word.speaker_confidence or 0.0)
        for word in segment.words
        if word.speaker == speaker
    )
    return replace(segment, speaker=speaker, speaker_confidence=round(sure / sum(seconds.values()), 3))


def _owned(segment: Segment, speaker: str) -> Segment:
    words = tuple(replace(word, speaker=speaker, speaker_confidence=None) for word in segment.words)
    return replace(segment, words=words, speaker=speaker, speaker_confidence=None)


def _bare(segment: Segment) -> Segment:
    words = tuple(replace(word, speaker=None, speaker_confidence=None) for word in segment.words)
    return replace(segment, words=words, speaker=None, speaker_confidence=None)


def _channel_id(channel: int) -> str:
    return f"SPEAKER_{channel:02d}"


def _channel_turns(segments: Iterable[Segment], channel: int) -> Iterator[Turn]:
    """When one channel speaks: its words, or segments where there are none, with short pauses closed."""
    spans = [
        span
        for segment in segments
        if segment.channel == channel and segment.text.strip()
        for span in ([_capped(word) for word in segment.words] or [(segment.start, segment.end)])
    ]
    begin = stop = None
    for start, end in sorted(spans):
        if begin is None or stop is None:
            begin, stop = start, end
        elif start - stop > JOINED:
            yield Turn(begin, stop, _channel_id(channel))
            begin, stop = start, end
        else:
            stop = max(stop, end)
    if begin is not None and stop is not None:
        yield Turn(begin, stop, _channel_id(channel))
