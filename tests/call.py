# SPDX-License-Identifier: Apache-2.0
"""The sample phone call: parts of it, and who says which of its words."""

from __future__ import annotations

import difflib
import io
import re
import wave
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

Pairs = Counter[tuple[str, str | None]]
"""How many words there are of each speaker of the call and the one they were given to."""


def cut(recording: Path, start: float, end: float) -> bytes:
    """A part of a WAV file, as one."""
    with wave.open(str(recording)) as whole:
        rate = whole.getframerate()
        whole.setpos(int(start * rate))
        frames = whole.readframes(int((end - start) * rate))
        target = io.BytesIO()
        with wave.open(target, "wb") as part:
            part.setparams(whole.getparams())
            part.writeframes(frames)
    return target.getvalue()


def spoken(text: str) -> list[str]:
    """The words of a text."""
    return re.findall(r"[a-z']+", text.lower())


def said(stm: Path) -> list[tuple[str, str]]:
    """Every word of the call with who says it."""
    lines = [line.split(maxsplit=5) for line in stm.read_text().splitlines()]
    return [(word, fields[2]) for fields in lines for word in spoken(fields[5])]


def paired(recording: Path, told: Sequence[tuple[str, str | None]]) -> Pairs:
    """The words that were heard of the call, at least four of five, beside those that are said.

    ``told`` has texts, in order, and whose they are taken to be.
    """
    truth = said(recording.with_suffix(".stm"))
    heard = [(word, who) for text, who in told for word in spoken(text)]
    pairs: Pairs = Counter()
    matcher = difflib.SequenceMatcher(None, [word for word, _ in truth], [word for word, _ in heard], autojunk=False)
    for at, to, length in matcher.get_matching_blocks():
        pairs.update((truth[at + step][1], heard[to + step][1]) for step in range(length))
    assert pairs.total() > 0.8 * len(truth)
    return pairs
