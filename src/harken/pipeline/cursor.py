# SPDX-License-Identifier: Apache-2.0
"""Where a recording stands: what is done, what later windows may know of it, and how it goes on.

Plain values that survive a restart as JSON. Knows no sound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from harken.asr.engine import Context
from harken.model import Options, WindowResult

WIDTHS = (1, 4, 16)
"""Windows of the first chapter, of the second, and of all others: the first words come soon, and what follows them is
planned before they are heard."""

_KEPT_TEXT = 1_000
"""Characters of earlier text that are kept: more than the 223 tokens that Whisper can be given."""

_HOT = 0.5
"""Sampling temperature over which the earlier text is forgotten (Radford et al. 2022, section 4.5)."""
_REPETITIVE = 2.4
"""Compression ratio over which text repeats itself (the same)."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """The place in a recording up to which all is recognised."""

    position: float = 0.0
    """Seconds from the start of the recording."""
    index: int = 0
    """Number of the next window."""
    context: Context = field(default_factory=Context)
    done: bool = False


def cursor_to_dict(cursor: Cursor) -> dict[str, Any]:
    """The cursor as JSON types."""
    return {
        "position": cursor.position,
        "index": cursor.index,
        "languages": [list(item) for item in cursor.context.languages],
        "text": cursor.context.text,
        "done": cursor.done,
    }


def cursor_from(data: dict[str, Any]) -> Cursor:
    """The inverse of :func:`cursor_to_dict`."""
    context = Context(languages=tuple((code, weight) for code, weight in data["languages"]), text=data["text"])
    return Cursor(position=data["position"], index=data["index"], context=context, done=data["done"])


def chapter_limit(cursor: Cursor, options: Options) -> int:
    """How many windows the next chapter may have: always one when each window is told what was said before it."""
    first, second, others = WIDTHS
    if cursor.index == 0 or options.condition_on_previous_text:
        return first
    return second if cursor.index == first else others


def advance(cursor: Cursor, position: float, done: bool, results: Sequence[WindowResult], options: Options) -> Cursor:
    """The cursor after a chapter that ended at ``position``, with the results of all its windows in order.

    The context carries only what later windows may use, so that windows of different recordings can share a batch.
    """
    return Cursor(
        position=position,
        index=cursor.index + len(results),
        context=Context(
            languages=_languages(cursor.context, results) if options.language is None else (),
            text=_text(cursor.context, results) if options.condition_on_previous_text else "",
        ),
        done=done,
    )


def _languages(context: Context, results: Sequence[WindowResult]) -> tuple[tuple[str, float], ...]:
    evidence = dict(context.languages)
    for result in results:
        if result.language is not None and result.segments:
            evidence[result.language] = round(evidence.get(result.language, 0.0) + speech_seconds(result), 3)
    return tuple(sorted(evidence.items(), key=lambda item: (-item[1], item[0])))


def _text(context: Context, results: Sequence[WindowResult]) -> str:
    """What the next window is told. Text that is not to be believed is not passed on: it would be repeated for ever."""
    said = context.text
    for segment in (segment for result in results for segment in result.segments):
        doubtful = segment.temperature > _HOT or segment.compression_ratio > _REPETITIVE
        said = "" if doubtful else said + segment.text
    return said[-_KEPT_TEXT:]


def speech_seconds(result: WindowResult) -> float:
    """Seconds of speech in a window; of segments where no speech detection ran."""
    if result.window.speech:
        return sum(end - start for start, end in result.window.speech)
    return sum(segment.end - segment.start for segment in result.segments)
