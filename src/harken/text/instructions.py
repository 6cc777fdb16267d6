# SPDX-License-Identifier: Apache-2.0
"""What an instruction asks for, as far as it can be done by choosing sentences: which sections a text is to have.

Told by the words that people ask with, in a handful of languages. A language model needs none of this; it reads the
instruction itself.
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


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns))


# Of folded text: lower case, no accents, no sharp s. English, German, Spanish, French and others, in this order.
_NOTES = _any(
    r"\bnotes?\b|(?<!\d )(?<!\d)\bminutes\b",
    r"protokoll|notizen?\b|\bmitschrift",
    r"\bactas?\b|\bnotas\b|\bapuntes\b|\bminuta\b",
    r"\bcompte[- ]rendu|proces[- ]verbal|prises? de notes",
    r"\bverbale\b|\bappunti\b|\bata\b|\bnotulen\b|\bverslag\b",
)
_ASKED = {
    Section.HIGHLIGHTS: _any(
        r"summar|\bsum (?:\w+ ){0,4}up\b|recap|overview|\btl;?dr\b|highlight|bullet",
        r"(?:key|main|important) (?:point|idea|fact)|takeaway|\bgist\b|synops|\boutline\b|\bcondense|\bshorten",
        r"\bnutshell\b|most important",
        r"\bwhat (?:was|were|is|has been) (?:[\w'\u2019]+ ){0,3}(?:discussed|talked about|about)\b",
        r"zusammen(?:ge|zu)?fass|\bfass(?:e|en|t|)\b.{0,200}\bzusammen\b|kurzfassung|uberblick|stichpunkt|kern(?:punkt|aussage)",
        r"\bwichtigste|\bhauptpunkt|\bwas wurde (?:\w+ )?besprochen|\bworum (?:geht|ging)",
        r"\bresum|sintes|sintetiz|recapitul|en pocas palabras|lo (?:mas importante|esencial)",
        r"(?:puntos|ideas) (?:clave|principal|mas importante)|\bde que (?:se )?(?:habl|trat)",
        r"synthes|synthetis|grandes lignes|\bessentiel|en bref|en quelques mots|vue d.ensemble|\bapercu",
        r"(?:points|idees) (?:cles|principa|importants|forts)|\bde quoi .{0,99}parl|\bde quoi s.agi",
        r"riassun|riepilog|samenvat|\bpontos\b",
    ),
    Section.TOPICS: _any(
        r"\btopic|\btheme|\bkey ?word|\bsubjects\b",
        r"thema\b|themen\b|stichwort|schlagwort|schlusselwort",
        r"\btemas\b|\basuntos\b|palabras clave",
        r"\bsujets\b|\bmots[- ]cles|points abordes",
        r"argomenti|onderwerp|palavras[- ]chave",
    ),
    Section.ACTIONS: _any(
        r"\bactions?\b|\bactionable|\bto-?dos?\b|\bto do (?:list|item)|\bthings to do|\btasks?\b",
        r"next step|\bfollow[- ]?up|\bassignments\b",
        r"\bwho (?:does|has to do|will do|must do) what|\bwhat (?:needs|has) to be done",
        r"aufgabe|massnahme|aktionspunkt|nachste\w? schritt|handlungsbedarf|\bwer (?:macht|tut) was|\bwas ist zu tun",
        r"\btareas?\b|\baccion|proximos pasos|\bpendientes\b|\bquien hace que|\bhay que hacer",
        r"\btaches?\b|prochaines etapes|\ba faire\b|\bqui fait quoi",
        r"azioni|compiti|tarefas|\bacoes|actiepunt|\btaken\b",
    ),
    Section.PARAGRAPHS: _any(
        r"paragraph|\bclean|transcri|verbatim|readable|full text",
        r"absatz|lesbar|leserlich|fliesstext|transkri|bereinig|\bsauber|wortlaut|\bwortlich",
        r"parrafo|\blimpi|legible|texto (?:completo|corrido|seguido)",
        r"\blisible|\bau propre|texte (?:propre|integral|complet|suivi)|mot a mot|\bnettoy|alinea",
        r"paragraf|leggibile",
    ),
}
_TRANSLATION = _any(r"translat|ubersetz|\btradu[cizr]|vertaal")
"""What nobody can do by choosing sentences, whatever else is asked for."""


def sections(instruction: str) -> tuple[Section, ...]:
    """The sections that the instruction asks for; meeting notes have three. An empty one wants paragraphs.

    Raises:
        InvalidOption: none of them is asked for, or a translation, so somebody would have to write.
    """
    folded = words.fold(instruction)
    if not folded.strip():
        return (Section.PARAGRAPHS,)
    found = {section for section, pattern in _ASKED.items() if pattern.search(folded)}
    if _NOTES.search(folded):
        found |= {Section.HIGHLIGHTS, Section.TOPICS, Section.ACTIONS}
    if not found or _TRANSLATION.search(folded):
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
