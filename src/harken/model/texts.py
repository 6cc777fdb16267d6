# SPDX-License-Identifier: Apache-2.0
"""Work on what was said: what can be asked for, and what a summary, formatted notes or an answer is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Style = Literal["paragraph", "bullet_points", "key_points"]
Role = Literal["system", "user", "assistant"]

STYLES: tuple[Style, ...] = get_args(Style)
ROLES: tuple[Role, ...] = get_args(Role)

MAX_LENGTH = 500
"""Words of a summary, where nobody says how many."""
MAX_TOKENS = 500
"""Tokens of an answer, where nobody says how many."""
TEMPERATURE = 0.7
"""Of an answer, where nobody says."""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation with a language model."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Summarise:
    """Say what was said, with its topics."""

    style: Style = "paragraph"
    max_length: int = MAX_LENGTH
    """Words at most."""
    model: str | None = None
    """Name of a provider of text; None, as in the others, is the default."""


@dataclass(frozen=True, slots=True)
class Format:
    """Write down what was said as an instruction wants it."""

    instruction: str = ""
    """Empty wants clean paragraphs."""
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Chat:
    """Answer the last of some messages from what was said."""

    messages: tuple[Message, ...]
    temperature: float = TEMPERATURE
    max_tokens: int = MAX_TOKENS
    model: str | None = None


TextTask = Summarise | Format | Chat


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that were read and written; estimates where the provider does not count them."""

    prompt: int = 0
    completion: int = 0

    @property
    def total(self) -> int:
        """Both together."""
        return self.prompt + self.completion

    def __add__(self, other: Usage) -> Usage:
        return Usage(self.prompt + other.prompt, self.completion + other.completion)


@dataclass(frozen=True, slots=True)
class Source:
    """A segment that a text rests on, ``[start, end]`` in seconds."""

    index: int
    """Its place among the transcript's segments, from 0."""
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class TextResult:
    """A summary, formatted notes, or the answer to a question."""

    text: str
    model: str
    """What made it: ``extractive``, or the language model by its name."""
    generated: bool
    """Whether a language model wrote it; if not, every sentence is the transcript's own."""
    sources: tuple[Source, ...] = ()
    """What it rests on, in the transcript's order."""
    topics: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    """What the reader should know: numbers and names that the transcript does not hold, say."""
    usage: Usage = Usage()
