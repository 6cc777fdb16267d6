# SPDX-License-Identifier: Apache-2.0
"""Sentences that sound as if somebody were to do something: promises, requests, agreements.

Told by their wording alone, in a handful of languages, so they are possible action items and never more. Knows no
provider.
"""

from __future__ import annotations

import re

from harken.text import words

_LEAST = 4
"""Words of a sentence that can be a task."""

_VERBS = (
    "arrange|ask|assign|book|bring|buy|call|change|check|clean|collect|complete|confirm|contact|create|deliver|design|"
    "discuss|do|document|draft|drop|email|e-mail|file|fill|find|finish|fix|follow|forward|get|give|handle|hire|hold|"
    "implement|install|interview|invite|investigate|launch|look into|make|meet|migrate|move|notify|order|organi[sz]e|"
    "own|pay|pick|plan|post|prepare|present|print|provide|publish|put|read|reach|record|release|remind|remove|replace|report|"
    "research|review|run|schedule|send|set|share|ship|sign|start|submit|take|talk to|tell|test|track|train|"
    "translate|try|update|upload|verify|visit|work|write"
)
_FILLERS = "(?:also|just|then|definitely|probably|maybe|all|try to|go and|please|first|really)"

_DOING = f"(?:{_FILLERS} )*(?:{_VERBS})\\b"
_EN = (
    rf"\b(?:i|we|he|she|they|you)(?:'ll| will| shall) {_DOING}",
    rf"\b(?-i:[A-Z])\w+ (?:will|should|has to|needs to|is going to) {_DOING}",
    rf"\b(?:i|we|you|they|someone|somebody) (?:{_FILLERS} )*(?:need|have|ought|want you) to {_DOING}",
    rf"\b(?:i'm|we're|you're|i am|we are|you are) (?:{_FILLERS} )*going to {_DOING}",
    rf"\b(?:i|we|you) (?:should|must) {_DOING}",
    rf"\b(?:can|could|would|will) (?:you|someone|somebody|(?-i:[A-Z])\w+) {_DOING}",
    rf"\b(?:please|let's|let us|make sure|don't forget to|remember to) (?:{_FILLERS} )*(?:you |we )?(?:{_VERBS})\b",
    r"\b(?:action item|to-do|todo|next step|deadline)s?\b",
    r"\bby (?:mon|tues|wednes|thurs|fri|satur|sun)day\b|\bby (?:tomorrow|next week|the end of|end of)\b",
)
_DE = (
    r"\b(?:ich|wir) (?:werde|werden|muss|müssen|soll|sollen|sollten|sollte) .{0,80}\w+(?:en|ern|eln)\b",
    r"\b(?:kannst|könntest|können|könnten) (?:du|sie|wir|bitte) .{0,80}\w+(?:en|ern|eln)\b",
    r"\b(?:ich kümmere mich|lass uns|lasst uns|bitte (?:schick|mach|ruf|prüf)\w*)\b",
    r"\bbis (?:montag|dienstag|mittwoch|donnerstag|freitag|morgen|nächste woche|ende)\b",
)
_FR_MUST = (
    "je vais|on va|nous allons|tu vas|vous allez|il faut|il faudra|je dois|on doit|nous devons|vous devez|tu dois|"
    "pourriez[- ]vous|pouvez[- ]vous|peux[- ]tu|pourrais[- ]tu"
)
_FR = (
    rf"\b(?:{_FR_MUST}) (?:\S+ ){{0,2}}\w+(?:er|ir|re)\b",
    r"\bd'ici (?:lundi|mardi|mercredi|jeudi|vendredi|demain|la fin)\b",
)
_ES_MUST = (
    "voy a|vamos a|vas a|tengo que|tenemos que|tienes que|tienen que|hay que|debo|debemos|deberíamos|puedes|podrías|"
    "puede usted"
)
_ES = (
    rf"\b(?:{_ES_MUST}) (?:\S+ ){{0,2}}\w+[aei]r(?:me|te|l[aeo]s?|nos)?\b",
    r"\b(?:para el|antes del) (?:lunes|martes|miércoles|jueves|viernes)\b",
)
_IT_MUST = "devo|dobbiamo|devi|dovete|dovremmo|bisogna|puoi|potresti|potete"
_IT = (
    rf"\b(?:{_IT_MUST}) (?:\S+ ){{0,2}}\w+[aei]r(?:e|[mtcv]i|l[aeio])\b",
    r"\bentro (?:lunedì|martedì|mercoledì|giovedì|venerdì|domani|la fine)\b",
)
_PT = (
    r"\b(?:vou|vamos|tenho que|temos que|preciso|precisamos|devemos|você pode|pode|poderia) (?:\S+ ){0,2}\w+[aei]r\b",
    r"\baté (?:segunda|terça|quarta|quinta|sexta|amanhã)\b",
)
_NL = (
    r"\b(?:ik|we|wij) (?:zal|zullen|moet|moeten|ga|gaan) .{0,80}\w+en\b",
    r"\b(?:kun|kan|kunt|wil) (?:je|jij|u|iemand) .{0,80}\w+en\b",
)


def _compiled(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(f"(?i:{'|'.join(patterns)})")


_BY_LANGUAGE = {
    "en": _compiled(_EN),
    "de": _compiled(_DE),
    "fr": _compiled(_FR),
    "es": _compiled(_ES),
    "it": _compiled(_IT),
    "pt": _compiled(_PT),
    "nl": _compiled(_NL),
}


def possible(sentence: str, language: str) -> bool:
    """Whether the sentence sounds as if somebody were to do something; never in a language that is not known here."""
    pattern = _BY_LANGUAGE.get(language)
    plain = sentence.replace("\u2019", "'")
    return pattern is not None and pattern.search(plain) is not None and words.count(plain) >= _LEAST
