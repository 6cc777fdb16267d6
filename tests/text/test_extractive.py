# SPDX-License-Identifier: Apache-2.0
"""The provider that quotes: highlights, notes and answers, verbatim, and never more words than were asked for."""

# ruff: noqa: RUF001  (full-width punctuation is what is tested)

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.text.meetings import call, long_meeting, meeting, said

from harken.errors import InvalidOption, JobCancelled
from harken.model import Message, Style, Transcript, plain, text_result_from
from harken.model.texts import STYLES
from harken.text import words
from harken.text.extractive import Extractive
from harken.text.markdown import escape
from harken.text.provider import NOT_FOUND, Watch
from harken.text.spoken import Spoken, transcript_of

EXTRACTIVE = Extractive()


def ask(transcript: Transcript, *questions: str, max_tokens: int = 500) -> str:
    messages: list[Message] = []
    for question in questions:
        messages += [Message("user", question), Message("assistant", "hm")]
    return EXTRACTIVE.chat(transcript, messages[:-1], max_tokens=max_tokens).text


def quotes(text: str) -> list[str]:
    """What is quoted, without marks, times and names."""
    return [re.sub(r"^(?:- |\* )*(?:[\w ]+: )?\[[\d:]+\] [\w ]+: ", "", line) for line in text.splitlines()]


def test_highlights_are_verbatim_with_speaker_and_time() -> None:
    found = EXTRACTIVE.summarise(meeting(), style="bullet_points", max_length=80)
    assert "- [00:49] Tom: Honestly the search redesign can wait until April, the customers" in found.text
    whole = Spoken(meeting()).text
    assert all(quote in whole for quote in quotes(found.text))
    assert found.generated is False
    assert found.model == "extractive"
    assert found.warnings == ()
    assert found.topics[:2] == ("mobile app", "search redesign")
    lines = meeting().segments
    assert all(source.start == lines[source.index].start for source in found.sources)
    assert {2, 10} <= {source.index for source in found.sources}
    assert text_result_from(plain(found)) == found


def test_quotes_say_what_is_known_of_them() -> None:
    timed, said = meeting(), "Then we move the search redesign to the second quarter."
    nobody = replace(timed, segments=tuple(replace(one, speaker=None) for one in timed.segments), speakers=())
    untimed = replace(timed, segments=tuple(replace(one, start=0.0, end=0.0) for one in timed.segments), duration=0.0)
    for transcript, head in ((timed, "[01:03] John:"), (nobody, "[01:03]"), (untimed, "John:")):
        told = EXTRACTIVE.summarise(transcript, style="key_points", max_length=200).text
        assert f"- search redesign: {head} {said}" in told.splitlines()
    assert "]:" not in ask(nobody, "What was decided about the search redesign?")


def test_highlights_come_from_the_whole_recording() -> None:
    transcript = long_meeting(400)
    found = EXTRACTIVE.summarise(transcript, style="bullet_points", max_length=150)
    places = [source.start / transcript.duration for source in found.sources]
    assert len(places) >= 5
    assert min(places) < 0.25
    assert max(places) > 0.75
    assert all(any(low <= place < low + 0.4 for place in places) for low in (0.0, 0.2, 0.4, 0.6))


def test_a_short_recording_is_not_given_back_whole() -> None:
    assert words.count(EXTRACTIVE.summarise(meeting(), max_length=5000).text) <= 62


def test_key_points_name_their_topic() -> None:
    found = EXTRACTIVE.summarise(meeting(), style="key_points", max_length=80)
    assert "- search redesign: [01:03] John: Then we move the search redesign to the second quarter." in found.text


@pytest.mark.parametrize("style", STYLES)
def test_the_telephone_call(sample_wav: Path, style: Style) -> None:
    found = EXTRACTIVE.summarise(call(sample_wav.with_suffix(".stm")), style=style, max_length=60)
    assert "Diane" in found.text
    assert "New Jersey" in found.text
    assert "Hello?" not in found.text
    assert words.count(found.text) <= 60


SCRIPTS = st.sampled_from(
    [
        "Yes.",
        "The budget is 20,000.",
        "今日は晴れです。",
        "วันนี้ประชุมเรื่องงบ",
        "I will send it to Bob by Friday!",
        "Äh, ja",
        "# <b>[x](y)</b> *",
        "...",
    ]
)
NAMES = st.sampled_from([None, "Anna", "B\n# ob"])


@given(
    st.lists(
        st.tuples(st.sampled_from([None, "Anna", "B\n# ob"]), st.lists(SCRIPTS, min_size=1).map(" ".join)), max_size=12
    ),
    st.integers(1, 120),
    st.sampled_from(STYLES),
)
def test_max_length_holds(rows: list[tuple[str | None, str]], limit: int, style: Style) -> None:
    found = EXTRACTIVE.summarise(said(rows), style=style, max_length=limit)
    assert len(found.text.split()) <= words.count(found.text) <= limit
    assert bool(found.text) == bool(rows)
    assert EXTRACTIVE.summarise(said(rows), style=style, max_length=limit) == found


@given(st.text(max_size=80))
def test_escaped_text_is_no_markup(text: str) -> None:
    escaped = escape(text)
    assert re.sub(r"\\([\\`*_\[\]<>&~|${}])", r"\1", escaped) == text
    assert not re.search(r"(?<!\\)(?:\\\\)*[`*\[\]<>&~|${}]", escaped)
    for run in re.finditer(r"(?<![_\\])_+", escaped):
        sides = escaped[: run.start()][-1:] + escaped[run.end() :][:1]
        assert len(sides) == 2, "an underscore that may begin or end emphasis"
        assert sides.isalnum(), "an underscore that may begin or end emphasis"


def test_an_underscore_in_a_word_stays() -> None:
    assert escape("SPEAKER_00 x__y _a_ b_ _ äh_éx") == "SPEAKER_00 x__y \\_a\\_ b\\_ \\_ äh_éx"


def test_meeting_notes() -> None:
    found = EXTRACTIVE.format_text(meeting(), "Format as meeting notes with action items")
    assert found.text.startswith("# Meeting notes\n\n*Quoted from the recording.")
    assert "**Speakers:** John, Sarah, Tom" in found.text
    sections = re.findall(r"^## (.*)$", found.text, re.MULTILINE)
    assert sections == ["Highlights", "Topics", "Possible action items"]
    assert re.findall(r"^- \[ \] \[[\d:]+\] \*\*(\w+):\*\* (.*)$", found.text, re.MULTILINE) == [
        ("John", "I'll review the design specs for the mobile app by Friday."),
        ("Sarah", "Great, and I will schedule a follow-up with the finance team."),
        ("Tom", "Could you send me the invoice export, Sarah?"),
        ("Tom", "We should hire another engineer for the mobile app."),
        ("John", "Let's talk to Maria about the budget."),
    ]


@pytest.mark.parametrize(
    ("instruction", "sections"),
    [
        ("Summarize the conversation", ["Highlights"]),
        ("List all tasks and to-dos", ["Possible action items"]),
        ("Welche Themen wurden besprochen? Protokoll mit Aufgaben", ["Highlights", "Topics", "Possible action items"]),
        ("Fais un compte-rendu", ["Highlights", "Topics", "Possible action items"]),
        ("A recap and a clean transcript", ["Highlights", "Transcript"]),
        ("Fasse das Gespräch zusammen und liste die Aufgaben auf", ["Highlights", "Possible action items"]),
    ],
)
def test_follows_the_instructions_that_it_can(instruction: str, sections: list[str]) -> None:
    found = EXTRACTIVE.format_text(meeting(), instruction)
    assert re.findall(r"^## (.*)$", found.text, re.MULTILINE) == sections


def test_refuses_the_others() -> None:
    for act in (EXTRACTIVE.check_instruction, lambda text: EXTRACTIVE.format_text(meeting(), text)):
        with pytest.raises(InvalidOption, match="HARKEN_LLM_BASE_URL") as caught:
            act("Translate it into French verse")
        assert caught.value.param == "instruction"


def test_clean_paragraphs_keep_every_word() -> None:
    found = EXTRACTIVE.format_text(meeting())
    assert found.text.startswith(
        "**John:** Welcome to today's meeting everybody, thanks for joining.\n\n**Sarah:** Hi John"
    )
    unmarked = re.sub(r"\*\*\w+:\*\* ", "", found.text)
    assert unmarked.split() == Spoken(meeting()).text.split()
    assert len(found.sources) == len(meeting().segments)
    alone = said([("SPEAKER_00", "Only one speaks. - Nobody else.")])
    assert EXTRACTIVE.format_text(alone).text == "Only one speaks. - Nobody else."


def test_what_was_said_is_no_markup() -> None:
    hostile = said(
        [("<b>Eve</b>", "# <script>alert(1)</script> ![x](http://evil) - [ ] I will send it."), ("Bob", "- ok")]
    )
    for instruction in ("", "meeting notes"):
        text = EXTRACTIVE.format_text(hostile, instruction).text
        assert "\\<script\\>" in text
        assert not re.search(r"(?<!\\)<", text)
        assert "![" not in text
        assert not re.search(r"^# \\<script", text, re.MULTILINE)
    assert EXTRACTIVE.format_text(said([(None, "1. one")])).text == "\\1. one"


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("When does the contract end?", "the contract with Stripe ends in March"),
        ("How much money do we lose?", "we lose 20,000 dollars a month"),
        ("What did Tom say about customers?", "the customers don't complain about search"),
        ("What did speaker 3 request?", "[00:42] Tom: Could you send me the invoice export, Sarah?"),
        ("What is this about?", "three priorities, the mobile app, the billing migration"),
        ("Summarise the call", "three priorities, the mobile app, the billing migration"),
    ],
)
def test_answers_with_quotes(question: str, answer: str) -> None:
    assert answer in ask(meeting(), question)


def test_says_what_is_not_there() -> None:
    assert ask(meeting(), "Who is the president of France?") == NOT_FOUND
    assert EXTRACTIVE.chat(transcript_of(), [Message("user", "Hello there, budget?")]).text == NOT_FOUND


def test_a_question_that_says_nothing_goes_on_with_the_one_before() -> None:
    assert "ends in March" in ask(meeting(), "When does the contract with Stripe end?", "And why is that so?")


def test_answers_hold_max_tokens_and_count_them() -> None:
    found = EXTRACTIVE.chat(long_meeting(60), [Message("user", "billing migration?")], max_tokens=40)
    assert words.tokens(found.text) <= 60
    assert found.usage.completion == words.tokens(found.text)
    assert found.usage.prompt > 600
    assert found.usage.total == found.usage.prompt + found.usage.completion


@pytest.mark.parametrize(
    ("text", "question", "answer"),
    [
        ("今天我们讨论了预算。市场部需要更多的资金。张伟会准备报告。", "市场部需要什么？", "市场部需要更多的资金"),
        ("今日は会議です。田中さんが資料を準備します。", "資料は誰が準備しますか", "田中さんが資料を準備します"),
        ("ناقشنا اليوم الخطة. الميزانية مهمة جدا.", "ما هي الميزانية؟", "الميزانية مهمة جدا"),
        ("Wir treffen uns am Montag. Das Lager in Hamburg ist zu klein.", "Wo ist das Lager?", "Das Lager in Hamburg"),
    ],
)
def test_other_languages(text: str, question: str, answer: str) -> None:
    transcript = transcript_of(full_text=text)
    assert answer in ask(transcript, question)
    assert EXTRACTIVE.summarise(transcript, max_length=40).text
    assert EXTRACTIVE.format_text(transcript, "meeting notes").text


def test_nothing_said() -> None:
    for transcript in (transcript_of(), said([("Anna", "  ")])):
        assert EXTRACTIVE.summarise(transcript).text == ""
        assert EXTRACTIVE.summarise(transcript).warnings == ("nothing was said in the recording",)
        assert EXTRACTIVE.format_text(transcript).text == ""
        assert "Nothing was said." in EXTRACTIVE.format_text(transcript, "meeting notes").text


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"style": "haiku"}, "format"),
        ({"max_length": 0}, "max_length"),
    ],
)
def test_refuses_a_summary_that_nobody_can_make(asked: dict[str, object], param: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        EXTRACTIVE.summarise(meeting(), **asked)  # type: ignore[arg-type]
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("messages", "asked", "param"),
    [
        ([], {}, "messages"),
        ([Message("user", " ")], {}, "messages"),
        ([Message("assistant", "hi")], {}, "messages"),
        ([Message("tool", "x"), Message("user", "hi")], {}, "messages"),  # type: ignore[arg-type]
        ([Message("user", "hi")], {"temperature": 2.5}, "temperature"),
        ([Message("user", "hi")], {"max_tokens": 0}, "max_tokens"),
    ],
)
def test_refuses_a_chat_that_cannot_go_on(messages: list[Message], asked: dict[str, object], param: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        EXTRACTIVE.chat(meeting(), messages, **asked)  # type: ignore[arg-type]
    assert caught.value.param == param


def test_stops_when_nobody_wants_it() -> None:
    watch = Watch(cancelled=lambda: True)
    with pytest.raises(JobCancelled):
        EXTRACTIVE.summarise(meeting(), watch=watch)
    with pytest.raises(JobCancelled):
        EXTRACTIVE.chat(meeting(), [Message("user", "hi")], watch=watch)


def test_stops_when_nobody_wants_it_any_more() -> None:
    for work in (
        EXTRACTIVE.summarise,
        partial(EXTRACTIVE.format_text, instruction="meeting notes"),
        partial(EXTRACTIVE.chat, messages=[Message("user", "billing?")]),
    ):
        told: list[float] = []
        with pytest.raises(JobCancelled):
            work(meeting(), watch=Watch(cancelled=partial(bool, told), progress=told.append))
        assert told == [0.5]
