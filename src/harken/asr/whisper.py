# SPDX-License-Identifier: Apache-2.0
"""Whisper as a recogniser: windows in, text with times out.

Greedy first, a beam where greedy is not sure, further searches where the beam failed; a second pass over speech that
got no text. Knows no files and no jobs, and none of CTranslate2's types.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path

from harken.asr import quality
from harken.asr.alignment import group, settle
from harken.asr.decoding import Decoder, Encoded, Search
from harken.asr.engine import Context, Samples, WindowAudio, heard_seconds
from harken.asr.languages import LANGUAGES
from harken.asr.quality import Hypothesis
from harken.asr.timestamps import pieces
from harken.asr.tokens import WhisperTokens
from harken.errors import InvalidOption
from harken.model import SAMPLE_RATE, Dropped, Options, Segment, Window, WindowResult, Word

BEAM = Search(beam_size=5)
"""Where greedy is not sure."""

FALLBACKS = (
    Search(beam_size=10, patience=2.0),
    *(Search(temperature=step / 10, candidates=5) for step in (2, 4, 6, 8, 10)),
)
"""One after the other, while the text is still not to be believed."""

SURE = -0.25
"""Mean log-probability over which a greedy text is kept without a beam."""

SHORTEST_TAIL = 1.0
"""Seconds of speech without text, after the last text, that are worth another pass."""

PASSES = 3
"""Times that a window is listened to at most, each over what the one before left out."""

PROMPT_TOKENS = 223
"""Tokens of earlier text, prompt and vocabulary at most: half of the decoder's positions, less one."""


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

    def __init__(self, folder: Path, *, device: str = "auto", compute_type: str = "default", threads: int = 1) -> None:
        self.name = f"whisper {folder.name}"
        self._tokens = WhisperTokens(folder)
        self._decoder = Decoder(folder, device=device, compute_type=compute_type, threads=threads)

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
                segments=tuple(heard[index].segments),
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
            for clip, (language, probability) in zip(clips, self._languages(encoded, options, context), strict=True):
                heard[clip.index] = _Heard(language, probability)
        prompts = [self._prompt(heard[clip.index].language, options, context) for clip in clips]
        found = self._search(encoded, prompts, options)
        texts: list[list[Segment]] = []
        for clip, hypothesis in zip(clips, found, strict=True):
            segments, dropped = self._read(clip, hypothesis, heard[clip.index].language)
            heard[clip.index].dropped += dropped
            texts.append(segments)
        if options.word_timestamps:
            self._time_words(encoded, clips, texts, options)
        left = []
        for clip, segments in zip(clips, texts, strict=True):
            heard[clip.index].segments += segments
            tail = self._tail(clip, segments) if segments and not options.without_timestamps else None
            if tail is not None:
                left.append(tail)
        return left

    def _languages(self, encoded: Encoded, options: Options, context: Context) -> list[tuple[str, float | None]]:
        count = encoded.view.shape[0]
        if not self._decoder.multilingual:
            return [("en", None)] * count
        if options.language is not None:
            return [(options.language, None)] * count
        return [next(iter(row.items())) for row in self._decoder.languages(encoded)]

    def _prompt(self, language: str, options: Options, context: Context) -> list[int]:
        before: list[int] = []
        if options.vocabulary:
            before += self._tokens.encode(" " + ", ".join(options.vocabulary))[:PROMPT_TOKENS]
        said = " ".join(part for part in (options.prompt, context.text) if part)
        if said and len(before) < PROMPT_TOKENS:
            before += self._tokens.encode(" " + said.strip())[-(PROMPT_TOKENS - len(before)) :]
        prompt = [self._tokens.previous, *before] if before else []
        prompt += self._tokens.start_sequence(language if self._decoder.multilingual else None, options.task)
        return [*prompt, self._tokens.no_timestamps] if options.without_timestamps else prompt

    def _search(self, encoded: Encoded, prompts: list[list[int]], options: Options) -> list[Hypothesis]:
        """Greedy for all, then wider where it is not to be believed."""
        if options.temperature:
            search = Search(temperature=options.temperature, candidates=options.best_of or 5)
            return self._decoder.search(encoded, prompts, search, 1.0)
        first = Search(beam_size=options.beam_size or 1)
        found = self._decoder.search(encoded, prompts, first, 1.0)
        if options.beam_size is None and options.mode == "default":
            unsure = [row for row, item in enumerate(found) if item.avg_logprob < SURE]
            self._again(encoded, prompts, found, unsure, BEAM)
        if options.temperature is None:
            for search in FALLBACKS:
                failed = [row for row, item in enumerate(found) if quality.failed(item, self._text(item))]
                self._again(encoded, prompts, found, failed, search)
        return found

    def _again(
        self,
        encoded: Encoded,
        prompts: list[list[int]],
        found: list[Hypothesis],
        rows: list[int],
        search: Search,
    ) -> None:
        if not rows:
            return
        better = self._decoder.search(encoded.rows(rows), [prompts[row] for row in rows], search, 1.0)
        for row, item in zip(rows, better, strict=True):
            found[row] = quality.better((found[row], self._text(found[row])), (item, self._text(item)))[0]

    def _text(self, hypothesis: Hypothesis) -> str:
        return self._tokens.decode(hypothesis.tokens).strip()

    def _read(self, clip: _Clip, hypothesis: Hypothesis, language: str) -> tuple[list[Segment], list[Dropped]]:
        window = clip.window
        ratio = quality.compression_ratio(self._text(hypothesis))
        reason = quality.drop_reason(hypothesis)
        segments: list[Segment] = []
        dropped: list[Dropped] = []
        for piece in pieces(hypothesis.tokens, self._tokens, window.duration):
            text = self._tokens.decode(piece.tokens)
            if not text.strip():
                continue
            start, end = round(window.start + piece.start, 3), round(window.start + piece.end, 3)
            if reason is not None:
                dropped.append(Dropped(start, end, text, reason, hypothesis.avg_logprob, hypothesis.no_speech_prob))
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
        return segments, dropped

    def _tail(self, clip: _Clip, segments: list[Segment]) -> _Clip | None:
        window = clip.window
        covered = segments[-1].end
        rest = tuple((max(start, covered), end) for start, end in window.speech if end > covered)
        if sum(end - start for start, end in rest) < SHORTEST_TAIL:
            return None
        start = max(covered, rest[0][0] - 0.2)
        cut = round((start - window.start) * SAMPLE_RATE)
        return _Clip(clip.index, Window(start, window.end, rest, window.channel), clip.samples[cut:])

    def _time_words(self, encoded: Encoded, clips: list[_Clip], texts: list[list[Segment]], options: Options) -> None:
        """Put words into the segments of each clip, and fit the segments' times to them."""
        by_language: dict[str, list[int]] = defaultdict(list)
        for row, segments in enumerate(texts):
            if segments:
                by_language[segments[0].language or "en"].append(row)
        for language, rows in by_language.items():
            aligned = self._decoder.align(
                encoded.rows(rows),
                self._tokens.start_sequence(language if self._decoder.multilingual else None, options.task),
                [[token for segment in texts[row] for token in segment.tokens] for row in rows],
                [clips[row].window.duration for row in rows],
            )
            for row, alignment in zip(rows, aligned, strict=True):
                window = clips[row].window
                grouped = [self._tokens.words(segment.tokens, language) for segment in texts[row]]
                words = settle(
                    group(chain.from_iterable(grouped), alignment.starts, alignment.probabilities, window.start),
                    window.speech,
                    window.start,
                    window.end,
                )
                remaining = iter(words)
                texts[row] = [
                    _with_words(segment, tuple(islice(remaining, len(own))))
                    for segment, own in zip(texts[row], grouped, strict=True)
                ]


def _with_words(segment: Segment, words: tuple[Word, ...]) -> Segment:
    return replace(segment, words=words, start=words[0].start, end=words[-1].end) if words else segment
