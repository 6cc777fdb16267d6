# SPDX-License-Identifier: Apache-2.0
"""What an instruction asks for, as far as it can be done by choosing sentences: which sections a text is to have.

Told by single words, in a handful of languages. A language model needs none of this; it reads the instruction itself.
"""

from __future__ import annotations

import enum
import re

from harken.errors import InvalidOption
from harken.text import words


class Section(enum.Enum):
    """A part of a formatted text."""

    HIGHLIGHTS = "Highlights"
    TOPICS = "Topics"
    ACTIONS = "Possible action items"
    PARAGRAPHS = "Transcript"


_NOTES = re.compile(
    r"\b(?:notes?|minutes|protokoll\w*|notizen|compte[- ]rendu|proces[- ]verbal|acta|notas|verbale|appunti|ata"
    r"|notulen|verslag)\b"
)
_ASKED = {
    Section.HIGHLIGHTS: re.compile(
        r"summar|recap|overview|\btl;?dr\b|highlight|key point|main point|bullet|zusammenfass|stichpunkt|\bresum"
        r"|riassun|samenvat|sintes|puntos clave|points cles|pontos"
    ),
    Section.TOPICS: re.compile(r"topic|theme|keyword|\bthemen\b|stichwort|sujets|\btemas\b|argomenti|onderwerp"),
    Section.ACTIONS: re.compile(
        r"action|to-?do|\btasks?\b|next step|follow[- ]?up|aufgabe|taches?\b|tareas|acciones|azioni|compiti|tarefas"
        r"|acoes|actiepunt|\btaken\b"
    ),
    Section.PARAGRAPHS: re.compile(
        r"paragraph|clean|transcri|verbatim|readable|absatz|absatze|lesbar|paragraf|parrafo|alinea|leggibile"
    ),
}


def sections(instruction: str) -> tuple[Section, ...]:
    """The sections that the instruction asks for; meeting notes have three. An empty one wants paragraphs.

    Raises:
        InvalidOption: none of them is asked for, so somebody would have to write.
    """
    folded = words.fold(instruction)
    if not folded.strip():
        return (Section.PARAGRAPHS,)
    found = {section for section, pattern in _ASKED.items() if pattern.search(folded)}
    if _NOTES.search(folded):
        found |= {Section.HIGHLIGHTS, Section.TOPICS, Section.ACTIONS}
    if not found:
        raise InvalidOption(
            "without a language model an instruction can ask for meeting notes, action items, a summary, topics or "
            "clean paragraphs; for anything else the operator sets HARKEN_LLM_BASE_URL",
            param="instruction",
        )
    return tuple(section for section in Section if section in found)


def notes(instruction: str) -> bool:
    """Whether it asks for the notes of a meeting."""
    return _NOTES.search(words.fold(instruction)) is not None


def about_all(question: str) -> bool:
    """Whether a question is about the whole recording."""
    folded = words.fold(question)
    return any(_ASKED[section].search(folded) for section in (Section.HIGHLIGHTS, Section.TOPICS))
