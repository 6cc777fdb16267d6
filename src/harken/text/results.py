# SPDX-License-Identifier: Apache-2.0
"""The nouns of text work: what a summary, formatted notes or an answer is, and what it rests on.

Frozen dataclasses that :func:`harken.model.plain` turns into JSON types. Knows no provider.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

Style = Literal["paragraph", "bullet_points", "key_points"]
Role = Literal["system", "user", "assistant"]

STYLES: tuple[Style, ...] = get_args(Style)
ROLES: tuple[Role, ...] = get_args(Role)


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation with a language model."""

    role: Role
    content: str


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


def text_result_from(data: dict[str, Any]) -> TextResult:
    """The inverse of :func:`harken.model.plain` for :class:`TextResult`."""
    return TextResult(
        text=data["text"],
        model=data["model"],
        generated=data["generated"],
        sources=tuple(Source(**source) for source in data["sources"]),
        topics=tuple(data["topics"]),
        warnings=tuple(data["warnings"]),
        usage=Usage(**data["usage"]),
    )
