# SPDX-License-Identifier: Apache-2.0
"""A transcript as sentences and paragraphs, each with speaker, time and segments."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

from tests.text.meetings import meeting, said

from harken.model import Segment, Speaker, Transcript
from harken.text import sentences
from harken.text.spoken import Spoken, clock, sources, transcript_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest


def test_sentences_know_speaker_time_and_segments() -> None:
    transcript = Transcript(
        (
            Segment(0.0, 4.0, " Hello there. This is", speaker="SPEAKER_00"),
            Segment(4.0, 6.0, "  ", speaker="SPEAKER_00"),
            Segment(6.0, 8.0, "one sentence.", speaker="SPEAKER_00"),
            Segment(8.0, 9.0, " Yes", speaker="SPEAKER_01"),
        ),
        "en",
        9.0,
        "base",
        speakers=(Speaker("SPEAKER_00", name="Anna"), Speaker("SPEAKER_01")),
    )
    spoken = Spoken(transcript)
    found = [(one.text, one.speaker, [line.index for line in one.lines]) for one in spoken.sentences]
    assert found == [
        ("Hello there.", "Anna", [0]),
        ("This is one sentence.", "Anna", [0, 2]),
        ("Yes", "SPEAKER_01", [3]),
    ]
    assert [round(one.start, 1) for one in spoken.sentences] == [0.0, 2.6, 8.0]
    assert spoken.speakers == ("Anna", "SPEAKER_01")
    assert spoken.head(spoken.sentences[2]) == "[00:08] SPEAKER_01"
    assert [(one.index, one.start, one.end) for one in sources(spoken.sentences[1].lines)] == [
        (0, 0.0, 4.0),
        (2, 6.0, 8.0),
    ]


def test_channels_and_single_speakers_are_named_as_in_files() -> None:
    split = Transcript((Segment(0, 1, "Hi.", channel=0), Segment(1, 2, "Ho.", channel=1)), "en", 2.0, "base")
    assert Spoken(split).speakers == ("Channel 1", "Channel 2")
    alone = Transcript((Segment(0, 1, "Hi.", speaker="S"),), "en", 1.0, "base", speakers=(Speaker("S", name="Anna"),))
    assert Spoken(alone).speakers == ()


def test_every_word_is_in_one_sentence_and_one_paragraph() -> None:
    spoken = Spoken(meeting())
    whole = "".join(spoken.text.split())
    assert "".join("".join(one.text for one in spoken.sentences).split()) == whole
    assert "".join("".join(one.text for one in spoken.paragraphs).split()) == whole


def test_text_without_punctuation_is_cut_at_segments() -> None:
    spoken = Spoken(said([(None, "and so on it goes without any end " * 3)] * 40))
    assert len(spoken.sentences) > 5
    assert len(spoken.paragraphs) > 3


def test_control_characters_and_line_breaks_cannot_forge_structure() -> None:
    spoken = Spoken(said([("Eve\nBob", "one\n# two\r\nthree\x00\u2028four")]))
    assert [line.text for line in spoken.lines] == ["one # two three four"]
    assert spoken.speakers == ("Eve Bob",)


def test_text_without_blanks_is_joined_without() -> None:
    transcript = Transcript((Segment(0, 1, "今日は晴れ。"), Segment(1, 2, "明日は雨。")), "ja", 2.0, "base")
    assert Spoken(transcript).text == "今日は晴れ。明日は雨。"


def test_takes_what_a_client_sends() -> None:
    segments = [Segment(1.0, 2.0, "Hello there"), Segment(2.0, 3.0, "world.")]
    both = transcript_of(segments, "Hello there world.")
    assert [segment.start for segment in both.segments] == [1.0, 2.0]
    assert Spoken(both).text == "Hello there world."
    more = transcript_of(segments, "Hello there world. And then somebody said much more.\nAnd more.")
    assert [segment.text for segment in more.segments] == [
        " Hello there world.",
        " And then somebody said much more.",
        " And more.",
    ]
    assert not Spoken(more).timed
    assert transcript_of().segments == ()


def test_takes_no_more_sentences_than_it_is_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def spans(line: str) -> Iterator[tuple[int, int]]:
        for span in sentences.spans(line):
            read.append(line[slice(*span)])
            yield span

    monkeypatch.setattr("harken.text.spoken.sentences", SimpleNamespace(spans=spans))
    found = transcript_of(full_text="One thing. " * 1000, most=3)
    assert [segment.text for segment in found.segments] == [" One thing."] * 3
    assert len(read) == 3, "the rest is not even looked at: a client may send a million full stops"


def test_clock() -> None:
    assert [clock(seconds) for seconds in (0, 65.9, 3600, 36000)] == ["00:00", "01:05", "1:00:00", "10:00:00"]
