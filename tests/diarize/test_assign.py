# SPDX-License-Identifier: Apache-2.0
"""Words to speakers: by overlap, by sentence where turns are a little off, and segments cut where that helps."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from harken.diarize.assign import assign, by_channel
from harken.model import Diarization, Segment, Speaker, Transcript, Turn, Word

A, B, C = "SPEAKER_00", "SPEAKER_01", "SPEAKER_02"


def spoken(text: str, start: float = 0.0, step: float = 0.3, **more: object) -> Segment:
    """A segment whose words follow each other without pause, each of ``step`` seconds."""
    words = tuple(
        Word(start + index * step, start + (index + 1) * step, " " + word, 0.9)
        for index, word in enumerate(text.split())
    )
    return Segment(start, words[-1].end, " " + text, words=words, **more)  # type: ignore[arg-type]


def transcript(*segments: Segment) -> Transcript:
    return Transcript(segments=segments, language="en", duration=60.0, model="base")


def diarization(*turns: tuple[float, float, str], confidence: float | None = 0.9) -> Diarization:
    ids = sorted({speaker for _, _, speaker in turns})
    return Diarization(
        turns=tuple(Turn(start, end, speaker, confidence) for start, end, speaker in sorted(turns)),
        speakers=tuple(Speaker(name, centroid=(1.0, 0.0)) for name in ids),
    )


def said(found: Transcript) -> list[tuple[str | None, str]]:
    return [(segment.speaker, segment.text) for segment in found.segments]


def owners(found: Transcript) -> list[str | None]:
    return [word.speaker for word in found.words]


def test_a_segment_is_cut_where_another_speaker_answers() -> None:
    before = transcript(spoken("How are you? Fine, thank you.", avg_logprob=-0.2, language="en", tokens=(1, 2, 3)))
    found = assign(before, diarization((0.0, 0.9, A), (0.9, 1.8, B)))
    assert said(found) == [(A, " How are you?"), (B, " Fine, thank you.")]
    first, second = found.segments
    assert [first.start, first.end, second.start, second.end] == pytest.approx([0.0, 0.9, 0.9, 1.8])
    assert first.avg_logprob == second.avg_logprob == -0.2
    assert first.language == second.language == "en"
    assert first.tokens == second.tokens == ()
    assert found.text == before.text
    assert [word.text for word in found.words] == [word.text for word in before.words]
    assert found.turns == diarization((0.0, 0.9, A), (0.9, 1.8, B)).turns
    assert [speaker.id for speaker in found.speakers] == [A, B]
    assert found.speakers[0].centroid == (1.0, 0.0)


def test_a_segment_of_one_speaker_stays_whole() -> None:
    before = transcript(spoken("How are you?", tokens=(1, 2, 3)), spoken("Fine.", 2.0))
    found = assign(before, diarization((0.0, 1.0, A), (1.9, 2.4, B)))
    assert said(found) == [(A, " How are you?"), (B, " Fine.")]
    assert found.segments[0].tokens == (1, 2, 3)


def test_a_word_inside_a_sentence_is_not_given_away_by_a_turns_edge() -> None:
    # The answer's turn begins a word too early, and in the middle one word belongs to nobody's voice.
    before = transcript(spoken("I asked you how you are today. Fine, thank you so much."))
    found = assign(before, diarization((0.0, 1.8, A), (1.8, 3.6, B)))
    assert said(found) == [(A, " I asked you how you are today."), (B, " Fine, thank you so much.")]
    found = assign(before, diarization((0.0, 0.9, A), (0.9, 1.2, B), (1.2, 2.1, A), (2.1, 3.6, B)))
    assert said(found) == [(A, " I asked you how you are today."), (B, " Fine, thank you so much.")]


def test_one_word_that_is_a_sentence_may_be_someone_elses() -> None:
    before = transcript(spoken("We went home. Yeah. And then we slept."))
    found = assign(before, diarization((0.0, 0.9, A), (0.9, 1.2, B), (1.2, 2.4, A)))
    assert said(found) == [(A, " We went home."), (B, " Yeah."), (A, " And then we slept.")]


def test_a_change_without_punctuation_is_believed_when_enough_words_say_so() -> None:
    before = transcript(spoken("we went home and then you came too late"))
    found = assign(before, diarization((0.0, 1.5, A), (1.5, 2.7, B)))
    assert said(found) == [(A, " we went home and then"), (B, " you came too late")]


def test_a_pause_is_a_place_to_change() -> None:
    first, second = spoken("we went home"), spoken("no", 1.8)
    segment = Segment(0.0, 2.1, " we went home no", words=(*first.words, *second.words))
    found = assign(transcript(segment), diarization((0.0, 0.9, A), (1.7, 2.2, B)))
    assert said(found) == [(A, " we went home"), (B, " no")]


def test_words_outside_all_turns_go_to_the_nearest() -> None:
    found = assign(
        transcript(spoken("Hello there.", 2.0), spoken("And you?", 8.4)),
        diarization((0.0, 1.5, A), (9.2, 12.0, B)),
    )
    assert owners(found) == [A, A, B, B]
    found = assign(transcript(spoken("Hello.", 30.0)), diarization((0.0, 1.5, A), (9.2, 12.0, B)))
    assert owners(found)[0] in {A, B}


def test_a_word_stretched_over_a_pause_is_its_beginnings() -> None:
    stretched = Word(0.0, 3.0, " so.", 0.9)
    answer = Word(3.0, 3.3, " Right.", 0.9)
    segment = Segment(0.0, 3.3, " so. Right.", words=(stretched, answer))
    found = assign(transcript(segment), diarization((0.0, 0.7, A), (0.9, 4.0, B)))
    assert said(found) == [(A, " so."), (B, " Right.")]
    assert found.words[0].end == 3.0


def test_overlap_goes_on_with_whom_it_fits() -> None:
    # Someone says a word into a sentence; the sentence stays its speaker's.
    before = transcript(spoken("I think that we should all go home now."))
    found = assign(before, diarization((0.0, 2.7, A), (0.9, 1.3, B)))
    assert said(found) == [(A, before.segments[0].text)]
    # Both speak at the change: what follows is the second's.
    before = transcript(spoken("I think that we should go. You should not."))
    found = assign(before, diarization((0.0, 1.9, A), (1.6, 2.8, B)))
    assert said(found) == [(A, " I think that we should go."), (B, " You should not.")]


def test_confidence_is_the_turns_and_how_clear_it_is() -> None:
    before = transcript(spoken("I think that we should all go home now."), spoken("No.", 4.0))
    found = assign(
        before,
        Diarization(
            turns=(Turn(0.0, 2.7, A, 0.8), Turn(0.9, 1.2, B, 0.6), Turn(3.9, 4.4, B, 0.6)),
            speakers=(Speaker(A), Speaker(B)),
        ),
    )
    confidences = [word.speaker_confidence for word in found.segments[0].words]
    assert confidences == pytest.approx([0.8, 0.8, 0.8, 0.4, 0.8, 0.8, 0.8, 0.8, 0.8], abs=1e-3)
    assert found.segments[0].speaker_confidence == pytest.approx((8 * 0.8 + 0.4) / 9, abs=2e-3)
    assert found.segments[1].speaker_confidence == pytest.approx(0.6)


def test_one_speaker_has_everything_and_no_confidence() -> None:
    found = assign(transcript(spoken("Hello there."), spoken("Again.", 5.0)), diarization((0.0, 0.4, A)))
    assert owners(found) == [A, A, A]
    assert {segment.speaker for segment in found.segments} == {A}
    assert {segment.speaker_confidence for segment in found.segments} == {None}
    assert {word.speaker_confidence for word in found.words} == {None}


def test_without_speakers_nothing_changes() -> None:
    before = transcript(spoken("Hello there."))
    assert assign(before, Diarization()) == before
    again = assign(assign(before, diarization((0.0, 0.3, A), (0.3, 0.6, B))), Diarization())
    assert not again.speakers
    assert not again.turns
    assert {segment.speaker for segment in again.segments} == {None}
    assert set(owners(again)) == {None}


def test_segments_without_words_go_to_who_speaks_most() -> None:
    before = transcript(Segment(0.0, 4.0, " Wir gingen heim."), Segment(6.0, 7.0, " Ja."))
    found = assign(before, diarization((0.0, 3.0, A), (3.0, 5.5, B), (9.0, 12.0, A)))
    assert said(found) == [(A, " Wir gingen heim."), (B, " Ja.")]
    assert found.segments[0].speaker_confidence == pytest.approx(0.9 * 0.75)


@pytest.mark.parametrize("text", ["  How are you?  Fine. ", "How are you?Fine.", " How  are you?\nFine."])
def test_blanks_of_the_text_stay_as_they_are(text: str) -> None:
    base = spoken("How are you? Fine.")
    before = transcript(Segment(0.0, 1.2, text, words=base.words))
    found = assign(before, diarization((0.0, 0.9, A), (0.9, 1.2, B)))
    assert len(found.segments) == 2
    assert "".join(segment.text for segment in found.segments) == text


def test_a_text_that_its_words_do_not_make_up_is_not_cut() -> None:
    base = spoken("How are you? Fine.")
    before = transcript(Segment(0.0, 1.2, " How is it going? Fine.", words=base.words))
    found = assign(before, diarization((0.0, 0.9, A), (0.9, 1.2, B)))
    assert said(found) == [(A, " How is it going? Fine.")]
    assert owners(found) == [A, A, A, B]


def test_text_without_blanks_is_cut_too() -> None:
    words = tuple(Word(i * 0.3, (i + 1) * 0.3, char, 0.9) for i, char in enumerate(["你", "好", "吗？", "好", "的。"]))  # noqa: RUF001
    found = assign(
        transcript(Segment(0.0, 1.5, "你好吗？好的。", words=words)),  # noqa: RUF001
        diarization((0.0, 0.9, A), (0.9, 1.5, B)),
    )
    assert said(found) == [(A, "你好吗？"), (B, "好的。")]  # noqa: RUF001


def test_three_speakers_and_turns_in_any_order() -> None:
    before = transcript(spoken("One. Two. Three.", step=1.0))
    mixed = Diarization(
        turns=(Turn(2.0, 3.0, C, 0.9), Turn(0.0, 1.0, A, 0.9), Turn(1.0, 2.0, B, 0.9)),
        speakers=(Speaker(A), Speaker(B), Speaker(C)),
    )
    assert said(assign(before, mixed)) == [(A, " One."), (B, " Two."), (C, " Three.")]


def test_a_transcript_of_hours_with_thousands_of_turns() -> None:
    turns = [(3.0 * at, 3.0 * at + 2.6, (A, B, C)[at % 3]) for at in range(4000)]
    before = transcript(*(spoken("one two three four five six seven eight.", start) for start, _, _ in turns))
    found = assign(before, diarization(*turns))
    assert [segment.speaker for segment in found.segments] == [speaker for _, _, speaker in turns]


def channel_of(channel: int | None, segments: Sequence[Segment]) -> list[Segment]:
    return [
        Segment(item.start, item.end, item.text, words=item.words, channel=channel, speaker_confidence=0.5)
        for item in segments
    ]


def test_every_channel_that_has_words_is_a_speaker() -> None:
    before = transcript(
        *channel_of(0, [spoken("Hello there.", 1.0), spoken("You too.", 1.9), spoken("Bye.", 10.0)]),
        *channel_of(2, [Segment(3.0, 4.0, " Hi.")]),
        *channel_of(1, [Segment(6.0, 7.0, " ")]),
    )
    found = by_channel(before)
    assert [item.id for item in found.speakers] == [A, C]
    assert [item.speaking_time for item in found.speakers] == pytest.approx([1.8, 1.0])
    assert [(round(turn.start, 6), round(turn.end, 6), turn.speaker, turn.confidence) for turn in found.turns] == [
        (1.0, 2.5, A, None),
        (3.0, 4.0, C, None),
        (10.0, 10.3, A, None),
    ]
    assert [segment.speaker for segment in found.segments[:4]] == [A, A, A, C]
    assert {word.speaker for word in found.segments[0].words} == {A}
    assert {segment.speaker_confidence for segment in found.segments} == {None}
    assert found.text == before.text


def test_without_channels_there_is_nothing_to_tell_apart() -> None:
    before = transcript(spoken("Hello there."))
    assert by_channel(before) == before
