# SPDX-License-Identifier: Apache-2.0
"""Recordings with known speakers are read as written, and meetings are what their reference says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harken.audio.decode import Samples
from harken.bench.diarization_corpus import (
    Said,
    Utterance,
    by_reader,
    read_recordings,
    read_rttm,
    read_stm,
    read_utterances,
    speech,
    trimmed,
)
from harken.bench.diarization_meetings import LEAST, Meeting, meetings, stitch
from harken.bench.material import write
from harken.errors import InvalidRequest
from harken.model import SAMPLE_RATE


def tone(hertz: float, spans: list[tuple[float, float]], seconds: float, seed: int = 0) -> Samples:
    """A tone that sounds in the spans, over a little noise."""
    at = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    loud = np.zeros(len(at), bool)
    for start, end in spans:
        loud |= (at >= start) & (at < end)
    noise = np.random.default_rng(seed).normal(0, 1e-4, len(at))
    return (0.2 * np.sin(2 * np.pi * hertz * at) * loud + noise).astype(np.float32)


def reader(name: str, hertz: float, count: int = 4, text: str | None = None) -> list[Utterance]:
    """Utterances of 6 s with words of different length and a pause in the middle."""
    spans = [(0.0, 1.0), (1.1, 1.5), (1.6, 3.0), (3.5, 4.2), (4.3, 6.0)]
    return [Utterance(name, tone(hertz, spans, 6.0, at), text and f"{text} {at}", "en") for at in range(count)]


READERS = {
    name: reader(name, hertz, text="words")
    for name, hertz in {"ann": 300.0, "bob": 500.0, "cid": 700.0, "dora": 1100.0, "eve": 1700.0}.items()
}


def test_speech_is_where_it_is_loud() -> None:
    samples = tone(400, [(0.5, 1.0), (1.1, 2.0), (3.0, 3.4)], 4.0)
    assert speech(samples) == [pytest.approx((0.5, 2.0), abs=0.03), pytest.approx((3.0, 3.4), abs=0.03)]
    assert len(speech(samples, 0.05)) == 3
    assert len(trimmed(samples)) == pytest.approx(2.9 * SAMPLE_RATE, abs=0.06 * SAMPLE_RATE)
    assert speech(np.zeros(0, np.float32)) == []
    assert len(trimmed(np.zeros(SAMPLE_RATE, np.float32))) == 0


def test_the_same_seed_gives_the_same_meeting_and_another_does_not() -> None:
    first, again, other = (stitch("m", READERS, 3, seconds=30.0, seed=seed) for seed in (5, 5, 6))
    assert np.array_equal(first.samples, again.samples)
    assert first.turns == again.turns
    assert first.turns != other.turns


def energy(meeting: Meeting, hertz: float, start: float, end: float) -> float:
    """How strong one reader's tone is in a time."""
    samples = meeting.samples[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)]
    at = np.arange(len(samples)) / SAMPLE_RATE
    return float(abs(np.mean(samples * np.exp(-2j * np.pi * hertz * at))))


@pytest.mark.parametrize("texts", [False, True])
def test_the_reference_says_who_sounds_when(texts: bool) -> None:
    meeting = stitch("m", READERS, 4, seconds=60.0, seed=3, texts=texts)
    tones = {name: {"ann": 300.0, "bob": 500.0, "cid": 700.0, "dora": 1100.0, "eve": 1700.0}[name] for name in READERS}
    present = {turn.speaker for turn in meeting.turns}
    assert len(present) == 4
    for name, hertz in tones.items():
        own = [turn for turn in meeting.turns if turn.speaker == name]
        for turn in own:
            assert energy(meeting, hertz, turn.start, turn.end) > 0.005
        quiet = [0.0, *(time for turn in own for time in (turn.start, turn.end)), meeting.seconds]
        for start, end in zip(quiet[::2], quiet[1::2], strict=True):
            if end - start > 0.3:
                assert energy(meeting, hertz, start + 0.05, end - 0.05) < 0.005
    assert float(np.abs(meeting.samples).max()) <= 1.0


def test_turns_overlap_sometimes_and_others_say_a_word() -> None:
    found = [stitch("m", READERS, 3, seconds=60.0, seed=seed) for seed in range(6)]
    shared = [
        min(one.end, other.end) - other.start
        for meeting in found
        for index, one in enumerate(meeting.turns)
        for other in meeting.turns[index + 1 :]
        if other.start < one.end
    ]
    assert shared
    assert max(shared) > 0.3
    inside = [
        other
        for meeting in found
        for one in meeting.turns
        for other in meeting.turns
        if one.start < other.start and other.end < one.end and other.speaker != one.speaker
    ]
    assert inside
    assert all(
        turn.speaker != other.speaker for turn in inside for other in inside if turn.start < other.start < turn.end
    )


def test_texts_go_with_whole_utterances() -> None:
    meeting = stitch("m", READERS, 3, seconds=40.0, seed=2, texts=True)
    assert len(meeting.said) >= 4
    assert all(item.end - item.start == pytest.approx(6.0) for item in meeting.said)
    assert len({(item.speaker, item.text) for item in meeting.said}) == len(meeting.said)
    assert stitch("m", READERS, 3, seconds=40.0, seed=2).said == ()


def test_many_meetings_have_from_two_speakers_on() -> None:
    few = {**READERS, "short": [Utterance("short", READERS["ann"][0].samples[: round((LEAST - 1) * SAMPLE_RATE / 2)])]}
    found = meetings(few, 5, 7, texts=False)
    assert [len({turn.speaker for turn in meeting.turns}) for meeting in found] == [2, 3, 4, 5, 2]
    assert len({meeting.name for meeting in found}) == 5
    assert "short" not in {turn.speaker for meeting in found for turn in meeting.turns}
    assert meetings({"ann": READERS["ann"]}, 3, 1, texts=False) == []
    assert meetings({name: reader(name, 300.0) for name in ("a", "b")}, 3, 1, texts=True) == []


def corpus(folder: Path, name: str, *records: dict[str, Any]) -> None:
    (folder / name / "audio").mkdir(parents=True)
    for number, record in enumerate(records):
        samples = record.pop("samples", None)
        write(
            folder / name / record["audio"], reader("x", 300.0 + 10 * number)[0].samples if samples is None else samples
        )
    lines = [json.dumps({"kind": "speech", "speakers": 1, "lang": "en", **record}) for record in records]
    (folder / name / "manifest.jsonl").write_text("\n".join(lines), encoding="utf-8")


def test_readers_are_told_by_record_or_name(tmp_path: Path) -> None:
    corpus(
        tmp_path,
        "libri",
        {"audio": "audio/61-70968-0001.wav", "text": "one"},
        {"audio": "audio/set-61-70970-0002.wav", "text": "two"},
        {"audio": "audio/LJ001-0001.wav", "text": "three"},
        {"audio": "audio/LJ050-0002.wav", "text": "four"},
        {"audio": "audio/cen8-fcaw-b.wav", "text": "five"},
        {"audio": "audio/poem_1.wav", "text": "six"},
        {"audio": "audio/poem_2.wav", "text": "seven"},
        {"audio": "audio/z.wav", "text": "eight", "speaker": "zoe"},
        {"audio": "audio/two.wav", "text": "nine", "speakers": 2},
        {"audio": "audio/stitched.wav", "text": "ten", "kind": "stitched"},
    )
    found = by_reader(read_utterances(tmp_path))
    assert {name: [item.text for item in said] for name, said in found.items()} == {
        "61": ["one", "two"],
        "LJ": ["three", "four"],
        "fcaw": ["five"],
        "poem": ["six", "seven"],
        "zoe": ["eight"],
    }


def test_the_same_speech_comes_once_and_as_one_readers(tmp_path: Path) -> None:
    twice = reader("x", 900.0)[0].samples
    corpus(tmp_path, "a", {"audio": "audio/first.wav", "text": "First!", "samples": twice})
    corpus(
        tmp_path,
        "b",
        {"audio": "audio/again_1.wav", "text": None, "samples": twice},
        {"audio": "audio/again_2.wav", "text": "more"},
        {"audio": "audio/61-70968-0001.wav", "text": "one"},
        {"audio": "audio/61-70968-0001_rvb.wav", "text": None},
        {"audio": "audio/62-70968-0001.wav", "text": "ONE"},
    )
    corpus(
        tmp_path, "c", {"audio": "audio/mp3.wav", "text": "x", "kind": "format"}, {"audio": "audio/y.wav", "text": "y"}
    )
    found = by_reader(read_utterances(tmp_path))
    assert {name: [item.text for item in said] for name, said in found.items()} == {
        "61": ["one"],
        "first": ["First!", "more"],
    }


def test_of_readers_who_may_be_one_the_longest_is_taken(tmp_path: Path) -> None:
    long = np.concatenate([item.samples for item in reader("x", 400.0, 2)])
    corpus(
        tmp_path,
        "clips",
        {"audio": "audio/speech.wav", "text": "a"},
        {"audio": "audio/novel.wav", "text": "b", "samples": long},
        {"audio": "audio/roman.wav", "text": "c", "lang": "de"},
    )
    assert sorted(by_reader(read_utterances(tmp_path))) == ["novel", "roman"]


RTTM = "SPEAKER x 1 3.5 1.5 <NA> <NA> Bob <NA> <NA>\nSPKR-INFO x 1\nSPEAKER x 1 0.0 2.0 <NA> <NA> Ann <NA> <NA>\n"


def test_recordings_with_turns_are_read(tmp_path: Path) -> None:
    segments = [{"start": 0, "end": 2, "speaker": "Ann", "text": "Hi."}]
    corpus(
        tmp_path,
        "calls",
        {"audio": "audio/a.wav", "rttm": "a.rttm", "speakers": 2, "text": None, "segments": segments},
        {"audio": "audio/b.wav", "text": "no turns"},
    )
    (tmp_path / "calls" / "a.rttm").write_text(RTTM, encoding="utf-8")
    [recording] = read_recordings(tmp_path)
    assert (recording.set, recording.path.name, recording.speakers) == ("calls", "a.wav", 2)
    assert recording.duration == pytest.approx(6.0)
    assert [(turn.start, turn.end, turn.speaker) for turn in recording.turns] == [(0.0, 2.0, "Ann"), (3.5, 5.0, "Bob")]
    assert recording.said == (Said(0, 2, "Ann", "Hi."),)
    (tmp_path / "calls" / "a.rttm").write_text("SPEAKER x 1 now 1.5 <NA> <NA> Bob\n", encoding="utf-8")
    with pytest.raises(InvalidRequest, match=r"a\.rttm cannot be read"):
        read_recordings(tmp_path)
    (tmp_path / "calls" / "a.rttm").unlink()
    with pytest.raises(InvalidRequest, match=r"a\.rttm cannot be read"):
        read_rttm(tmp_path / "calls" / "a.rttm")


def test_stm_is_read_with_and_without_labels(tmp_path: Path) -> None:
    path = tmp_path / "x.stm"
    path.write_text(
        ";; a comment\nx 1 Ann 0.5 1.0 <o,f0,female> Hello there.\nx 1 Bob 1.0 2.0 Hi.\nx 1 Bob 2.0 3.0\n",
        encoding="utf-8",
    )
    assert read_stm(path) == (Said(0.5, 1.0, "Ann", "Hello there."), Said(1.0, 2.0, "Bob", "Hi."))
