# SPDX-License-Identifier: Apache-2.0
"""What a recording is about: words and pairs of words that stand where things are named, most said first.

A word is a candidate where it ends a group that an article or a preposition opens, or is written as a name; that
leaves out "yeah" and "trendy" without a dictionary. Languages without a list of common words are judged by how evenly
a word is spread; scripts without blanks by the runs of characters that come again.
"""

# ruff: noqa: RUF001  (letters of one script look like those of another)

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from harken.text import stopwords, words

MANY = 8
"""Topics that are given."""

# Opens a group of words that names a thing: articles, possessives, prepositions.
_OPENING = {
    "en": """
        a an the this that these those my your his her its our their of in on for about from into with without some any
        each every no another between over under
    """,
    "de": """
        der die das den dem des ein eine einen einem einer eines mein meine unser unsere ihr ihre im am zum zur vom beim
        für mit von über unter kein keine diese dieser dieses ohne
    """,
    "fr": """
        le la les l un une des du de d au aux ce cet cette ces mon ma mes son sa ses notre nos votre vos leur leurs pour
        par sur dans sans
    """,
    "es": """
        el la lo los las un una unos unas del al este esta estos estas mi su sus nuestra nuestro por para con sin
    """,
    "it": """
        il lo la le gli i l un uno una del dei degli delle della dello dell al alla nel nella nell sul sulla dal dalla
        di per con questo questa
    """,
    "pt": """
        o os as um uma uns umas do da dos das no na nos nas ao à pelo pela meu minha seu sua com sem em
    """,
    "nl": """
        de het een dit deze onze ons mijn zijn haar hun voor van met op in
    """,
    "ru": """
        в на с о об для из от по к за под над
    """,
}
_OPENERS = {language: frozenset(map(words.fold, listed.split())) for language, listed in _OPENING.items()}
# Too vague to be what a group of words is about: the word before it is an adjective.
_VAGUE = frozenset(
    ("one", "ones", "thing", "things", "way", "ways", "guy", "guys", "people", "stuff", "person", "day", "time", "bit")
)
# Said often, and never what it is about.
_CALENDAR = """
    monday tuesday wednesday thursday friday saturday sunday january february march april june july august september
    october november december
    montag dienstag mittwoch donnerstag freitag samstag sonntag januar februar märz mai juni juli oktober dezember
    lundi mardi mercredi jeudi vendredi samedi dimanche janvier février mars avril juin juillet août septembre octobre
    novembre décembre
    lunes martes miércoles jueves viernes sábado domingo enero febrero marzo abril mayo junio julio agosto septiembre
    octubre noviembre diciembre
    lunedì martedì mercoledì giovedì venerdì sabato domenica gennaio febbraio aprile maggio giugno luglio settembre
    ottobre dicembre
    segunda terça quarta quinta sexta janeiro fevereiro março maio junho julho setembro outubro novembro dezembro
    maandag dinsdag woensdag donderdag vrijdag zaterdag zondag januari februari maart mei augustus
    понедельник вторник среда четверг пятница суббота воскресенье
"""
_DATES = frozenset(map(words.stem, _CALENDAR.split()))
_MARKS = r",.;:!?\u2026\"\u201c\u201d\u00ab\u00bb()\[\]\u060c\u061b\u061f\u0964"
_TOKEN = re.compile(rf"[^\W_][^\s{_MARKS}]*|[{_MARKS}]")
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]{2,}")
_KATAKANA = re.compile(r"[\u30a1-\u30fa\u30fc]{3,}")
_SHORT = 400
"""Words of a recording in which a topic need not be named twice."""
_SPREAD = 0.4
"""Share of the sentences in which a word is too common to be a topic."""
_RUNS = 400
"""Runs of ideographs, the commonest and longest, that are compared with each other."""
_ONCE = 0.3
"""What a mention counts where nothing shows that a thing is named."""


@dataclass(frozen=True, slots=True)
class Topics:
    """What a recording is about."""

    names: tuple[str, ...]
    weights: dict[str, float]
    """How much each term (:func:`harken.text.words.terms`) has to do with it."""


@dataclass(slots=True)
class _Candidate:
    count: int = 0
    named: float = 0.0
    forms: Counter[str] = field(default_factory=Counter)


def find(sentences: Sequence[str], language: str, speakers: Iterable[str] = ()) -> Topics:
    """The topics of a recording, from its sentences; those who speak in it are none."""
    text = " ".join(sentences)
    if words.unspaced(text):
        return _of_runs(sentences)
    language = language if language in stopwords.LANGUAGES else stopwords.guess(text)
    common, openers = stopwords.of(language), _OPENERS.get(language, frozenset())
    singles: dict[str, _Candidate] = defaultdict(_Candidate)
    pairs: dict[str, _Candidate] = defaultdict(_Candidate)
    for sentence in sentences:
        for group, opened, open_end in _groups(sentence, common, openers):
            _note(singles, pairs, group, opened=opened, open_end=open_end)
    for stem, candidate in list(singles.items()):
        if not common and _common(stem, candidate, sentences):
            del singles[stem]
    people = {words.stem(word) for name in speakers for word in words.words(name)}
    return _chosen(singles, pairs, people, twice=words.count(text) > _SHORT, certain=bool(common))


_Group = list[tuple[str, bool]]
"""Telling words one after another, each with whether it is written as a name inside a sentence."""


def _groups(sentence: str, common: frozenset[str], openers: frozenset[str]) -> Iterator[tuple[_Group, bool, bool]]:
    """The groups of a sentence, each with whether it is opened, and whether a vague word follows."""
    group: _Group = []
    opened = False
    tokens = [*_TOKEN.findall(sentence), "."]
    for place, token in enumerate(tokens):
        word = token.replace("\u2019", "'").rstrip("'-").removesuffix("'s")
        before, _, rest = word.rpartition("'")
        if before and words.fold(before) in common:
            # An article that lost its vowel: l'horloge.
            opened, word = words.fold(before) in openers, rest
        folded = words.fold(word)
        capital = place > 0 and word[:1].isupper()
        # "New" is a common word, and yet part of a name in "in New Jersey".
        named = capital and len(word) > 2 and tokens[min(place + 1, len(tokens) - 1)][:1].isupper()
        if len(folded) > 2 and any(one.isalpha() for one in folded) and (named or not _known(folded, common)):
            group.append((word, capital))
        else:
            if group:
                yield group, opened, folded in _VAGUE
            group, opened = [], folded in openers


def _known(folded: str, common: frozenset[str]) -> bool:
    return folded in common or folded.partition("'")[0] in common


def _note(
    singles: dict[str, _Candidate],
    pairs: dict[str, _Candidate],
    group: _Group,
    *,
    opened: bool,
    open_end: bool,
) -> None:
    for place, (word, capital) in enumerate(group):
        candidate = singles[words.stem(word)]
        candidate.count += 1
        candidate.forms[word if capital or word.isupper() else word.lower()] += 1
        ends = place == len(group) - 1 and not open_end
        candidate.named += 1.0 if capital or (opened and ends) else 0.0
    if len(group) >= 2 and not open_end:
        (first, capital), (second, also) = group[-2:]
        pair = pairs[f"{words.stem(first)} {words.stem(second)}"]
        pair.count += 1
        pair.named += 1.0 if opened or (capital and also) else 0.0
        pair.forms[f"{first if capital else first.lower()} {second if also else second.lower()}"] += 1


def _common(stem: str, candidate: _Candidate, sentences: Sequence[str]) -> bool:
    """Whether a word of an unknown language is one that joins others."""
    return len(stem) < 4 or candidate.count > max(2.0, _SPREAD * len(sentences))


def _chosen(
    singles: dict[str, _Candidate], pairs: dict[str, _Candidate], people: set[str], *, twice: bool, certain: bool
) -> Topics:
    least = 2 if twice else 1
    weights = {
        stem: candidate.named + _ONCE * candidate.count
        for stem, candidate in singles.items()
        if candidate.named or not certain
    }
    found: dict[str, tuple[float, str]] = {}
    covered: set[str] = set()
    for stem, pair in pairs.items():
        parts = stem.split()
        if pair.count >= 2 and pair.named and pair.count * 2 >= singles[parts[1]].count and not people & set(parts):
            found[stem] = (pair.count + pair.named, _form(pair))
            covered.update(parts)
    for stem, weight in weights.items():
        if singles[stem].count >= least and stem not in covered | people | _DATES:
            found[stem] = (weight, _form(singles[stem]))
    best = sorted(found.values(), key=lambda item: (-item[0], item[1]))
    return Topics(tuple(name for _, name in best[:MANY]), weights)


def _form(candidate: _Candidate) -> str:
    return min(candidate.forms, key=lambda form: (-candidate.forms[form], form))


def _of_runs(sentences: Sequence[str]) -> Topics:
    """Topics where words run together: katakana words, and ideographs that come again in the same order."""
    counts: Counter[str] = Counter()
    for sentence in sentences:
        counts.update(_KATAKANA.findall(sentence))
        for run in _HAN.findall(sentence):
            for size in (2, 3, 4):
                counts.update(run[start : start + size] for start in range(len(run) - size + 1))
    told = [name for name, count in counts.items() if count >= 2 and not (set(name) & stopwords.RUNNING)]
    told.sort(key=lambda name: (-counts[name] * len(name), name))
    # What is part of something longer that comes as often is no name of its own.
    whole = [
        name
        for name in told[:_RUNS]
        if not any(name != other and name in other and counts[other] >= counts[name] for other in told[:_RUNS])
    ]
    weights = {term: float(counts[name]) for name in whole for term in words.terms(name)}
    return Topics(tuple(whole[:MANY]), weights)
