# SPDX-License-Identifier: Apache-2.0
"""Numbers in a text, written in digits or spelled in English, so that two texts can be compared by them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

_DIGITS = re.compile(r"(?<![\w.,])[$\u20ac\u00a3#~+-]?(\d+(?:[.,:]\d+)*)(k|m|bn|st|nd|rd|th|s|%)?(?!\w)", re.IGNORECASE)
_WORD = re.compile(r"[a-z]+|\d+(?:[.,]\d+)*|[^\s-]")
_SCALES = {"k": 3, "m": 6, "bn": 9}

_ONES = dict(zip("zero one two three four five six seven eight nine ten eleven twelve".split(), range(13), strict=True))  # noqa: SIM905
_TEENS = "thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()  # noqa: SIM905
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()  # noqa: SIM905
_SMALL = {
    **_ONES,
    **{word: 13 + place for place, word in enumerate(_TEENS)},
    **{word: 20 + 10 * place for place, word in enumerate(_TENS)},
}
_LARGE = {"hundred": 100, "thousand": 1000, "million": 1_000_000, "billion": 1_000_000_000}
_ORDINALS = {
    "first": "one", "second": "two", "third": "three", "fifth": "five", "eighth": "eight", "ninth": "nine",
    "twelfth": "twelve", "twentieth": "twenty", "thirtieth": "thirty",
}  # fmt: skip
_SAID = 12
"""Numbers up to this are said in passing ("one of them") and are not looked at when they are spelled."""


def digits(text: str) -> Iterator[tuple[str, frozenset[str]]]:
    """Every number in digits as it stands, with all that it can mean."""
    for found in _DIGITS.finditer(text):
        yield found.group(1) + (found.group(2) or ""), _meanings(found.group(1), (found.group(2) or "").lower())


def spelled(text: str) -> Iterator[tuple[str, frozenset[str]]]:
    """Every number that is spelled in English, with all that it can mean; not the small ones."""
    for run in _runs(text):
        values = _values(run)
        if max(values, default=0) > _SAID:
            yield " ".join(run), frozenset(map(str, values))


def held(text: str) -> frozenset[str]:
    """Everything that a number of the text can mean."""
    found = {meaning for _, meanings in digits(text) for meaning in meanings}
    for run in _runs(text):
        found.update(map(str, _values(run)))
    return frozenset(found)


def _meanings(number: str, suffix: str) -> frozenset[str]:
    plain = re.sub(r"[.,:]", "", number).lstrip("0") or "0"
    found = {plain}
    decimal = re.fullmatch(r"(\d+(?:[.,]\d{3})*)[.,](\d+)", number)
    if decimal:
        whole = re.sub(r"[.,]", "", decimal[1]).lstrip("0") or "0"
        found.add(f"{whole}.{decimal[2].rstrip('0')}" if decimal[2].strip("0") else whole)
    if suffix in _SCALES:
        found |= {_scaled(meaning, _SCALES[suffix]) for meaning in tuple(found)}
    if ":" in number:
        # A time of day: what counts is the hour where the minutes are none.
        found |= {number.replace(":00", "").lstrip("0") or "0"}
    return frozenset(found)


def _scaled(number: str, zeros: int) -> str:
    whole, _, part = number.partition(".")
    return (whole + part.ljust(zeros, "0")[:zeros]).lstrip("0") or "0"


def _runs(text: str) -> Iterator[list[str]]:
    """Words of numbers that follow each other; digits only before a word such as "million"."""
    run: list[str] = []
    for raw, after in pairwise([*_WORD.findall(text.lower()), "."]):
        word = _cardinal(raw)
        if word in _SMALL or word in _LARGE or (run and word == "point") or (word[0].isdigit() and after in _LARGE):
            run.append(word)
        elif not (run and word == "and" and run[-1] in _LARGE):
            if run:
                yield run
            run = []
    if run:
        yield run


def _cardinal(word: str) -> str:
    if word in _ORDINALS:
        return _ORDINALS[word]
    for ending in ("ieth", "th", "s"):
        base = word.removesuffix(ending) + ("y" if ending == "ieth" else "")
        if word.endswith(ending) and (base in _SMALL or base in _LARGE):
            return base
    return word


def _values(run: list[str]) -> set[float | int]:
    """What a run can mean: as one number, as numbers one after the other, and as a year or digits told in pairs."""
    if "point" in run:
        place = run.index("point")
        tail = "".join(str(_SMALL.get(word, word)) for word in run[place + 1 :])
        whole = _total(run[:place])
        return {whole, *((float(f"{whole}.{tail}"),) if tail.isdigit() else ())}
    groups = _groups(run)
    found: set[float | int] = {_total(run), *groups}
    joined = "".join(str(group) for group in groups)
    if len(groups) > 1 and len(joined) <= 18:
        found.add(int(joined))
    return found


def _groups(run: list[str]) -> list[int]:
    """The run cut where no word can belong to the number before it: "nineteen eighty four" is 19 and 84."""
    groups: list[list[str]] = []
    for word in run:
        before = groups[-1][-1] if groups else ""
        unit_after_ten = _SMALL.get(before, 0) >= 20 and 0 < _SMALL.get(word, 0) < 10
        if groups and (word in _LARGE or before in _LARGE or unit_after_ten):
            groups[-1].append(word)
        else:
            groups.append([word])
    return [_total(group) for group in groups]


def _total(run: list[str]) -> int:
    total = current = 0
    for word in run:
        if word in _LARGE:
            scale = _LARGE[word]
            current = max(1, current) * scale
            if scale >= 1000:
                total, current = total + current, 0
        else:
            current += _SMALL[word] if word in _SMALL else int(re.sub(r"\D", "", word))
    return total + current
