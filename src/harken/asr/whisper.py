# SPDX-License-Identifier: Apache-2.0
"""Whisper as a recogniser: windows in, text with times out.

Greedy first, a beam where greedy is not sure, further searches where the beam failed; a second pass over speech that
got no text. Knows no files and no jobs, and none of CTranslate2's types.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path

from harken.asr import quality
from harken.asr.alignment import group, settle
from harken.asr.coverage import NEAR, uncovered
from harken.asr.decoding import Decoder, Encoded
from harken.asr.detection import among, candidates, weigh
from harken.asr.engine import Context, Samples, WindowAudio, heard_seconds, language_shares
from harken.asr.hotwords import HotWords
from harken.asr.languages import LANGUAGES
from harken.asr.quality import Reading
from harken.asr.searching import Clip, Searcher
from harken.asr.timestamps import pieces
from harken.asr.tokens import WhisperTokens
from harken.errors import InvalidOption
from harken.model import SAMPLE_RATE, Dropped, DropReason, Options, Segment, Window, WindowResult, Word

PASSES = 3
"""Times that a window is listened to at most, each over what the one before left out."""

PROMPT_TOKENS = 223
"""Tokens of earlier text and prompt at most: half of the decoder's positions, less one."""


@dataclass(slots=True)
class _Clip:
    """A window, or what an earlier pass over it left out."""

    index: int
    window: Window
    samples: Samples


@dataclass(slots=True)
class _Heard:
    """What has been made of one window so far."""

    language: str
    language_probability: float | None
    segments: list[Segment] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)


class WhisperRecognizer:
    """A Whisper model converted for CTranslate2."""

    def __init__(
        self, folder: Path, *, device: str, compute_type: str, threads: int, on_step: Callable[[], None]
    ) -> None:
        """The arguments are those of :func:`harken.asr.engine.load`."""
        self.name = f"whisper {folder.name}"
        self._tokens = WhisperTokens(folder)
        self._decoder = Decoder(folder, device=device, compute_type=compute_type, threads=threads, on_step=on_step)
        self._searcher = Searcher(self._decoder, self._tokens)
        self._hot_words = HotWords(self._decoder, self._tokens)

    def close(self) -> None:
        """Free the weights."""
        self._decoder.close()

    def recognise(self, windows: Sequence[WindowAudio], options: Options, context: Context) -> list[WindowResult]:
        """See :meth:`harken.asr.engine.Recognizer.recognise`."""
        self._check(options)
        heard: dict[int, _Heard] = {}
        clips = [_Clip(index, item.window, item.samples) for index, item in enumerate(windows)]
        for turn in range(PASSES):
            by_length: dict[float, list[_Clip]] = defaultdict(list)
            for clip in clips:
                by_length[heard_seconds(clip.window)].append(clip)
            clips = []
            for seconds, equal in by_length.items():
                clips += self._listen(equal, seconds, options, context, heard, again=turn > 0)
            if not clips:
                break
        return [
            WindowResult(
                window=item.window,
                segments=tuple(sorted(heard[index].segments, key=lambda segment: segment.start)),
                dropped=tuple(heard[index].dropped),
                language=heard[index].language,
                language_probability=heard[index].language_probability,
            )
            for index, item in enumerate(windows)
        ]

    def _check(self, options: Options) -> None:
        if self._decoder.multilingual:
            if options.language is not None and not self._tokens.knows(options.language):
                name = LANGUAGES.get(options.language, options.language)
                raise InvalidOption(f"{self.name} does not know {name}; choose another model", param="language")
            return
        if options.task == "translate":
            raise InvalidOption(f"{self.name} is English-only and cannot translate; drop .en", param="task")
        if options.language not in {None, "en"}:
            raise InvalidOption(f"{self.name} knows English only; drop .en from the model", param="language")

    def _listen(
        self,
        clips: list[_Clip],
        seconds: float,
        options: Options,
        context: Context,
        heard: dict[int, _Heard],
        *,
        again: bool,
    ) -> list[_Clip]:
        """One pass over clips of one heard length. Returns what is worth another pass."""
        encoded = self._decoder.encode([clip.samples for clip in clips], seconds)
        if not again:
            for clip, (language, probability) in zip(
                clips, self._languages(encoded, clips, options, context), strict=True
            ):
                heard[clip.index] = _Heard(language, probability)
        searched = [self._clip(clip, heard[clip.index].language, options, context) for clip in clips]
        found = self._searcher.search(encoded, searched, options)
        if options.vocabulary:
            for row, clip in enumerate(clips):
                language = heard[clip.index].language
                found[row] = self._hot_words.weigh(
                    encoded,
                    row,
                    found[row],
                    self._start(language, options),
                    language,
                    clip.window.duration,
                    options.vocabulary,
                )
        texts: list[list[Segment]] = []
        for clip, reading in zip(clips, found, strict=True):
            result = heard[clip.index]
            segments, dropped = self._segments(clip, reading, result.language)
            if again:
                segments = _news(segments, result.segments)
            result.dropped += dropped
            texts.append(segments)
        if options.timed_words:
            self._time_words(encoded, clips, texts, options)
        left: list[_Clip] = []
        for clip, reading, segments in zip(clips, found, texts, strict=True):
            heard[clip.index].segments += segments
            if segments and not options.without_timestamps:
                left += _left(clip, segments, goes_on=reading.unfinished)
        return left

    def _languages(
        self, encoded: Encoded, clips: Sequence[_Clip], options: Options, context: Context
    ) -> list[tuple[str, float | None]]:
        if not self._decoder.multilingual:
            return [("en", None)] * len(encoded)
        if options.language is not None:
            return [(options.language, None)] * len(encoded)
        shares = language_shares(context)
        chosen: list[tuple[str, float | None]] = []
        for row, probabilities in enumerate(self._decoder.languages(encoded)):
            weighed = weigh(among(probabilities, options.languages), shares)
            tried = candidates(weighed)
            if len(tried) > 1:
                trials = [self._clip(clips[row], code, options, context) for code in tried]
                tried = [tried[self._searcher.best_of(encoded, row, trials)]]
            chosen.append((tried[0], round(weighed[tried[0]], 3)))
        return chosen

    def _clip(self, clip: _Clip, language: str, options: Options, context: Context) -> Clip:
        window = clip.window
        spoken = (window.speech[-1][1] if window.speech else window.end) - window.start
        return Clip(clip.samples, self._prompt(language, options, context), language, spoken)

    def _prompt(self, language: str, options: Options, context: Context) -> list[int]:
        said = " ".join(part.strip() for part in (options.prompt, context.text) if part)
        prompt = [self._tokens.previous, *self._tokens.encode(" " + said)[-PROMPT_TOKENS:]] if said else []
        prompt += self._start(language, options)
        return [*prompt, self._tokens.no_timestamps] if options.without_timestamps else prompt

    def _start(self, language: str, options: Options) -> list[int]:
        return self._tokens.start_sequence(language if self._decoder.multilingual else None, options.task)

    def _segments(self, clip: _Clip, reading: Reading, language: str) -> tuple[list[Segment], list[Dropped]]:
        """A clip's text as segments with times in the recording, and what of it is not believed."""
        window, hypothesis = clip.window, reading.hypothesis
        reason = quality.drop_reason(reading)
        tokens = hypothesis.tokens
        kept = quality.keep_rounds(tokens) if reading.repetitive else len(tokens)
        ratio = quality.compression_ratio(reading.text)
        spoken_end = window.speech[-1][1] - window.start if window.speech else window.duration
        segments: list[Segment] = []
        dropped: list[Dropped] = []
        for piece in pieces(tokens[:kept], self._tokens, window.duration):
            text = self._tokens.decode(piece.tokens)
            end = piece.end if piece.closed else max(min(piece.end, spoken_end), piece.start)
            start, end = round(window.start + piece.start, 3), round(window.start + end, 3)
            why = reason or _misplaced(start, end, window)
            if not text.strip():
                continue
            if why is not None:
                dropped.append(Dropped(start, end, text, why, hypothesis.avg_logprob, hypothesis.no_speech_prob))
                continue
            segments.append(
                Segment(
                    start=start,
                    end=end,
                    text=text,
                    tokens=piece.tokens,
                    avg_logprob=hypothesis.avg_logprob,
                    no_speech_prob=hypothesis.no_speech_prob,
                    compression_ratio=ratio,
                    temperature=hypothesis.temperature,
                    language=language,
                    channel=window.channel,
                )
            )
        if loop := self._tokens.decode(tokens[kept:]).strip():
            start = segments[-1].end if segments else window.start
            dropped.append(
                Dropped(
                    start,
                    window.end,
                    loop,
                    reason or DropReason.REPETITION,
                    hypothesis.avg_logprob,
                    hypothesis.no_speech_prob,
                )
            )
        return segments, dropped

    def _time_words(self, encoded: Encoded, clips: list[_Clip], texts: list[list[Segment]], options: Options) -> None:
        """Put words into the segments of each clip, and fit the segments' times to them."""
        for row, (clip, segments) in enumerate(zip(clips, texts, strict=True)):
            if not segments:
                continue
            window, language = clip.window, segments[0].language or "en"
            alignment = self._decoder.align(
                encoded,
                row,
                self._start(language, options),
                [token for segment in segments for token in segment.tokens],
                window.duration,
            )
            grouped = [self._tokens.words(segment.tokens, language) for segment in segments]
            timed = group(chain.from_iterable(grouped), alignment.starts, alignment.probabilities, window.start)
            remaining = iter(settle(timed, window.speech, window.start, window.end))
            texts[row] = [
                _with_words(segment, tuple(islice(remaining, len(own))))
                for segment, own in zip(segments, grouped, strict=True)
            ]


def _with_words(segment: Segment, words: tuple[Word, ...]) -> Segment:
    return replace(segment, words=words, start=words[0].start, end=words[-1].end) if words else segment


def _misplaced(start: float, end: float, window: Window) -> DropReason | None:
    """Why text at these times cannot have been said there."""
    if end <= start:
        return DropReason.REPETITION
    if window.speech and not any(low < end + NEAR and high > start - NEAR for low, high in window.speech):
        return DropReason.NO_SPEECH
    return None


def _left(clip: _Clip, segments: Sequence[Segment], *, goes_on: bool) -> list[_Clip]:
    """The speech of a clip that got no text, as clips of their own."""
    window = clip.window
    rest = uncovered(window.speech, [(segment.start, segment.end) for segment in segments], goes_on=goes_on)
    clips = []
    for low, high in rest:
        start, end = max(window.start, low - NEAR), min(window.end, high + NEAR)
        speech = tuple(
            (max(first, low), min(last, high)) for first, last in window.speech if first < high and last > low
        )
        first, last = (round((time - window.start) * SAMPLE_RATE) for time in (start, end))
        clips.append(_Clip(clip.index, Window(start, end, speech, window.channel), clip.samples[first:last]))
    return clips


def _news(segments: list[Segment], known: Sequence[Segment]) -> list[Segment]:
    """What a second pass found that the text around it does not say already."""
    if not segments:
        return []
    before = " ".join(segment.text for segment in known if segment.start < segments[0].start)
    after = " ".join(segment.text for segment in known if segment.start >= segments[0].start)
    return [segment for segment in segments if not quality.repeats(segment.text, before, after)]
