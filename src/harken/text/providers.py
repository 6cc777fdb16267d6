# SPDX-License-Identifier: Apache-2.0
"""The providers of text that an operator has set up, by the names that requests choose among.

``extractive`` is always there. Which one is used is never changed behind a caller's back: what a request names, or the
default, does the work or fails.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from harken.errors import InvalidOption, UnknownModel
from harken.model import Chat, Format, Summarise, TextResult, TextTask, Transcript
from harken.text import extractive
from harken.text.endpoint import Endpoint
from harken.text.extractive import Extractive
from harken.text.generative import Generative
from harken.text.local import LocalModel, runnable
from harken.text.provider import IDLE, LanguageModel, TextProvider, Watch, check_chat, check_summary
from harken.text.wire import Wire

DEFAULT_ALIAS = "gpt-3.5-turbo"
"""The name that clients of the suite dialect send when nobody told them another: it stands for the default, unless a
model of that name is set up."""
LOCAL = "qwen2.5-coder-1.5b"
"""The catalog's language model."""


@dataclass(frozen=True, slots=True)
class TextSettings:
    """What an operator sets; ``Settings.llm_*``."""

    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    models: tuple[str, ...] = ()
    """Names at the endpoint, or of the local model; the first is the default."""
    context: int = 8192
    timeout: float = 300.0
    local: Path | None = None
    """File of the local model, where it is installed."""
    threads: int = 2


class Providers:
    """Every provider, by its name."""

    def __init__(self, models: Sequence[LanguageModel] = (), *, default: str = extractive.NAME) -> None:
        self._all: dict[str, TextProvider] = {model.name: Generative(model) for model in models}
        self._models = tuple(models)
        self._all[extractive.NAME] = Extractive()
        self._default = default

    @property
    def names(self) -> tuple[str, ...]:
        """What a request can name, the default first."""
        return (self._default, *(name for name in self._all if name != self._default))

    def choose(self, name: str | None = None) -> TextProvider:
        """The provider that a request names; the default for none.

        Raises:
            UnknownModel: nobody set up a model of that name; the message lists those that are.
        """
        wanted = (name or "").strip()
        if not wanted or (wanted == DEFAULT_ALIAS and wanted not in self._all):
            wanted = self._default
        found = self._all.get(wanted)
        if found is None:
            raise UnknownModel(
                f"no language model {wanted!r} is set up; there is {', '.join(self.names)}", param="model_name"
            )
        return found

    def check(self, task: TextTask) -> TextTask:
        """The task with the name of the provider that is to do it.

        Raises UnknownModel, or InvalidOption for what nobody, or not this provider, can do.
        """
        provider = self.choose(task.model)
        match task:
            case Summarise(style, max_length):
                check_summary(style, max_length)
            case Format(instruction):
                provider.check_instruction(instruction)
            case Chat(messages, temperature, max_tokens):
                check_chat(messages, temperature, max_tokens)
        return replace(task, model=provider.name)

    def write(self, transcript: Transcript, task: TextTask, watch: Watch = IDLE) -> TextResult:
        """Do text work. Raises as :meth:`check`, and TextError and JobCancelled as the provider does."""
        provider = self.choose(task.model)
        match task:
            case Summarise(style, max_length):
                return provider.summarise(transcript, style=style, max_length=max_length, watch=watch)
            case Format(instruction):
                return provider.format_text(transcript, instruction, watch=watch)
            case Chat(messages, temperature, max_tokens):
                return provider.chat(transcript, messages, temperature=temperature, max_tokens=max_tokens, watch=watch)

    def close(self) -> None:
        """Stop what runs for a local model."""
        for model in self._models:
            if isinstance(model, LocalModel):
                model.close()


def providers(settings: TextSettings) -> Providers:
    """What the settings describe.

    Raises:
        InvalidOption: they contradict each other.
    """
    named = settings.models
    if settings.base_url is None:
        local: list[LanguageModel] = []
        if settings.local is not None and runnable():
            local.append(LocalModel(settings.local, LOCAL, threads=settings.threads))
        strange = [name for name in named if name not in {LOCAL, extractive.NAME}]
        if strange:
            raise InvalidOption(f"HARKEN_LLM_MODEL names {', '.join(strange)}, and HARKEN_LLM_BASE_URL is not set")
        if LOCAL in named and not local:
            absent = f"is not installed: harken models fetch {LOCAL}"
            why = absent if settings.local is None else "needs llama.cpp: pip install 'harken[llm]'"
            raise InvalidOption(f"HARKEN_LLM_MODEL is {LOCAL}, which {why}")
        return Providers(local, default=named[0] if named else extractive.NAME)
    if not named:
        raise InvalidOption("HARKEN_LLM_BASE_URL is set, and HARKEN_LLM_MODEL is not: it names the models to use there")
    wire = Wire(settings.base_url, settings.api_key, timeout=settings.timeout)
    return Providers([Endpoint(wire, name, settings.context) for name in named], default=named[0])
