# SPDX-License-Identifier: Apache-2.0
"""Who speaks, in every format, whatever they are called."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from collections.abc import Sequence
from itertools import pairwise

import pysubs2
import pytest
import webvtt
from hypothesis import given, settings
from hypothesis import strategies as st

from harken.model import Segment, Speaker, Transcript, Turn, Word
from harken.text import render
from harken.text.breaks import clean
from harken.text.labels import label

JOINER = "\u2060"
NASTY = (
    "</v><b>",
    "Zoë --> Bob",
    "a\nb\r\n\n1\n00:00:00,000 --> 00:00:01,000",
    "Smith, John, 3",
    "*star* _under_ [link](x)",
    "{\\an8}",
    "A & B &amp;",
    "\u2028\u0000 ",
    "x" * 100,
    "<NA>",
    "--",
)
names = st.text("abZ é今<>&v/{}\\,*_[]:-\n\r\t\u2028\x00", max_size=100)


def talk(*called: str | None) -> Transcript:
    """Speakers who say one short line each, in turn, and then again."""
    speakers = tuple(Speaker(f"SPEAKER_{n:02}", 2.0, name=name) for n, name in enumerate(called))
    said = [(speaker, f" Number {number}, turn {turn}.") for turn in (1, 2) for number, speaker in enumerate(speakers)]
    segments = tuple(Segment(i * 2.0, i * 2.0 + 1.5, text, speaker=who.id) for i, (who, text) in enumerate(said))
    turns = tuple(Turn(i * 2.0, i * 2.0 + 1.5, who.id) for i, (who, _) in enumerate(said))
    return Transcript(segments, "en", 2.0 * len(said), "base", turns=turns, speakers=speakers)


def labelled(transcript: Transcript) -> list[str]:
    return [label(speaker) for speaker in transcript.speakers] * 2


def test_names_and_ids() -> None:
    transcript = talk("Zoë", None)
    assert render(transcript, "txt").splitlines()[:2] == ["[Zoë]: Number 0, turn 1.", "[SPEAKER_01]: Number 1, turn 1."]
    assert render(transcript, "srt").splitlines()[2] == "[Zoë]: Number 0, turn 1."
    assert render(transcript, "vtt").splitlines()[3] == "<v Zoë>Number 0, turn 1."
    assert render(transcript, "md").splitlines()[0] == "**\\[00:00:00\\]** **Zoë:** Number 0, turn 1."
    assert render(transcript, "tsv").splitlines()[:2] == [
        "start\tend\ttext\tspeaker",
        "0\t1500\tNumber 0, turn 1.\tZoë",
    ]
    told = json.loads(render(transcript, "json"))
    assert [segment["speaker"] for segment in told["segments"]] == ["SPEAKER_00", "SPEAKER_01"] * 2
    assert [speaker["name"] for speaker in told["speakers"]] == ["Zoë", None]


@pytest.mark.parametrize("called", [(), ("Zoë",), (None,)])
def test_one_speaker_alone_is_not_named(called: Sequence[str | None]) -> None:
    transcript = talk(*called)
    for form in ("txt", "srt", "vtt", "ass", "md", "tsv"):
        written = render(transcript, form)
        assert not re.search("Zoë|SPEAKER|<v", written), form
    assert render(transcript, "rttm").count("SPEAKER talk 1") == 0
    assert render(transcript, "rttm", "talk").count("SPEAKER talk 1") == 2 * len(called)


def test_words_that_nobody_says_have_no_label() -> None:
    transcript = talk("Zoë", "Bob")
    noise = Segment(8.0, 9.0, " (noise)")
    transcript = Transcript(
        (*transcript.segments, noise), "en", 10.0, "base", turns=transcript.turns, speakers=transcript.speakers
    )
    assert render(transcript, "txt").splitlines()[-1] == "(noise)"
    assert render(transcript, "srt").split("\n\n")[-2].splitlines()[-1] == "(noise)"
    assert render(transcript, "vtt").split("\n\n")[-1].splitlines()[-1] == "(noise)"
    assert render(transcript, "tsv").splitlines()[-1] == "8000\t9000\t(noise)\t"


def test_speakers_are_named_rather_than_channels() -> None:
    segments = (
        Segment(0, 2, " Hello.", channel=0, speaker="SPEAKER_00"),
        Segment(1, 3, " Hi.", channel=1, speaker="b"),
    )
    speakers = (Speaker("SPEAKER_00", name="Zoë"), Speaker("b"))
    assert render(Transcript(segments, "en", 6.0, "base", speakers=speakers), "txt") == "[Zoë]: Hello.\n[b]: Hi.\n"


def test_a_cue_has_the_words_of_one_speaker() -> None:
    words = tuple(Word(0.4 * n, 0.4 * n + 0.3, f" w{n}", 1.0) for n in range(8))
    segments = tuple(
        Segment(part[0].start, part[-1].end, "".join(w.text for w in part), words=part, speaker=who)
        for part, who in ((words[:3], "SPEAKER_00"), (words[3:4], "SPEAKER_01"), (words[4:], "SPEAKER_00"))
    )
    speakers = (Speaker("SPEAKER_00"), Speaker("SPEAKER_01"))
    transcript = Transcript(segments, "en", 4.0, "base", speakers=speakers)
    cues = pysubs2.SSAFile.from_string(render(transcript, "srt"), format_="srt")
    assert [cue.plaintext for cue in cues] == [
        "[SPEAKER_00]: w0 w1 w2",
        "[SPEAKER_01]: w3",
        "[SPEAKER_00]: w4 w5 w6 w7",
    ]
    assert all(before.end <= after.start for before, after in pairwise(cues))


def test_a_label_leaves_lines_to_be_read() -> None:
    text = " The first of these two lines stands above, the second of them below, and so it goes on for a while."
    said = Segment(0, 9, text, speaker="SPEAKER_01")
    transcript = Transcript((said,), "en", 9, "base", speakers=(Speaker("SPEAKER_00"), Speaker("SPEAKER_01")))
    cues = pysubs2.SSAFile.from_string(render(transcript, "srt"), format_="srt")
    assert all(len(line) <= 42 for cue in cues for line in cue.plaintext.splitlines())
    assert " ".join(cue.plaintext.replace("\n", " ").removeprefix("[SPEAKER_01]: ") for cue in cues) == text.strip()


def shown(text: str) -> str:
    return "".join(text.replace(JOINER, "").replace("-->", "->").split())


def check(transcript: Transcript) -> None:
    """Every reader must see every cue, whole, and its label as it is."""
    expected = labelled(transcript)
    vtt = webvtt.from_string(render(transcript, "vtt"), strict=True).captions
    assert [shown(html.unescape(caption.voice or "")) for caption in vtt] == [
        name.replace(" ", "") for name in expected
    ] or (any("-->" in name for name in expected))
    assert all(caption.text.startswith("Number") and "<" not in caption.text for caption in vtt)
    blocks = [block.split("\n") for block in render(transcript, "srt").split("\n\n") if block]
    assert [int(block[0]) for block in blocks] == list(range(1, len(expected) + 1))
    assert ["".join(map(shown, block[2:])) for block in blocks] == [
        shown(f"[{name}]:{text}") for name, text in zip(expected, texts(transcript), strict=True)
    ]
    srt = pysubs2.SSAFile.from_string(render(transcript, "srt"), format_="srt")
    assert len(srt) == len(expected)
    ass = pysubs2.SSAFile.from_string(render(transcript, "ass"), format_="ass")
    wide = str.maketrans("{},", "\uff5b\uff5d\uff0c")
    assert [event.name for event in ass] == [name.translate(wide) for name in expected]
    assert [event.plaintext for event in ass] == [text.strip() for text in texts(transcript)]
    rows = list(csv.reader(io.StringIO(render(transcript, "tsv"), newline=""), delimiter="\t", quoting=csv.QUOTE_NONE))
    assert [row[3] for row in rows[1:]] == expected
    lines = render(transcript, "rttm", "two talks.wav").splitlines()
    assert [line.split(" ")[:2] for line in lines] == [["SPEAKER", "two_talks.wav"]] * len(expected)
    assert all(len(line.split()) == 10 for line in lines)
    assert len(render(transcript, "txt").splitlines()) == len(expected)


def texts(transcript: Transcript) -> list[str]:
    return [segment.text for segment in transcript.segments]


@pytest.mark.parametrize("name", NASTY)
def test_names_are_no_markup(name: str) -> None:
    check(talk(name, "Bob"))


@settings(deadline=None)
@given(st.lists(names, min_size=2, max_size=3, unique_by=clean))
def test_any_name_is_no_markup(called: list[str]) -> None:
    check(talk(*called))


def test_markdown_shows_names_as_they_are() -> None:
    assert "**\\*star\\* \\_under\\_ \\[link\\](x):**" in render(talk(NASTY[4], "Bob"), "md")


def test_rttm_keeps_overlap_and_order() -> None:
    transcript = Transcript(
        (),
        "en",
        10.0,
        "base",
        turns=(Turn(2.0, 4.5, "SPEAKER_01"), Turn(0.5, 3.25, "SPEAKER_00", 0.9), Turn(5.0, 5.0004, "SPEAKER_00")),
        speakers=(Speaker("SPEAKER_00", name="Zoë Lee"), Speaker("SPEAKER_01", name="Bob")),
    )
    assert render(transcript, "rttm", "call 7") == (
        "SPEAKER call_7 1 0.500 2.750 <NA> <NA> Zoë_Lee <NA> <NA>\n"
        "SPEAKER call_7 1 2.000 2.500 <NA> <NA> Bob <NA> <NA>\n"
    )
    assert render(Transcript((), "en", 0.0, "base"), "rttm") == ""


def test_speakers_of_one_name_are_one() -> None:
    transcript = talk("Zoë", "Zoë", "Bob")
    assert {line.split()[7] for line in render(transcript, "rttm").splitlines()} == {"Zoë", "Bob"}
    assert render(transcript, "txt").count("[Zoë]: ") == 4
    assert render(transcript, "md").count("**Zoë:**") == 2, "one paragraph of theirs, until another speaks"
