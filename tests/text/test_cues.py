# SPDX-License-Identifier: Apache-2.0
"""Subtitles: what must hold for any transcript, and what a reader would wish for on ordinary ones."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from harken.model import Segment, Speaker, Transcript, Word
from harken.text.breaks import clean, width
from harken.text.cues import COLUMNS, LONGEST, SHORTEST, cut
from harken.text.labels import labels

SCRIPTS = (
    "abcdefghijklm .,?!'-\""
    "今日は天気がいいですね、。「」っー"
    "สวัสดีครับเๆ"
    "안녕하세요"
    "مرحبا؟"
    "\t\n\x00\u2028<&>{}\\"
    "👨\u200d👩é\u0301"
)
ZOE = Speaker("SPEAKER_00", name="Zoë " * 25)
SECOND = Speaker("SPEAKER_01")
texts = st.one_of(
    st.text(SCRIPTS, max_size=120),
    st.lists(st.text("abcdefg", min_size=1, max_size=60), max_size=20).map(" ".join),
    st.text(max_size=30),
)


@st.composite
def segments(draw: st.DrawFn) -> Segment:
    start = draw(st.floats(0, 40))
    end = start + draw(st.one_of(st.just(0.0), st.floats(0, 20)))
    text = draw(texts)
    speaker = draw(st.sampled_from((None, "SPEAKER_00", "SPEAKER_01")))
    if not draw(st.booleans()):
        return Segment(start, end, text, channel=draw(st.sampled_from((None, None, 0, 1))), speaker=speaker)
    words = []
    for part in text.split():
        begun = start + draw(st.floats(0, 5))
        words.append(Word(begun, begun + draw(st.floats(0, 3)), " " + part, 1.0))
    return Segment(start, end, "".join(word.text for word in words), words=tuple(words), speaker=speaker)


@st.composite
def transcripts(draw: st.DrawFn) -> Transcript:
    found = tuple(draw(st.lists(segments(), max_size=6)))
    speakers = draw(st.sampled_from(((), (ZOE,), (ZOE, SECOND))))
    return Transcript(found, "en", draw(st.floats(5, 60)), "base", speakers=speakers)


def beside(label: str | None) -> int:
    return len(label) + 4 if label else 0


def bare(text: str) -> str:
    return "".join(clean(text).split())


@settings(deadline=None)
@given(transcripts())
def test_whatever_the_transcript_cues_are_in_order_and_in_bounds(transcript: Transcript) -> None:
    cues = cut(transcript, beside)
    assert [cue.start for cue in cues] == sorted(cue.start for cue in cues)
    if {segment.channel for segment in transcript.segments} <= {None}:
        for before, after in pairwise(cues):
            assert before.end <= after.start
    for cue in cues:
        assert width(cue.lines[0]) <= max(COLUMNS // 2, COLUMNS - beside(cue.label))
        assert 0 <= cue.start < cue.end <= transcript.duration
        assert round(cue.start * 1000) == cue.start * 1000 or abs(cue.start * 1000 - round(cue.start * 1000)) < 1e-6
        assert 1 <= len(cue.lines) <= 2
        for line in cue.lines:
            assert line == clean(line)
            assert line
            assert width(line) <= COLUMNS


@settings(deadline=None)
@given(transcripts())
def test_no_text_is_lost_or_moved_or_given_to_another(transcript: Transcript) -> None:
    named = labels(transcript)
    for label in {named(segment) for segment in transcript.segments}:
        own = sorted((s for s in transcript.segments if named(s) == label), key=lambda s: s.start)
        if len({segment.channel for segment in own}) == 1:
            shown = "".join("".join(cue.lines) for cue in cut(transcript) if cue.label == label)
            assert bare(shown) == "".join(bare(segment.text) for segment in own)


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from(["so", "we", "talked", "about", "harvest,", "weather.", "friends"]), min_size=1, max_size=80
    )
)
def test_speech_at_an_ordinary_pace_is_easy_to_read(spoken: list[str]) -> None:
    words = tuple(Word(i * 0.5, i * 0.5 + 0.45, f" {text}", 1.0) for i, text in enumerate(spoken))
    segment = Segment(0, words[-1].end, "".join(word.text for word in words), words=words)
    transcript = Transcript((segment,), "en", words[-1].end + 2, "base")
    cues = cut(transcript)
    for cue in cues:
        shown = cue.end - cue.start
        assert min(0.85 * SHORTEST, transcript.duration) <= shown <= LONGEST
        assert width(" ".join(cue.lines)) / shown <= 25
    average = sum(width(" ".join(cue.lines)) for cue in cues) / sum(cue.end - cue.start for cue in cues)
    assert average <= 20


def spoken(text: str, pace: float = 0.3, start: float = 0.0, pauses: dict[int, float] | None = None) -> Segment:
    """Words ``pace`` seconds each, with silences in seconds before the words of ``pauses``."""
    words, at = [], start
    for index, word in enumerate(text.split()):
        at += (pauses or {}).get(index, 0.0)
        words.append(Word(at, at + pace, f" {word}", 1.0))
        at += pace
    return Segment(start, at, "".join(word.text for word in words), words=tuple(words))


def lines(*segments: Segment, duration: float = 60.0) -> list[tuple[str, ...]]:
    return [cue.lines for cue in cut(Transcript(segments, "en", duration, "base"))]


def test_nothing_said_is_no_cue() -> None:
    assert cut(Transcript((), "en", 0.0, "base")) == ()
    assert lines(Segment(0, 1, " \n\x00")) == []


def test_cues_end_where_sentences_end() -> None:
    text = (
        "The harbour was quiet when we came in. Nobody had lit the lamps along the quay. We waited for someone to come."
    )
    cues = lines(spoken(text))
    assert len(cues) >= 2
    assert all(cue[-1].endswith(".") for cue in cues)
    assert all("." not in line[:-1] for cue in cues for line in cue)


def test_an_abbreviation_ends_no_sentence() -> None:
    text = "We talked at some length with Dr. Lowell about the plans for the bridge."
    assert all(not cue[-1].endswith("Dr.") for cue in lines(spoken(text)))


def test_lines_break_after_a_clause_and_are_balanced() -> None:
    assert lines(spoken("If it rains again tomorrow morning, we shall stay at the hotel.")) == [
        ("If it rains again tomorrow morning,", "we shall stay at the hotel.")
    ]


def test_cues_end_at_a_pause_and_none_reaches_over_a_silence() -> None:
    cues = lines(spoken("one two three four five six", pauses={2: 1.2, 4: 3.0}))
    assert cues == [("one two",), ("three four",), ("five six",)]


def test_a_short_word_stays_up_for_a_second_and_never_past_the_end() -> None:
    (cue,) = cut(Transcript((Segment(3.0, 3.2, " Yes."),), "en", 10.0, "base"))
    assert (cue.start, cue.end) == (3.0, 4.0)
    (last,) = cut(Transcript((Segment(9.5, 10.0, " Yes."),), "en", 10.0, "base"))
    assert (last.start, last.end) == (9.2, 10.0)


def test_text_without_words_is_spread_over_its_segment() -> None:
    text = "The first half of this long sentence is here, and the second half of it comes after that one."
    first, second = cut(Transcript((Segment(0, 10, text),), "en", 10.0, "base"))
    assert abs(second.start - 10 * text.index("and") / len(text)) < 0.5
    assert first.end <= second.start


def test_words_that_do_not_make_up_the_text_are_not_trusted() -> None:
    broken = Segment(0, 3, " all of it", words=(Word(0, 1, " all", 1.0),))
    assert lines(broken) == [("all of it",)]


def test_japanese_counts_two_columns_and_keeps_its_rules() -> None:
    text = "今日は天気がいいですね。散歩に行きましょうか、それとも本を読みましょうか。「はい、そうしましょう」と彼。"
    cues = lines(Segment(0, 14, text))
    assert len(cues) >= 2
    for line in (line for cue in cues for line in cue):
        assert line[0] not in "。、」っー"
        assert line[-1] != "「"
        assert width(line) <= COLUMNS


def test_thai_vowels_stay_with_their_consonants() -> None:
    text = "ผมชื่อสมชายและผมมาจากกรุงเทพมหานครเมืองหลวงของประเทศไทยครับผม" * 2
    for line in (line for cue in lines(Segment(0, 20, text)) for line in cue):
        assert line[0] not in "ะาำ่้ีุืั็์ๆ"
        assert line[-1] not in "เแโใไ"


def test_arabic_keeps_its_order() -> None:
    text = "مرحبا بكم في هذا البرنامج، كيف حالكم اليوم؟"
    assert " ".join(" ".join(cue) for cue in lines(Segment(0, 6, text))) == text


def test_french_signs_stay_with_their_word() -> None:
    text = "Est-ce que vous voulez vraiment y aller ? Je ne sais pas encore ce que nous allons faire !"
    assert all(line[0] not in "?!" for cue in lines(Segment(0, 8, text)) for line in cue)


def test_an_address_longer_than_a_line_is_cut() -> None:
    cues = lines(Segment(0, 6, "see " + "x" * 100))
    assert "".join("".join(cue) for cue in cues) == "see" + "x" * 100


def test_segments_without_blanks_between_them_do_not_grow_together() -> None:
    assert lines(Segment(0, 1, "One."), Segment(1, 2, "Two.")) in ([("One. Two.",)], [("One.",), ("Two.",)])


def test_channels_are_cut_on_their_own() -> None:
    cues = cut(
        Transcript((Segment(0, 5, " Hello there.", channel=0), Segment(2, 4, " Hi.", channel=1)), "en", 6.0, "base")
    )
    assert [(cue.label, cue.lines) for cue in cues] == [("Channel 1", ("Hello there.",)), ("Channel 2", ("Hi.",))]
