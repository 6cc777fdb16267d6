# SPDX-License-Identifier: Apache-2.0
"""Words of any language: how many a text has, which terms it can be found by, how many tokens it costs.

Scripts without blanks between words are counted by their characters, and found by pairs of them.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator

# A character that is a word, or a good part of one: ideographs and kana. Hangul has blanks.
_WIDE = re.compile(r"[\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
# Scripts of South-East Asia, whose words run together and have about four characters.
_RUNNING = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")
_RUNNING_LETTERS = 4
_UNSPACED = re.compile(f"(?:{_WIDE.pattern}|{_RUNNING.pattern})+")
# Vowel signs and accents that stand on their own are no letters to the re module, and yet belong to the word.
_MARKS = "".join(
    re.escape(chr(code))
    for code in (*range(0x300, 0x1D00), 0x3099, 0x309A)
    if unicodedata.category(chr(code))[0] == "M"
)
_LETTER = f"(?:[^\\W_]|[{_MARKS}])"
_WORD = re.compile(rf"[^\W_]{_LETTER}*(?:['\u2019\-]{_LETTER}+)*")
_VOICED = "\u3099\u309a"

TOKENS_PER_WORD = 1.4
_ASCII_PER_TOKEN = 4.0
_BYTES_PER_TOKEN = 3.0

_STEM = 6
"""Letters of a word that count when it is looked for: endings differ too much between languages to know them all."""


def words(text: str) -> list[str]:
    """The words as they stand, without punctuation. Text without blanks comes in one piece a run."""
    return _WORD.findall(text)


def count(text: str) -> int:
    """Words, never fewer than there are pieces between blanks; an ideograph or kana is one."""
    total = 0
    for piece in text.split():
        wide, running = len(_WIDE.findall(piece)), len(_RUNNING.findall(piece))
        total += max(1, wide + math.ceil(running / _RUNNING_LETTERS))
    return total


def tokens(text: str) -> int:
    """About as many tokens as a language model sees: 1.4 a word of English, more where letters take more bytes."""
    ascii_count = sum(character < "\x80" for character in text)
    others = len(text.encode("utf-8", "replace")) - ascii_count
    by_bytes = ascii_count / _ASCII_PER_TOKEN + others / _BYTES_PER_TOKEN
    return math.ceil(max(TOKENS_PER_WORD * len(text.split()), by_bytes))


def fold(text: str) -> str:
    """Text as it is compared: no case, no accents."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    kept = (one for one in decomposed if not unicodedata.combining(one) or one in _VOICED)
    return unicodedata.normalize("NFC", "".join(kept))


def terms(text: str) -> Iterator[str]:
    """What the text can be found by: the beginnings of its words, and pairs of characters where words run together."""
    for word in words(text):
        folded = fold(word)
        last = 0
        for run in _UNSPACED.finditer(folded):
            yield from _stems(folded[last : run.start()])
            piece = run.group()
            if len(piece) == 1:
                yield piece
            yield from (piece[index : index + 2] for index in range(len(piece) - 1))
            last = run.end()
        yield from _stems(folded[last:])


def stem(word: str) -> str:
    """The part of a word that its other forms begin with too, roughly."""
    folded = fold(word).replace("\u2019", "'").split("'")[0]
    if len(folded) > 4 and folded.endswith("ies"):
        folded = folded[:-3] + "y"
    elif len(folded) > 3 and folded.endswith("s") and not folded.endswith("ss"):
        folded = folded[:-1]
    return folded if folded.isdigit() else folded[:_STEM]


def _stems(text: str) -> Iterator[str]:
    for part in text.split("-"):
        if found := stem(part):
            yield found


def unspaced(text: str) -> bool:
    """Whether most of the text is in a script without blanks between words."""
    letters = sum(character.isalpha() for character in text)
    return sum(len(run) for run in _UNSPACED.findall(text)) * 2 > letters > 0
