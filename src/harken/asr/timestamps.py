# SPDX-License-Identifier: Apache-2.0
"""Whisper's timestamp tokens: from a hypothesis to pieces of text with times. Knows no engine and no audio."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harken.asr.tokens import SECONDS_PER_TIMESTAMP, WhisperTokens


@dataclass(frozen=True, slots=True)
class Piece:
    """Text between two timestamps, in seconds from the start of the input."""

    start: float
    end: float
    tokens: tuple[int, ...]
    """Text tokens only."""
    closed: bool
    """Whether the model said where it ends; else ``end`` is the input's end."""


def goes_on(tokens: Sequence[int], vocabulary: WhisperTokens) -> float | None:
    """Where the model stopped though speech goes on, in seconds: it says so by ending with a start; else None."""
    if len(tokens) < 2 or vocabulary.seconds(tokens[-2]) is None:
        return None
    return vocabulary.seconds(tokens[-1])


def earlier(tokens: Sequence[int], vocabulary: WhisperTokens, seconds: float) -> tuple[int, ...]:
    """The tokens with every timestamp ``seconds`` earlier, none before the start."""
    steps = round(seconds / SECONDS_PER_TIMESTAMP)
    first = vocabulary.first_timestamp
    return tuple(token if token < first else max(first, token - steps) for token in tokens)


def pieces(tokens: Sequence[int], vocabulary: WhisperTokens, length: float) -> list[Piece]:
    """Cut a hypothesis at its timestamps. Times never run backwards and stay within ``length`` seconds."""
    found: list[Piece] = []
    start = 0.0
    text: list[int] = []
    for token in tokens:
        seconds = vocabulary.seconds(token)
        if seconds is None:
            if token < vocabulary.end:
                text.append(token)
            continue
        seconds = min(max(seconds, start), length)
        if text:
            found.append(Piece(start, seconds, tuple(text), closed=True))
            text = []
        start = seconds
    if text:
        found.append(Piece(start, length, tuple(text), closed=False))
    return found
