# SPDX-License-Identifier: Apache-2.0
"""What every provider of text offers, and what a language model must do for us to build such a provider on it.

A :class:`TextProvider` does tasks: summarise, format, chat. ``extractive`` does them by choosing sentences; any
:class:`LanguageModel` does them through :mod:`harken.text.generative`. Knows no provider.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from harken.errors import InvalidOption, JobCancelled
from harken.model import Message, Style, TextResult, Transcript, Usage
from harken.model.texts import MAX_LENGTH, MAX_TOKENS, ROLES, STYLES, TEMPERATURE

NOT_FOUND = "Not found in the transcript."
"""The answer to a question that the transcript does not answer."""


@dataclass(frozen=True, slots=True)
class Watch:
    """How text work is followed, and stopped."""

    cancelled: Callable[[], bool] = field(default=lambda: False)
    """Asked several times a second, from the thread that does the work."""
    progress: Callable[[float], None] = field(default=lambda _: None)
    """Told the share that is done, 0 to 1, whenever it grows."""

    def check(self) -> None:
        """Raises JobCancelled once nobody wants the text any more."""
        if self.cancelled():
            raise JobCancelled("the text was not wanted any more")

    def part(self, start: float, end: float) -> Watch:
        """A watch for the part of the work from share ``start`` to share ``end``."""
        return Watch(self.cancelled, lambda share: self.progress(start + (end - start) * share))


IDLE = Watch()
"""Nobody watches."""


class TextProvider(Protocol):
    """Does text work. Every method raises TextError for what the provider could not do, and JobCancelled."""

    @property
    def name(self) -> str:
        """What ``TextResult.model`` says, unless the provider's server knows better."""

    def check_instruction(self, instruction: str) -> None:
        """Raises InvalidOption for an instruction that :meth:`format_text` cannot follow; cheap."""

    def summarise(
        self, transcript: Transcript, *, style: Style = "paragraph", max_length: int = MAX_LENGTH, watch: Watch = IDLE
    ) -> TextResult:
        """What was said, in at most ``max_length`` words, with its topics."""

    def format_text(self, transcript: Transcript, instruction: str = "", *, watch: Watch = IDLE) -> TextResult:
        """The transcript as ``instruction`` wants it, in Markdown; an empty one wants clean paragraphs."""

    def chat(
        self,
        transcript: Transcript,
        messages: Sequence[Message],
        *,
        temperature: float = TEMPERATURE,
        max_tokens: int = MAX_TOKENS,
        watch: Watch = IDLE,
    ) -> TextResult:
        """The answer to the last of ``messages``, from the transcript alone."""


@dataclass(frozen=True, slots=True)
class Completion:
    """What a language model answered."""

    text: str
    model: str
    """By the server's own account, else the name it was asked for by."""
    finish: Literal["stop", "length"] = "stop"
    """``length`` where it had more to say than ``max_tokens``."""
    usage: Usage | None = None
    """None where the server does not count."""


class LanguageModel(Protocol):
    """Something that goes on with a conversation."""

    @property
    def name(self) -> str:
        """What to call it."""

    @property
    def context(self) -> int:
        """Tokens that prompt and answer may have together."""

    def complete(
        self,
        messages: Sequence[Message],
        *,
        temperature: float,
        max_tokens: int,
        schema: dict[str, Any] | None = None,
        cancelled: Callable[[], bool] = IDLE.cancelled,
    ) -> Completion:
        """The next message. With a JSON ``schema`` it is asked for as JSON, and may still be something else.

        Raises:
            TextError: it could not be had; the class says why.
            JobCancelled: ``cancelled`` became true; within about a second.
        """


def check_summary(style: str, max_length: int) -> None:
    """Raises InvalidOption for a summary that nobody can make."""
    if style not in STYLES:
        raise InvalidOption(f"a summary is one of {', '.join(STYLES)}, not {style!r}", param="format")
    if max_length < 1:
        raise InvalidOption("a summary has at least one word", param="max_length")


def check_chat(messages: Sequence[Message], temperature: float, max_tokens: int) -> None:
    """Raises InvalidOption for a conversation that nobody can go on with."""
    if not messages or messages[-1].role != "user" or not messages[-1].content.strip():
        raise InvalidOption("the last message must be the user's, and must say something", param="messages")
    for message in messages:
        if message.role not in ROLES:
            raise InvalidOption(
                f"a message's role is one of {', '.join(ROLES)}, not {message.role!r}", param="messages"
            )
    if not 0.0 <= temperature <= 2.0:
        raise InvalidOption("temperature is from 0 to 2", param="temperature")
    if max_tokens < 1:
        raise InvalidOption("max_tokens is at least 1", param="max_tokens")
