# SPDX-License-Identifier: Apache-2.0
"""Text work as JSON bodies ask for it, as far as dialects have it in common; also what ``/openapi.json`` says of it.

Knows no dialect: what the model's name is called, and whether a transcript comes along, is theirs.
"""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict, Field

from harken.model import Chat, Format, Message, Style, Summarise
from harken.model.texts import MAX_LENGTH, MAX_TOKENS, TEMPERATURE, Role
from harken.server.forms import ignored

MOST_WORDS = 1_000_000
"""That a summary or an answer may be asked to have."""
MOST_MESSAGES = 1000
"""Of a conversation."""
_TOLD = 20
"""Unknown fields that are told by name, and the letters of a name."""
_LETTERS = 100


class Strict(BaseModel):
    """Numbers are numbers, texts are texts; unknown fields are kept, so that they can be told."""

    model_config = ConfigDict(strict=True, extra="allow")


class AskedSummary(Strict):
    """The summary that is wanted."""

    format: Style | None = Field(None, description="`paragraph` else")
    max_length: int | None = Field(None, ge=1, le=MOST_WORDS, description=f"Words at most; {MAX_LENGTH} else")

    def task(self, model: str | None) -> Summarise:
        """What is to be done, by the model of that name."""
        return Summarise(self.format or "paragraph", self.max_length or MAX_LENGTH, model)


class AskedFormat(Strict):
    """How the text is to be written down."""

    instruction: str | None = Field(None, description="Meeting notes, say; without one, every word in paragraphs")

    def task(self, model: str | None) -> Format:
        """What is to be done, by the model of that name."""
        return Format(self.instruction or "", model)


class AskedMessage(Strict):
    """A turn of the conversation."""

    role: Role
    content: str


class AskedChat(Strict):
    """A conversation about the transcript, whose last message is the user's."""

    messages: list[AskedMessage] = Field(fail_fast=True, min_length=1, max_length=MOST_MESSAGES)
    temperature: float | None = Field(None, ge=0, le=2, allow_inf_nan=False, description=f"{TEMPERATURE} else")
    max_tokens: int | None = Field(None, ge=1, le=MOST_WORDS, description=f"{MAX_TOKENS} else")

    def task(self, model: str | None) -> Chat:
        """What is to be done, by the model of that name."""
        return Chat(
            tuple(Message(message.role, message.content) for message in self.messages),
            TEMPERATURE if self.temperature is None else self.temperature,
            self.max_tokens or MAX_TOKENS,
            model,
        )


def unknown(body: Strict, lists: Iterable[str] = (), known: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """What is told of fields that nobody knows, in the body and in the ``lists`` of objects in it.

    ``known`` are names there that are nothing to warn of.
    """
    names = list(body.model_extra or ())
    for part in lists:
        items: Iterable[Strict] = getattr(body, part) or ()
        inside = dict.fromkeys(name for item in items for name in item.model_extra or () if name not in known)
        names += [f"{part}[].{name}" for name in inside]
    return tuple(ignored(name[:_LETTERS] for name in names[:_TOLD]))
