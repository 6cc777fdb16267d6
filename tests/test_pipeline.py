# SPDX-License-Identifier: Apache-2.0
"""The stages together: chapters that can be done again, options that are checked, results that become a transcript."""

from __future__ import annotations

import io
import json
import math
import struct
import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harken import pipeline
from harken.asr.engine import WindowAudio
from harken.asr.windows import WindowParams
from harken.audio.vad import FRAME, SileroDetector, SpeechDetector
from harken.errors import AudioTooLong, CorruptMedia, InvalidOption, InvalidRequest, UnknownLanguage, UnknownModel
from harken.model import (
    Coverage,
    Dropped,
    DropReason,
    KnownVoice,
    Options,
    Segment,
    Timing,
    Window,
    WindowResult,
    Word,
    plain,
)
from harken.models.catalog import Catalog
from harken.pipeline import Chapter, Context, Cursor, Planner

Sound = npt.NDArray[np.float32]


class Loudness:
    """A detector that takes whatever is loud for speech."""

    def stream(self) -> Loudness:
        fresh = Loudness()
        fresh.rest = np.zeros(0, np.float32)
        return fresh

    rest: Sound

    def feed(self, samples: Sound, *, last: bool = False) -> Sound:
        heard = np.concatenate((self.rest, samples))
        if last:
            heard = np.concatenate((heard, np.zeros(-len(heard) % FRAME, np.float32)))
        count = len(heard) // FRAME
        self.rest = heard[count * FRAME :]
        frames = heard[: count * FRAME].reshape(count, FRAME)
        return np.asarray(np.abs(frames).mean(axis=1) > 0.05, np.float32)


class HalfSure(Loudness):
    """The same, and never sure."""

    def stream(self) -> HalfSure:
        fresh = HalfSure()
        fresh.rest = np.zeros(0, np.float32)
        return fresh

    def feed(self, samples: Sound, *, last: bool = False) -> Sound:
        return np.float32(0.5) * super().feed(samples, last=last)


class Echo:
    """A recogniser that says where each window begins, and remembers what it was told."""

    name = "echo"

    def __init__(self) -> None:
        self.calls: list[tuple[int, Context]] = []

    def recognise(self, windows: Sequence[WindowAudio], options: Options, context: Context) -> list[WindowResult]:
        self.calls.append((len(windows), context))
        return [
            WindowResult(
                item.window,
                (Segment(item.window.start, item.window.end, f" {item.window.start:.2f}", language="en"),),
                language="en",
                language_probability=None if options.language else 0.9,
            )
            for item in windows
        ]

    def close(self) -> None:
        pass


def wav(rows: Sound, rate: int = 16_000) -> bytes:
    rows = np.atleast_2d(rows)
    data = (rows.T * 32_767).astype("<i2").tobytes()
    layout = struct.pack("<HHIIHH", 1, len(rows), rate, rate * 2 * len(rows), 2 * len(rows), 16)
    body = b"WAVEfmt " + struct.pack("<I", 16) + layout + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def talk(*pieces: tuple[float, float]) -> Sound:
    """Seconds of noise and of silence after it, in turn."""
    rng = np.random.default_rng(11)
    parts = []
    for speech, silence in pieces:
        parts.append(np.clip(0.3 * rng.standard_normal(round(speech * 16_000)), -1, 1).astype(np.float32))
        parts.append(np.zeros(round(silence * 16_000), np.float32))
    return np.concatenate(parts)


def speaker(minutes: float, seed: int = 0) -> Sound:
    rng = np.random.default_rng(seed)
    pieces = [(float(rng.uniform(0.5, 9)), float(rng.uniform(0.15, 1.5))) for _ in range(round(minutes * 11))]
    return talk(*pieces)


def chapters(planner: Planner, width: int = 16) -> list[Chapter]:
    found: list[Chapter] = []
    while not found or not found[-1].done:
        found.append(planner.next(1 if not found else width))
    return found


def plan(sound: Sound, options: Options | None = None, vad: SpeechDetector | None = None) -> list[Chapter]:
    with Planner(io.BytesIO(wav(sound)), options or Options(), vad or Loudness()) as planner:
        return chapters(planner)


def windows(found: Sequence[Chapter]) -> list[Window]:
    return [planned.window for chapter in found for planned in chapter.windows]


def test_windows_have_exactly_their_samples() -> None:
    sound = speaker(3)
    for chapter in plan(sound):
        for planned in chapter.windows:
            start, end = round(planned.window.start * 16_000), round(planned.window.end * 16_000)
            np.testing.assert_allclose(planned.samples, sound[start:end], atol=1 / 16_384)
            assert planned.samples.dtype == np.float32


def test_windows_cover_the_speech_in_order() -> None:
    sound = speaker(4)
    found = windows(plan(sound))
    assert all(window.duration <= 29 for window in found)
    assert all(before.end <= after.start for before, after in pairwise(found))
    loud = np.abs(sound) > 0
    for window in found:
        loud[round(window.start * 16_000) : round(window.end * 16_000)] = False
    assert not loud.any()
    assert all(window.start <= a < b <= window.end for window in found for a, b in window.speech)


def test_detection_is_tuned() -> None:
    sound = talk((0.0, 2.0), (1.0, 0.5), (1.0, 2.0))
    plainly = windows(plan(sound))[0]
    assert len(plainly.speech) == 2
    padded = windows(plan(sound, Options(vad_padding=1.5)))[0]
    assert plainly.start - padded.start == pytest.approx(1.5 - 0.4, abs=0.05)
    assert len(windows(plan(sound, Options(vad_silence=0.8)))[0].speech) == 1
    assert windows(plan(sound, Options(vad_threshold=0.6), HalfSure())) == []
    assert len(windows(plan(sound, Options(vad_threshold=0.5), HalfSure()))) == 1


def test_tuned_chapter_done_again_is_the_same() -> None:
    source = io.BytesIO(wav(speaker(3, 2)))
    options = Options(vad_silence=1.0, vad_padding=2.0)
    with Planner(source, options, Loudness()) as planner:
        first, second = planner.next(1), planner.next(3)
    with Planner(source, options, Loudness(), start=first.position) as planner:
        assert windows([planner.next(3)]) == windows([second])


def test_chapter_done_again_is_the_same() -> None:
    source = io.BytesIO(wav(speaker(8)))
    with Planner(source, Options(), Loudness()) as planner:
        found = chapters(planner, width=4)
    assert len(found) > 4
    start = 0.0
    for number, chapter in enumerate(found):
        with Planner(source, Options(), Loudness(), start=start) as planner:
            again = planner.next(1 if number == 0 else 4)
        assert plain(windows([again])) == plain(windows([chapter]))
        assert (again.position, again.done) == (chapter.position, chapter.done)
        for one, other in zip(again.windows, chapter.windows, strict=True):
            np.testing.assert_array_equal(one.samples, other.samples)
        start = chapter.position


@pytest.mark.parametrize("vad_filter", [True, False])
def test_chapter_of_a_real_recording_done_again_is_the_same(
    two_cities_wav: Path, vad_model: Path, vad_filter: bool
) -> None:
    vad, options = SileroDetector(vad_model), Options(vad_filter=vad_filter)
    with Planner(two_cities_wav, options, vad) as planner:
        first, second = planner.next(1), planner.next(16)
    with Planner(two_cities_wav, options, vad, start=first.position) as planner:
        again = planner.next(16)
    assert plain(windows([again])) == plain(windows([second]))


def test_first_window_of_a_long_recording_is_short_and_a_short_recording_is_one() -> None:
    long = [(2.5, 0.5)] * 40
    assert windows(plan(talk(*long)))[0].duration <= WindowParams().opening
    assert len(windows(plan(talk(*long[:9])))) == 1


def test_silence_gives_no_windows_but_moves_on() -> None:
    found = plan(np.zeros(16_000 * 1_500, np.float32))
    assert windows(found) == []
    assert len(found) >= 2
    assert found[-1].position == found[-1].decoded == 1_500


def test_speech_after_a_long_silence_is_found() -> None:
    found = windows(plan(talk((2, 1_300), (3, 1))))
    assert len(found) == 2
    assert found[1].speech[0][0] == pytest.approx(1_302, abs=0.05)


def test_without_detection_everything_is_in_a_window() -> None:
    found = windows(plan(speaker(2), Options(vad_filter=False)))
    assert found[0].start == 0
    assert all(before.end == after.start for before, after in pairwise(found))
    assert found[-1].end == pytest.approx(len(speaker(2)) / 16_000)
    assert all(window.speech == () for window in found)


def test_only_the_wanted_part_is_planned() -> None:
    sound = speaker(3)
    options = Options(offset=20.5, duration=60.25)
    found = plan(sound, options)
    got = windows(found)
    assert got[0].start >= 20.5
    assert got[-1].end <= 80.75
    assert found[-1].decoded == 80.75
    start, end = round(got[0].start * 16_000), round(got[0].end * 16_000)
    np.testing.assert_allclose(found[0].windows[0].samples, sound[start:end], atol=1 / 16_384)


def test_offset_past_the_end_gives_nothing() -> None:
    found = plan(talk((2, 1)), Options(offset=100))
    assert windows(found) == []
    assert found[-1].decoded == 3


def test_channels_apart_have_their_own_windows() -> None:
    one, other = speaker(2, seed=1), speaker(2, seed=2)
    length = min(len(one), len(other))
    sound = np.stack([one[:length], other[:length]])
    sound[1, : 16_000 * 40] = 0
    found = windows(plan(sound, Options(channels="split")))
    assert [window.start for window in found] == sorted(window.start for window in found)
    for channel in (0, 1):
        mine = [window for window in found if window.channel == channel]
        assert all(before.end <= after.start for before, after in pairwise(mine))
        loud = np.abs(sound[channel]) > 0
        for window in mine:
            loud[round(window.start * 16_000) : round(window.end * 16_000)] = False
        assert not loud.any()
    assert min(window.start for window in found if window.channel == 1) > 39


def test_more_channels_than_can_be_kept_apart_are_refused() -> None:
    with pytest.raises(InvalidOption) as caught:
        plan(np.zeros((20, 16_000), np.float32), Options(channels="split"))
    assert caught.value.param == "channels"


def test_memory_of_planning_does_not_grow_with_the_recording(tmp_path: Path) -> None:
    def peak(minutes: int) -> int:
        path = tmp_path / f"{minutes}.wav"
        path.write_bytes(wav(np.tile(speaker(2)[: 16_000 * 60], minutes)))
        tracemalloc.start()
        with Planner(path, Options(), Loudness()) as planner:
            while not planner.next(2).done:
                pass
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(20) < 1.2 * peak(4)


def test_recording_is_transcribed_in_order_and_the_first_window_comes_alone() -> None:
    echo = Echo()
    told: list[Chapter] = []
    source = io.BytesIO(wav(speaker(6)))
    results = list(pipeline.transcribe(source, Options(), echo, Loudness(), on_chapter=told.append))
    starts = [result.window.start for result in results]
    assert starts == sorted(starts)
    assert [result.window for result in results] == windows(told)
    assert echo.calls[0][0] == 1
    assert max(count for count, _ in echo.calls) > 1
    assert told[-1].done
    assert not source.closed


def test_results_come_as_they_are_made() -> None:
    echo = Echo()
    stream = pipeline.transcribe(io.BytesIO(wav(speaker(6))), Options(), echo, Loudness())
    next(stream)
    assert len(echo.calls) == 1


def test_conditioning_goes_window_by_window_with_what_was_said() -> None:
    echo = Echo()
    options = Options(condition_on_previous_text=True, language="en")
    results = list(pipeline.transcribe(io.BytesIO(wav(speaker(3))), options, echo, Loudness()))
    assert {count for count, _ in echo.calls} == {1}
    assert echo.calls[2][1].text == "".join(result.segments[0].text for result in results[:2])


def test_doubtful_text_is_not_passed_on() -> None:
    options = Options(language="en", condition_on_previous_text=True)
    said = Segment(0, 4, " Well.", temperature=0.4)

    def told(*segments: Segment) -> str:
        result = WindowResult(Window(0, 10), segments, language="en")
        return pipeline.advance(Cursor(context=Context(text=" Before.")), 10, False, [result], options).context.text

    assert told(said) == " Before. Well."
    assert told(said, replace(said, temperature=0.8)) == ""
    assert told(replace(said, compression_ratio=2.5), said) == " Well."


def test_context_holds_only_what_may_be_used() -> None:
    result = WindowResult(Window(0, 10, ((1, 4),)), (Segment(1, 4, " Hallo"),), language="de")
    given, free = Options(language="de"), Options()
    assert pipeline.advance(Cursor(), 10, False, [result], given).context == Context()
    moved = pipeline.advance(Cursor(index=3), 10, False, [result, replace(result, segments=())], free)
    assert moved == Cursor(10, 5, Context(languages=(("de", 3.0),)), done=False)
    spoken = pipeline.advance(moved, 20, True, [result], free.but(condition_on_previous_text=True))
    assert spoken == Cursor(20, 6, Context(languages=(("de", 6.0),), text=" Hallo"), done=True)


@given(
    st.builds(
        Cursor,
        st.floats(0, 1e6),
        st.integers(0, 10**6),
        st.builds(Context, st.lists(st.tuples(st.text(), st.floats(0, 1e6))).map(tuple), st.text()),
        st.booleans(),
    )
)
def test_cursor_survives_as_json(cursor: Cursor) -> None:
    assert pipeline.cursor_from(json.loads(json.dumps(pipeline.cursor_to_dict(cursor)))) == cursor


def test_chapter_limits() -> None:
    assert pipeline.chapter_limit(Cursor(), Options()) == 1
    assert pipeline.chapter_limit(Cursor(index=1), Options()) == 4
    assert pipeline.chapter_limit(Cursor(index=5), Options()) == 16
    assert pipeline.chapter_limit(Cursor(index=9), Options(condition_on_previous_text=True)) == 1


def test_recording_without_sound_is_an_error() -> None:
    with pytest.raises(CorruptMedia):
        plan(np.zeros(0, np.float32))


def test_duration_is_limited() -> None:
    pipeline.check_duration(None, 10)
    pipeline.check_duration(10, 10)
    with pytest.raises(AudioTooLong, match="at most 10 s"):
        pipeline.check_duration(10.1, 10)


CATALOG = Catalog()
VOICE = KnownVoice("Zoë", (1.0, 0.0))


@pytest.mark.parametrize(
    ("given", "model", "language"),
    [
        (Options(), "base", None),
        (Options(model="whisper-1", language="auto"), "base", None),
        (Options(model="openai/whisper-tiny", language="German"), "tiny", "de"),
        (Options(model="base.en"), "base.en", "en"),
        (Options(model="turbo", language="pt-BR"), "large-v3-turbo", "pt"),
        (Options(model="cpu-lite", language=""), "cpu-lite", None),
    ],
)
def test_names_become_canonical(given: Options, model: str, language: str | None) -> None:
    checked = pipeline.validate(given, CATALOG)
    assert (checked.model, checked.language) == (model, language)
    assert pipeline.validate(checked, CATALOG) == checked


def test_presets_fill_what_was_left_open() -> None:
    catalog = Catalog(presets={"careful": {"model": "small", "beam_size": 8, "language": "de"}})
    assert pipeline.validate(Options(model="careful"), catalog).beam_size == 8
    assert pipeline.validate(Options(model="careful", beam_size=2), catalog).beam_size == 2


def test_blank_text_is_no_text() -> None:
    checked = pipeline.validate(Options(prompt="  ", vocabulary=(" Kubernetes ", "")), CATALOG)
    assert (checked.prompt, checked.vocabulary) == (None, ("Kubernetes",))


@pytest.mark.parametrize(
    "field", ["beam_size", "best_of", "temperature", "offset", "duration", "cpu_threads", "num_workers"]
)
@pytest.mark.parametrize("value", [-1, -0.5, 10**12, 1e300, math.nan, math.inf, -math.inf, True, "7"])
def test_numbers_out_of_range_are_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(InvalidOption) as caught:
        pipeline.validate(Options(**{field: value}), CATALOG)
    assert caught.value.param == field


@pytest.mark.parametrize(
    ("options", "param", "kind"),
    [
        (Options(model="gpt-4"), "model", UnknownModel),
        (Options(language="klingon"), "language", UnknownLanguage),
        (Options(model="tiny.en", language="de"), "language", InvalidOption),
        (Options(model="base.en", task="translate"), "task", InvalidOption),
        (Options(model="turbo", task="translate"), "task", InvalidOption),
        (Options(model="distil-large-v3", task="translate"), "task", InvalidOption),
        (Options(task="summarise"), "task", InvalidOption),  # type: ignore[arg-type]
        (Options(channels="left"), "channels", InvalidOption),  # type: ignore[arg-type]
        (Options(mode="slow"), "mode", InvalidOption),  # type: ignore[arg-type]
        (Options(vad_filter="yes"), "vad_filter", InvalidOption),  # type: ignore[arg-type]
        (Options(duration=0), "duration", InvalidOption),
        (Options(beam_size=2.5), "beam_size", InvalidOption),  # type: ignore[arg-type]
        (Options(prompt="x" * 40_000), "prompt", InvalidOption),
        (Options(vocabulary=("x" * 101,)), "vocabulary", InvalidOption),
        (Options(vocabulary=("x",) * 501), "vocabulary", InvalidOption),
        (Options(word_timestamps=True, without_timestamps=True), "word_timestamps", InvalidOption),
        (Options(diarize="yes"), "diarize", InvalidOption),  # type: ignore[arg-type]
        (Options(diarize=True, without_timestamps=True), "without_timestamps", InvalidOption),
        (Options(diarize=True, num_speakers=51), "num_speakers", InvalidOption),
        (Options(diarize=True, num_speakers=1.5), "num_speakers", InvalidOption),  # type: ignore[arg-type]
        (Options(diarize=True, min_speakers=0), "min_speakers", InvalidOption),
        (Options(diarize=True, min_speakers=4, max_speakers=3), "min_speakers", InvalidOption),
        (Options(diarize=True, num_speakers=2, min_speakers=3), "num_speakers", InvalidOption),
        (Options(diarize=True, num_speakers=4, max_speakers=3), "num_speakers", InvalidOption),
        (Options(num_speakers=2), "num_speakers", InvalidOption),
        (Options(max_speakers=2), "max_speakers", InvalidOption),
        (Options(known_voices=(VOICE,)), "known_voices", InvalidOption),
        (Options(diarize=True, known_voices=(VOICE,) * 2), "known_voices", InvalidOption),
        (Options(diarize=True, known_voices=(KnownVoice(" ", (1.0,)),)), "known_voices", InvalidOption),
        (Options(diarize=True, known_voices=(KnownVoice("x" * 101, (1.0,)),)), "known_voices", InvalidOption),
        (
            Options(diarize=True, known_voices=tuple(KnownVoice(str(number), (1.0,)) for number in range(33))),
            "known_voices",
            InvalidOption,
        ),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(options: Options, param: str, kind: type[InvalidRequest]) -> None:
    with pytest.raises(kind) as caught:
        pipeline.validate(options, CATALOG)
    assert caught.value.param == param


@pytest.mark.parametrize(
    "options",
    [
        Options(diarize=True, num_speakers=2, min_speakers=1, max_speakers=2, known_voices=(VOICE,)),
        Options(diarize=True, min_speakers=3, max_speakers=3),
        Options(diarize=True, without_timestamps=True, channels="split"),
        Options(diarize=True, without_timestamps=True, task="translate"),
    ],
)
def test_what_is_asked_of_speakers_is_kept(options: Options) -> None:
    checked = pipeline.validate(options, CATALOG)
    assert checked == options.but(model=checked.model)


def test_words_are_timed_where_speakers_are_told_apart_by_them() -> None:
    assert Options(diarize=True).timed_words
    assert Options(word_timestamps=True).timed_words
    assert not Options().timed_words
    assert not Options(diarize=True, channels="split").timed_words, "a channel is one speaker"
    assert not Options(diarize=True, task="translate").timed_words, "these are not the words that were said"


def result(start: float, end: float, *segments: Segment, **more: Any) -> WindowResult:
    more.setdefault("language", "en")
    return WindowResult(Window(start, end, more.pop("speech", ()), more.pop("channel", None)), segments, **more)


def assemble(*results: WindowResult, duration: float = 60, options: Options | None = None) -> Any:
    return pipeline.assemble(results, options or Options(), duration=duration, model="base", timing=Timing(1, 2))


def test_times_never_run_back_and_never_pass_the_end() -> None:
    words = (Word(9.5, 10.5, " two", 0.9), Word(10.2, 12, " three", 0.9))
    got = assemble(
        result(10, 20, Segment(9.5, 25, " two three", words), Segment(21, 20, " four")),
        result(0, 10, Segment(0, 10.2, " one")),
        duration=20,
    )
    assert [segment.text for segment in got.segments] == [" one", " two three", " four"]
    times = [time for segment in got.segments for time in (segment.start, segment.end)]
    assert times == sorted(times)
    assert times[-1] == 20
    inner = [time for word in got.words for time in (word.start, word.end)]
    assert inner == sorted(inner)
    assert inner[0] >= 10.2


def test_channels_are_merged_by_time() -> None:
    got = assemble(
        result(0, 9, Segment(0, 4, " a"), Segment(6, 9, " c"), channel=0),
        result(1, 8, Segment(2, 7, " b"), channel=1),
    )
    assert [(segment.text, segment.channel, segment.start) for segment in got.segments] == [
        (" a", 0, 0),
        (" b", 1, 2),
        (" c", 0, 6),
    ]


def test_speech_without_words_is_told() -> None:
    got = assemble(
        result(0, 10, Segment(0, 4, " here"), speech=((0, 4), (6, 9))),
        result(20, 30, speech=((20, 25),)),
    )
    assert got.coverage.speech == 12
    assert got.coverage.missed == pytest.approx(8)
    words = (Word(0, 1, " here", 1.0), Word(8, 9, " there", 1.0))
    assert assemble(result(0, 9, Segment(0, 9, " here there", words), speech=((0, 9),))).coverage == Coverage(9, 6)
    assert assemble(result(0, 9, Segment(0, 9, "  "), speech=((0, 9),))).coverage == Coverage(9, 9)


def test_languages_are_counted_by_their_speech() -> None:
    got = assemble(
        result(0, 10, Segment(0, 4, " eins"), speech=((0, 4),), language="de", language_probability=0.8),
        result(10, 20, Segment(10, 19, " two"), speech=((10, 19),), language="en", language_probability=0.6),
        result(20, 30, Segment(20, 23, " three"), speech=((20, 23),), language="en", language_probability=1.0),
        result(30, 40, speech=((30, 40),), language="fr", language_probability=0.3),
    )
    assert got.languages == (("en", 12.0), ("de", 4.0))
    assert got.language == "en"
    assert got.language_probability == pytest.approx(0.7)


def test_given_language_is_not_a_guess() -> None:
    got = assemble(result(0, 9, Segment(0, 9, " ja"), language="de"), options=Options(language="de"))
    assert (got.language, got.language_probability) == ("de", None)


def test_dropped_text_and_warnings_are_kept() -> None:
    dropped = Dropped(1, 99, " you", DropReason.NO_SPEECH)
    got = pipeline.assemble(
        [result(0, 9, dropped=(dropped,))],
        Options(),
        duration=9,
        model="base",
        timing=Timing(),
        warnings=["cut short", "cut short"],
    )
    assert got.dropped == (replace(dropped, end=9),)
    assert got.warnings == ("cut short",)
    assert got.text == ""
