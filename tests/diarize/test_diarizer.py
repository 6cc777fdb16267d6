# SPDX-License-Identifier: Apache-2.0
"""Who spoke when, with the real models and real recordings."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise, permutations
from pathlib import Path

import numpy as np
import pytest

from harken.audio.decode import Decoder
from harken.diarize.diarizer import Diarizer
from harken.diarize.embedding import Embedder
from harken.diarize.segmentation import Samples, Segmenter
from harken.model import SAMPLE_RATE, Diarization

Spans = list[tuple[float, float, str]]


@pytest.fixture(scope="module")
def diarizer(segmentation_model: Path, campplus_model: Path) -> Diarizer:
    return Diarizer(Segmenter(segmentation_model), Embedder(campplus_model))


def samples_of(path: Path) -> Samples:
    with Decoder(path) as decoder:
        parts = []
        while (part := decoder.read()) is not None:
            parts.append(part[0])
        return np.concatenate(parts)


@pytest.fixture(scope="module")
def call(sample_wav: Path) -> Samples:
    return samples_of(sample_wav)


@pytest.fixture(scope="module")
def meeting(two_cities_wav: Path, call: Samples) -> tuple[Samples, Spans]:
    """A reader and the two who telephone, by turns of 3 to 6 s."""
    reading = samples_of(two_cities_wav)
    plan = [
        ("reader", reading, 0.5, 6.0),
        ("diane", call, 21.9, 5.5),
        ("reader", reading, 7.0, 3.0),
        ("sheila", call, 11.1, 3.2),
        ("diane", call, 14.9, 3.0),
        ("sheila", call, 18.7, 2.7),
        ("reader", reading, 14.0, 5.0),
    ]
    parts, spans, at = [], [], 0.0
    for who, source, start, length in plan:
        part = source[round(start * SAMPLE_RATE) : round((start + length) * SAMPLE_RATE)]
        parts += [part / np.abs(part).max() * 0.5, np.zeros(round(0.4 * SAMPLE_RATE), np.float32)]
        spans.append((at, at + len(part) / SAMPLE_RATE, who))
        at += len(part) / SAMPLE_RATE + 0.4
    return np.concatenate(parts).astype(np.float32), spans


def found_spans(found: Diarization) -> Spans:
    return [(turn.start, turn.end, turn.speaker) for turn in found.turns]


def error_rate(reference: Spans, found: Spans, duration: float) -> float:
    """Diarization error rate without a collar: missed, false and confused speech by all speech, in frames of 10 ms."""

    def grid(spans: Spans) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
        names = sorted({who for _, _, who in spans})
        cells = np.zeros((max(len(names), 1), round(duration * 100)), bool)
        for start, end, who in spans:
            cells[names.index(who), round(start * 100) : round(end * 100)] = True
        return cells

    truth, guess = grid(reference), grid(found)
    guess = np.concatenate((guess, np.zeros((len(truth), guess.shape[1]), bool)))
    right = max(
        sum(int((truth[row] & guess[column]).sum()) for row, column in enumerate(order))
        for order in permutations(range(len(guess)), len(truth))
    )
    spoken, said = truth.sum(axis=0), guess.sum(axis=0)
    return float(np.maximum(spoken, said).sum() - right) / float(spoken.sum())


def test_two_people_on_the_telephone(diarizer: Diarizer, call: Samples, sample_wav: Path) -> None:
    rows = [row.split() for row in sample_wav.with_name("sample.rttm").read_text().splitlines()]
    reference = [(float(row[3]), float(row[3]) + float(row[4]), row[7]) for row in rows]
    found = diarizer.diarize([call])
    assert [speaker.id for speaker in found.speakers] == ["SPEAKER_00", "SPEAKER_01"]
    assert error_rate(reference, found_spans(found), 30) < 0.14  # 0.11 when this was written


def test_a_meeting_of_three(diarizer: Diarizer, meeting: tuple[Samples, Spans]) -> None:
    samples, reference = meeting
    found = diarizer.diarize([samples])
    assert len(found.speakers) == 3
    names: dict[str, str] = {}
    for start, end, who in reference:
        inside = {speaker.id: 0.0 for speaker in found.speakers}
        for turn in found.turns:
            inside[turn.speaker] += max(0.0, min(end, turn.end) - max(start, turn.start))
        most = max(inside, key=lambda name: inside[name])
        # A second voice is believed easily (OVERLAP): here a tenth of one reading.
        assert inside[most] > 0.85 * sum(inside.values())
        assert sum(inside.values()) > 0.65 * (end - start)  # readers pause
        assert names.setdefault(who, most) == most
    assert len(set(names.values())) == 3
    sure = [turn for turn in found.turns if turn.end - turn.start > 2]
    assert len(sure) >= 5
    assert all(turn.confidence is not None and turn.confidence > 0.9 for turn in sure)


def test_what_is_said_of_turns_and_speakers_holds_together(diarizer: Diarizer, meeting: tuple[Samples, Spans]) -> None:
    samples, _ = meeting
    found = diarizer.diarize([samples])
    assert list(found.turns) == sorted(found.turns, key=lambda turn: turn.start)
    assert list(dict.fromkeys(turn.speaker for turn in found.turns)) == [speaker.id for speaker in found.speakers]
    for speaker in found.speakers:
        own = [turn for turn in found.turns if turn.speaker == speaker.id]
        assert all(turn.end - turn.start > 0.1 for turn in own)
        assert all(other.start - one.end > 0.15 for one, other in pairwise(own))
        assert speaker.speaking_time == pytest.approx(sum(turn.end - turn.start for turn in own), abs=0.1)
        assert np.linalg.norm(speaker.centroid) == pytest.approx(1, abs=1e-5)
    assert found.turns[0].start >= 0
    assert found.turns[-1].end <= len(samples) / SAMPLE_RATE


@pytest.mark.parametrize("block", [3_333, 200_000])
def test_blocks_do_not_matter(diarizer: Diarizer, call: Samples, block: int) -> None:
    whole = diarizer.diarize([call])
    assert diarizer.diarize(call[at : at + block] for at in range(0, len(call), block)) == whole


def test_the_number_of_speakers_can_be_told(diarizer: Diarizer, meeting: tuple[Samples, Spans]) -> None:
    samples, _ = meeting
    assert len(diarizer.diarize([samples], num_speakers=2).speakers) == 2
    assert len(diarizer.diarize([samples], max_speakers=2).speakers) == 2
    one = diarizer.diarize([samples], num_speakers=1)
    assert len(one.speakers) == 1
    assert all(turn.confidence is None for turn in one.turns)
    assert 3 <= len(diarizer.diarize([samples], min_speakers=4).speakers) <= 4


def test_one_reader_is_one_speaker_of_no_doubt(diarizer: Diarizer, two_cities_wav: Path) -> None:
    found = diarizer.diarize([samples_of(two_cities_wav)])
    assert [speaker.id for speaker in found.speakers] == ["SPEAKER_00"]
    assert {turn.confidence for turn in found.turns} == {None}
    assert found.speakers[0].speaking_time > 25


@pytest.mark.parametrize("seconds", [0, 0.00001, 0.2, 3, 25])
def test_silence_and_noise_have_no_speakers(diarizer: Diarizer, seconds: float) -> None:
    count = round(seconds * SAMPLE_RATE)
    hiss = np.random.default_rng(0).normal(0, 0.05, count).astype(np.float32)
    for nobody in (np.zeros(count, np.float32), hiss):
        assert diarizer.diarize([nobody]) == Diarization()


def test_a_chord_is_nobody_or_one(diarizer: Diarizer) -> None:
    at = np.arange(25 * SAMPLE_RATE) / SAMPLE_RATE
    chord = sum(0.1 * np.sin(2 * np.pi * hertz * at) for hertz in (220.0, 277.2, 329.6))
    assert len(diarizer.diarize([np.asarray(chord, np.float32)]).speakers) <= 1


def test_no_blocks_at_all(diarizer: Diarizer) -> None:
    assert diarizer.diarize([]) == Diarization()


@pytest.mark.parametrize("seconds", [0.2, 0.4, 1.0])
def test_very_little_speech(diarizer: Diarizer, call: Samples, seconds: float) -> None:
    begin = round(11.5 * SAMPLE_RATE)
    found = diarizer.diarize([call[begin : begin + round(seconds * SAMPLE_RATE)]], num_speakers=3)
    assert len(found.speakers) <= 3
    assert all(0 <= turn.start < turn.end <= seconds + 1e-9 for turn in found.turns)


def test_clipped_sound(diarizer: Diarizer, call: Samples) -> None:
    assert len(diarizer.diarize([np.clip(call * 1e3, -1, 1)]).speakers) >= 1


def test_progress_rises_to_the_end(diarizer: Diarizer, call: Samples) -> None:
    told: list[float] = []
    diarizer.diarize([call], on_progress=told.append)
    assert told == sorted(told)
    assert told[-1] == pytest.approx(30)
    assert len(told) >= 5


def test_nothing_of_it_needs_torch() -> None:
    code = (
        "import sys\n"
        "for name in ('torch', 'torchaudio', 'pyannote', 'scipy', 'sklearn', 'onnx'):\n"
        "    sys.modules[name] = None\n"
        "import importlib, pkgutil, harken.diarize\n"
        "names = [found.name for found in pkgutil.iter_modules(harken.diarize.__path__)]\n"
        "assert len(names) > 5\n"
        "for name in names:\n"
        "    importlib.import_module(f'harken.diarize.{name}')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
