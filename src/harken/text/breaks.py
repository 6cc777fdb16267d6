# SPDX-License-Identifier: Apache-2.0
"""Where text may be broken into lines, and how wide it is on a screen.

Follows the rules of Unicode's line breaking (UAX 14) as far as subtitles need them: blanks, scripts that write none,
characters that may not begin or end a line (kinsoku), and clusters that are one sign. Knows no times.
"""
# ruff: noqa: RUF001 - signs of many scripts look alike

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

SENTENCE_ENDS = frozenset(".?!…。！？．｡؟۔।॥։።፧។။‼⁇⁈⁉")
CLAUSE_ENDS = frozenset(",;:、，；：､،؛–—")
_CLOSERS = frozenset("\"')]}»”’›」』）】〉》〕］｝｣")
_OPENERS = frozenset("([{«“‘‹「『（【〈《〔［｛｢¿¡$£¥€#@")
_NEVER_FIRST = SENTENCE_ENDS | CLAUSE_ENDS | (_CLOSERS - {'"', "'"}) | frozenset("%％‰°・ーゝゞヽヾ々〻〜～")
_SMALL_KANA = frozenset("ぁぃぅぇぉっゃゅょゎゕゖァィゥェォッャュョヮヵヶ")
_ABBREVIATIONS = frozenset({"mr.", "mrs.", "ms.", "dr.", "prof.", "st.", "vs.", "sr.", "sra.", "dra.", "mme.", "z.b."})
_SPACELESS = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x2E80, 0x30FF),  # CJK radicals and punctuation, kana
    (0x3100, 0x312F),  # Bopomofo
    (0x31C0, 0x4DBF),  # CJK strokes to extension A
    (0x4E00, 0x9FFF),  # CJK
    (0xF900, 0xFAFF),  # CJK compatibility
    (0xFF65, 0xFF9F),  # half-width kana
    (0x20000, 0x3FFFF),  # CJK extensions
)
_LEADING_VOWELS = frozenset("เแโใไເແໂໃໄ")
_TRAILING_VOWELS = frozenset("ะาำๅๆฯະາຳໆຯ")
HARD_BLANKS = "\u00a0\u202f"
"""Blanks that no line may end at."""
_INITIAL = re.compile(r"[^\W\d_]\.")


def clean(text: str) -> str:
    """``text`` on one line: runs of blanks as one, no control characters, no lone surrogates, ends stripped."""
    kept = (" " if char.isspace() and char not in HARD_BLANKS else char for char in text)
    sane = "".join(char for char in kept if unicodedata.category(char) not in {"Cc", "Cs"})
    return " ".join(part for part in sane.split(" ") if part)


@lru_cache(maxsize=8192)
def _columns(char: str) -> int:
    if unicodedata.category(char) in {"Mn", "Me", "Cf"} or "\u1160" <= char <= "\u11ff":
        return 0
    return 2 if unicodedata.east_asian_width(char) in {"W", "F"} else 1


def width(text: str) -> int:
    """Columns on a screen: wide East Asian characters count two, combining marks none."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def clusters(text: str) -> list[str]:
    """``text`` in pieces that show as one sign: a base with its marks, joined emoji, pairs that make a flag."""
    pieces: list[str] = []
    for char in text:
        if pieces and _extends(pieces[-1], char):
            pieces[-1] += char
        else:
            pieces.append(char)
    return pieces


def _extends(piece: str, char: str) -> bool:
    return (
        unicodedata.category(char) in {"Mn", "Mc", "Me"}
        or char in "\u200c\u200d\u2060"
        or piece[-1] in "\u200d\u2060"
        or "\u1160" <= char <= "\u11ff"
        or "\U0001f3fb" <= char <= "\U0001f3ff"
        or (_flag(char) and _flag(piece[-1]) and len(piece) % 2 == 1)
    )


def _flag(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


@lru_cache(maxsize=8192)
def _spaceless(char: str) -> bool:
    code = ord(char)
    return any(low <= code <= high for low, high in _SPACELESS)


def pieces(token: str) -> list[str]:
    """A run without blanks, cut wherever a line may end inside it: between characters of scripts without blanks."""
    if token.isascii():
        return [token]
    parts: list[str] = []
    for cluster in clusters(token):
        if parts and not may_part(parts[-1], cluster):
            parts[-1] += cluster
        else:
            parts.append(cluster)
    return parts


def may_part(before: str, after: str) -> bool:
    """Whether a line may end between two texts that no blank parts."""
    if not (_spaceless(before[-1]) or _spaceless(before[0]) or _spaceless(after[0])):
        return False
    return not (
        after[0] in _NEVER_FIRST
        or before[-1] in _OPENERS
        or before[-1] in _LEADING_VOWELS
        or after[0] in _TRAILING_VOWELS
        or after[0] in _SMALL_KANA
    )


def clings(text: str) -> bool:
    """Whether ``text`` must stay on the line of what stands before it: closing signs, also after a blank (French)."""
    return text[0] in _NEVER_FIRST and all(unicodedata.category(char)[0] != "L" for char in text)


def opens(text: str) -> bool:
    """Whether ``text`` must stay on the line of what follows: nothing in it but opening signs and dashes."""
    return all(char in _OPENERS or char in "-–—" for char in text)


def ends_sentence(text: str, following: str) -> bool:
    """Whether a sentence ends with ``text``, as far as signs tell, when ``following`` comes next."""
    bare = text.rstrip("".join(_CLOSERS))
    if not bare or bare[-1] not in SENTENCE_ENDS:
        return False
    if bare[-1] != ".":
        return True
    word = bare.rsplit(" ", 1)[-1]
    if word.lower() in _ABBREVIATIONS or _INITIAL.fullmatch(word):
        return False
    return not following[:1].islower()


def ends_clause(text: str) -> bool:
    """Whether a clause ends with ``text``, as far as signs tell."""
    bare = text.rstrip("".join(_CLOSERS))
    return bool(bare) and (bare[-1] in CLAUSE_ENDS or bare[-1] in SENTENCE_ENDS)
