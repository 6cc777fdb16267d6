# SPDX-License-Identifier: Apache-2.0
"""What a recording is about, and what somebody is to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.text.meetings import call, meeting

from harken.text import actions, topics
from harken.text.spoken import Spoken, transcript_of


def _topics(text: str, language: str = "") -> tuple[str, ...]:
    spoken = Spoken(transcript_of(full_text=text))
    return topics.find([one.text for one in spoken.sentences], language).names


def test_topics_of_a_meeting() -> None:
    spoken = Spoken(meeting())
    found = topics.find([one.text for one in spoken.sentences], "en", spoken.speakers).names
    assert found[:4] == ("mobile app", "search redesign", "billing migration", "budget")
    assert not {"yeah", "okay", "Sarah", "John", "Tom", "Friday", "April"} & set(found)


def test_topics_of_a_telephone_call(sample_wav: Path) -> None:
    spoken = Spoken(call(sample_wav.with_suffix(".stm")))
    found = topics.find([one.text for one in spoken.sentences], "en", spoken.speakers).names
    assert found[:2] == ("New Jersey", "Chicago")
    assert not {"Diane", "Sheila", "hello"} & set(found)


def test_an_adjective_is_no_topic() -> None:
    found = _topics("The damn trendy one is yellow. A trendy thing, yeah. The remote control is yellow. Yeah, yeah.")
    assert "remote control" in " ".join(found) or "control" in found
    assert not {"trendy", "damn trendy", "yeah", "damn"} & set(found)


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        (
            "Wir haben über das neue Lager gesprochen. Das Lager ist zu klein, und die Kosten für das Lager steigen.",
            "Lager",
        ),
        ("On parle de l'horloge du village. L'horloge est en panne, et l'horloge sonne encore.", "horloge"),
        ("Hablamos de la reunión del equipo. La reunión es mañana y la reunión es larga.", "reunión"),
        ("今天我们讨论了预算问题。预算问题非常重要。", "预算问题"),
        ("新しいプロジェクトの話です。プロジェクトは来月です。", "プロジェクト"),
        ("Tänään puhumme kirjastosta. Kirjastosta on tullut hyvä paikka kaikille.", "kirjastosta"),
    ],
)
def test_topics_in_other_languages(text: str, topic: str) -> None:
    assert topic in {name.lower() if name.islower() or topic.islower() else name for name in _topics(text)}


def test_nothing_said_has_no_topics() -> None:
    assert topics.find([], "en").names == ()
    assert _topics("Yeah. Okay. Right, yeah, um, okay. I know.", "en") == ()


@pytest.mark.parametrize(
    ("sentence", "language"),
    [
        ("I'll send the design specs to Sarah by Friday.", "en"),
        ("I\u2019ll send it to you.", "en"),
        ("We need to book a room.", "en"),
        ("John will review the specs.", "en"),
        ("Could you please call the bank?", "en"),
        ("Ich werde bis Freitag die Zahlen schicken.", "de"),
        ("Könnten Sie bitte die Folien schicken?", "de"),
        ("Il faut appeler le réparateur.", "fr"),
        ("Tenemos que llamar al cliente.", "es"),
        ("Dobbiamo chiamare il cliente.", "it"),
        ("Precisamos ligar para o cliente.", "pt"),
        ("Ik zal morgen de cijfers sturen.", "nl"),
    ],
)
def test_finds_possible_actions(sentence: str, language: str) -> None:
    assert actions.possible(sentence, language)


@pytest.mark.parametrize(
    "sentence",
    ["Yeah.", "I think that is nice.", "The billing migration needs six weeks.", "You have to understand me.", ""],
)
def test_leaves_other_sentences(sentence: str) -> None:
    assert not actions.possible(sentence, "en")
    assert not actions.possible(sentence, "xx")
