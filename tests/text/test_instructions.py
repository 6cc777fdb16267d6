# SPDX-License-Identifier: Apache-2.0
"""What people ask for, in the words that they ask with."""

from __future__ import annotations

import pytest

from harken.errors import InvalidOption
from harken.text.instructions import Section, about_all, notes, sections

SUMMARY, TOPICS, ACTIONS, TEXT = Section
NOTES = (SUMMARY, TOPICS, ACTIONS)

ASKED: dict[str, tuple[Section, ...]] = {
    # English
    "Summarise this call": (SUMMARY,),
    "Please sum the whole thing up": (SUMMARY,),
    "Give me the key takeaways": (SUMMARY,),
    "TL;DR": (SUMMARY,),
    "What was discussed?": (SUMMARY,),
    "What is this call about?": (SUMMARY,),
    "The most important points, as bullets": (SUMMARY,),
    "Write up meeting notes": NOTES,
    "Minutes of the meeting, please": NOTES,
    "Extract the action items": (ACTIONS,),
    "Who has to do what?": (ACTIONS,),
    "Next steps and a to-do list": (ACTIONS,),
    "Which topics came up? Add keywords.": (TOPICS,),
    "Clean this up into paragraphs": (TEXT,),
    "A readable full text": (TEXT,),
    # German
    "Fasse das Gespräch zusammen": (SUMMARY,),
    "Fassen Sie bitte kurz zusammen, was gesagt wurde": (SUMMARY,),
    "Kannst du das zusammenfassen?": (SUMMARY,),
    "Eine knappe Zusammenfassung": (SUMMARY,),
    "Bitte alles zusammengefasst": (SUMMARY,),
    "Das Wichtigste in Kürze": (SUMMARY,),
    "Worum geht es?": (SUMMARY,),
    "Ein Überblick in Stichpunkten": (SUMMARY,),
    "Schreib ein Sitzungsprotokoll": NOTES,
    "Besprechungsnotizen": NOTES,
    "Wer macht was?": (ACTIONS,),
    "Liste Maßnahmen und nächste Schritte auf": (ACTIONS,),
    "Aufgabenliste": (ACTIONS,),
    "Hauptthemen und Schlagwörter": (TOPICS,),
    "Als gut lesbarer Fließtext": (TEXT,),
    "Sauberes Transkript mit Absätzen": (TEXT,),
    # Spanish
    "Resume la conversación": (SUMMARY,),
    "Hazme un resumen": (SUMMARY,),
    "Resúmelo en pocas palabras": (SUMMARY,),
    "Los puntos más importantes": (SUMMARY,),
    "¿De qué se habló?": (SUMMARY,),
    "Redacta el acta de la reunión": NOTES,
    "Notas de la reunión": NOTES,
    "Enumera las tareas pendientes": (ACTIONS,),
    "Puntos de acción y próximos pasos": (ACTIONS,),
    "Los temas y las palabras clave": (TOPICS,),
    "Un texto limpio en párrafos": (TEXT,),
    "Una transcripción legible": (TEXT,),
    # French
    "Résume la conversation": (SUMMARY,),
    "Fais-moi une synthèse": (SUMMARY,),
    "Résumez l\u2019essentiel en quelques mots": (SUMMARY,),
    "De quoi ont-ils parlé ?": (SUMMARY,),
    "Les points clés": (SUMMARY,),
    "Rédige le compte rendu de la réunion": NOTES,
    "Un procès-verbal": NOTES,
    "Liste les tâches et les prochaines étapes": (ACTIONS,),
    "Qui fait quoi ?": (ACTIONS,),
    "Ce qui reste à faire": (ACTIONS,),
    "Les sujets et les mots-clés": (TOPICS,),
    "Mets le texte au propre, en paragraphes": (TEXT,),
    "Une transcription lisible": (TEXT,),
}

BEYOND = [
    "Write a poem about the sea",
    "I want you to do a drawing",
    "How satisfied is the customer?",
    "Every transaction with its amount",
    "Translate the transcript into French",
    "Übersetze die Zusammenfassung ins Englische",
    "Traduce el resumen al inglés",
    "Traduis le résumé en anglais",
    "Rewrite the first 5 minutes as a letter",
    "Schreibe ein Gedicht",
    "Escribe una carta",
    "Écris une lettre",
]


@pytest.mark.parametrize("asked", ASKED)
def test_what_is_asked_for(asked: str) -> None:
    assert sections(asked) == ASKED[asked]
    assert sections(asked.upper()) == ASKED[asked]
    assert notes(asked) == (ASKED[asked] == NOTES)


@pytest.mark.parametrize("asked", BEYOND)
def test_what_only_a_writer_can_do_is_refused(asked: str) -> None:
    with pytest.raises(InvalidOption, match="HARKEN_LLM_BASE_URL"):
        sections(asked)


def test_nothing_asked_is_clean_text() -> None:
    assert sections(" \n") == (TEXT,)


@pytest.mark.parametrize(
    "question", ["Worum ging es?", "What is it about?", "Fasse es zusammen", "De quoi s'agit-il ?", "¿De qué trata?"]
)
def test_questions_about_all(question: str) -> None:
    assert about_all(question)


@pytest.mark.parametrize("question", ["What about the red boat?", "Wann kommen sie zusammen?", "Where is Anna?"])
def test_questions_about_a_part(question: str) -> None:
    assert not about_all(question)
