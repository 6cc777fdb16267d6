# SPDX-License-Identifier: Apache-2.0
"""What text work came to, as stages tell it; for the documentation alone, as all of ``answers``."""

from __future__ import annotations

from pydantic import BaseModel, Field


class TextSource(BaseModel):
    """A segment that a text rests on, by its place in the transcript, from 0; in seconds."""

    index: int
    start: float
    end: float


class TextUsage(BaseModel):
    """Tokens; estimates where nobody counts them."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class WrittenText(BaseModel):
    """A summary, a text after an instruction, or an answer."""

    text: str
    model: str
    generated: bool = Field(description="Whether a language model wrote it; if not, every sentence was said so")
    topics: list[str]
    sources: list[TextSource]
    warnings: list[str]
    usage: TextUsage
