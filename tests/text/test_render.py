# SPDX-License-Identifier: Apache-2.0
"""Rendered files, read back by parsers that others wrote."""

from __future__ import annotations

import csv
import html
import io
import json

import pysubs2
import pytest
import webvtt
from hypothesis import given, settings
from hypothesis import strategies as st

from harken.errors import InvalidOption
from harken.model import Segment, Transcript, Word, transcript_from
from harken.text import FORMATS, render
from harken.text.breaks import clean
from harken.text.cues import cut

JOINER = "\u2060"
NASTY = (
    " a & b < c > d --> e",
    " <b>bold</b> <i>x <v Bob>",
    " {\\an8} {braces} \\N \\h \\n C:\\new",
    " tab\there, line\nbreak, \r\n\x00 nul, \u2028 sep",
    ' "quoted", 1,2,3',
    " # not a *heading* | _or_ [link](x) `code`",
    " NOTE STYLE WEBVTT",
    " 今日は、天気がいい。مرحبا؟ สวัสดี 👩\u200d👦",
)


def made(*texts: str) -> Transcript:
    segments = tuple(Segment(i * 4.0, i * 4.0 + 3.5, text) for i, text in enumerate(texts))
    return Transcript(segments, "en", 4.0 * len(texts), "base")


EMPTY = made()
nasty = st.lists(st.text("abNnh &<>-{}\\,\"'\t\n#*_[]|`0123é今", min_size=1, max_size=60), max_size=5).map(
    lambda t: made(*t)
)


def flat(text: str) -> str:
    return "".join(text.replace(JOINER, "").split())


def test_every_format_has_its_own_suffix_and_a_media_type() -> None:
    assert set(FORMATS) == {"txt", "srt", "vtt", "tsv", "ass", "json", "md", "rttm"}
    assert len({form.suffix for form in FORMATS.values()}) == len(FORMATS)
    assert all("/" in form.media_type for form in FORMATS.values())


def test_an_unknown_format_is_refused_by_name() -> None:
    with pytest.raises(InvalidOption, match="docx"):
        render(EMPTY, "docx")


def test_nothing_said_is_a_valid_file() -> None:
    assert render(EMPTY, "txt") == ""
    assert render(EMPTY, "srt") == ""
    assert render(EMPTY, "md") == ""
    assert render(EMPTY, "tsv") == "start\tend\ttext\n"
    assert json.loads(render(EMPTY, "json"))["text"] == ""
    assert webvtt.from_string(render(EMPTY, "vtt")).captions == []
    assert len(pysubs2.SSAFile.from_string(render(EMPTY, "ass"), format_="ass")) == 0


@pytest.mark.parametrize("text", NASTY)
def test_vtt_read_by_webvtt(text: str) -> None:
    transcript = made(text)
    captions = webvtt.from_string(render(transcript, "vtt"), strict=True).captions
    assert [(c.start_in_seconds, c.end_in_seconds) for c in captions] == [
        (int(cue.start), int(cue.end)) for cue in cut(transcript)
    ]
    assert flat("".join(html.unescape(caption.text) for caption in captions)) == flat(clean(text))


@settings(deadline=None)
@given(nasty)
def test_any_vtt_read_by_webvtt(transcript: Transcript) -> None:
    captions = webvtt.from_string(render(transcript, "vtt"), strict=True).captions
    shown = flat("".join(html.unescape(caption.text) for caption in captions))
    assert shown == "".join(flat(clean(segment.text)) for segment in transcript.segments)


@settings(deadline=None)
@given(nasty)
def test_any_vtt_has_no_markup_of_its_own(transcript: Transcript) -> None:
    for line in render(transcript, "vtt").splitlines():
        if " --> " not in line:
            assert "<" not in line
            assert "-->" not in line


def test_vtt_escapes_what_would_be_markup() -> None:
    assert "a &amp;amp; &lt;b&gt; --&gt; c\n" in render(made(" a &amp; <b> --> c"), "vtt")


@pytest.mark.parametrize("text", NASTY)
def test_srt_read_by_pysubs2(text: str) -> None:
    events = pysubs2.SSAFile.from_string(render(made(text), "srt"), format_="srt")
    shown = "".join(event.text for event in events)
    # pysubs2 writes a line break as \\N, which one of the texts has as text.
    assert flat(shown.replace("\\N", "")) == flat(clean(text).replace("-->", "->").replace("\\N", ""))
    assert [(e.start, e.end) for e in events] == [
        (round(cue.start * 1000), round(cue.end * 1000)) for cue in cut(made(text))
    ]


@settings(deadline=None)
@given(nasty)
def test_any_srt_has_a_number_and_a_time_for_every_cue(transcript: Transcript) -> None:
    cues = cut(transcript)
    blocks = [block for block in render(transcript, "srt").split("\n\n") if block]
    assert [int(block.split("\n")[0]) for block in blocks] == list(range(1, len(cues) + 1))
    for block, cue in zip(blocks, cues, strict=True):
        _, times, *lines = block.split("\n")
        assert times.count("-->") == 1
        assert flat("".join(lines)) == flat("".join(cue.lines)).replace("-->", "->")


def test_srt_times_have_a_comma_and_two_digit_hours() -> None:
    late = Transcript((Segment(3_661.5, 3_663.25, " Late."),), "en", 4000.0, "base")
    assert render(late, "srt") == "1\n01:01:01,500 --> 01:01:03,250\nLate.\n\n"


@settings(deadline=None)
@given(nasty)
def test_any_ass_shows_the_text_as_it_is(transcript: Transcript) -> None:
    events = pysubs2.SSAFile.from_string(render(transcript, "ass"), format_="ass")
    cues = cut(transcript)
    wide = str.maketrans("{}", "\uff5b\uff5d")
    assert [flat(event.plaintext) for event in events] == [flat("".join(cue.lines).translate(wide)) for cue in cues]
    for event, cue in zip(events, cues, strict=True):
        assert 0 <= cue.start * 1000 - event.start < 10.001


def test_ass_ends_lines_and_styles_them() -> None:
    text = " The first of these two lines stands above, the second of them below."
    (event,) = pysubs2.SSAFile.from_string(render(made(text), "ass"), format_="ass")
    assert event.text.count("\\N") == 1
    assert event.style == "Default"


@settings(deadline=None)
@given(nasty)
def test_any_tsv_has_three_columns(transcript: Transcript) -> None:
    text = render(transcript, "tsv")
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter="\t", quoting=csv.QUOTE_NONE))
    said = [segment for segment in transcript.segments if clean(segment.text)]
    assert rows[0] == ["start", "end", "text"]
    assert rows[1:] == [[str(round(s.start * 1000)), str(round(s.end * 1000)), clean(s.text)] for s in said]


def test_json_is_everything() -> None:
    transcript = Transcript(
        (Segment(0, 1, " Grüße", words=(Word(0, 1, " Grüße", 0.5),), tokens=(1, 2)),), "de", 1.0, "base"
    )
    data = json.loads(render(transcript, "json"))
    assert data.pop("text") == "Grüße"
    assert transcript_from(data) == transcript


def test_txt_has_a_line_for_every_segment() -> None:
    assert render(made(" One.", "  ", " Two\nlines."), "txt") == "One.\nTwo lines.\n"


def test_md_has_paragraphs_at_pauses_and_escapes() -> None:
    transcript = Transcript(
        (Segment(0, 2, " One *star*."), Segment(2.5, 4, " Same."), Segment(3_700, 3_702, " # Later: $5 {a}.")),
        "en",
        4000,
        "base",
    )
    first, second = "**\\[00:00:00\\]** One \\*star\\*. Same.", "**\\[01:01:40\\]** # Later: \\$5 \\{a\\}."
    assert render(transcript, "md") == f"{first}\n\n{second}\n"


def test_md_ends_long_paragraphs_with_a_sentence() -> None:
    segments = tuple(Segment(i, i + 1, f" This is sentence number {i} of them.") for i in range(60))
    paragraphs = render(Transcript(segments, "en", 60, "base"), "md").split("\n\n")
    assert len(paragraphs) > 2
    assert all(paragraph.rstrip().endswith(".") and len(paragraph) < 800 for paragraph in paragraphs)


def test_channels_are_named_in_every_format() -> None:
    transcript = Transcript((Segment(0, 2, " Hello.", channel=0), Segment(3, 5, " Hi.", channel=1)), "en", 6.0, "base")
    assert render(transcript, "txt") == "[Channel 1]: Hello.\n[Channel 2]: Hi.\n"
    assert "[Channel 1]: Hello." in render(transcript, "srt")
    assert render(transcript, "tsv").splitlines()[1:] == ["0\t2000\tHello.\tChannel 1", "3000\t5000\tHi.\tChannel 2"]
    assert "**Channel 2:** Hi." in render(transcript, "md")
    assert [c.voice for c in webvtt.from_string(render(transcript, "vtt")).captions] == ["Channel 1", "Channel 2"]
    assert [e.name for e in pysubs2.SSAFile.from_string(render(transcript, "ass"), format_="ass")] == [
        "Channel 1",
        "Channel 2",
    ]
