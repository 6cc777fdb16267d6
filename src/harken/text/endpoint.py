# SPDX-License-Identifier: Apache-2.0
"""A language model behind any OpenAI-compatible ``/chat/completions``: OpenAI, Ollama, vLLM, llama.cpp, a gateway.

Servers differ in what they take. What one refuses is left out or said otherwise, and remembered: a JSON schema becomes
a JSON object and then a plain request, ``max_tokens`` becomes ``max_completion_tokens``. Nothing is retried that would
only fail again. When the server fails, that is the answer: nothing else is asked in its place. Where the server is,
and what it says itself, is for whoever runs the machine, and in the detail of an error alone.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn

from harken.errors import (
    JobCancelled,
    TextBusy,
    TextError,
    TextMisconfigured,
    TextRefused,
    TextTooLong,
    TextUnavailable,
    TextUnusable,
)
from harken.model import Message, Usage
from harken.text.provider import IDLE, Completion
from harken.text.wire import Broken, Reply, Wire

_PAUSES = (1.0, 3.0)
"""Seconds before the second and the third try, where the server does not say."""
_PATIENCE = 60.0
"""Seconds that a server may ask us to wait; for longer the caller is told to come back."""
_SHOWN = 200
"""Characters of a server's own message that are told."""
_LONGEST_NAME = 100
_ADAPTABLE = {"max_tokens": "max_tokens", "temperature": "temperature", "system": "system role"}
"""What can be done without, and how a server names it that does not support it."""


class _Again(Exception):
    """A failure that may pass."""

    def __init__(self, error: TextError, wait: float | None = None) -> None:
        self.error = error
        self.wait = wait


class Endpoint:
    """A :class:`~harken.text.provider.LanguageModel` on a server."""

    def __init__(self, wire: Wire, model: str, context: int) -> None:
        self._wire = wire
        self._name = model
        self._context = context
        self._refused: set[str] = set()

    @property
    def name(self) -> str:
        """As the server knows it."""
        return self._name

    @property
    def context(self) -> int:
        """Tokens that prompt and answer may have together."""
        return self._context

    def complete(
        self,
        messages: Sequence[Message],
        *,
        temperature: float,
        max_tokens: int,
        schema: dict[str, Any] | None = None,
        cancelled: Callable[[], bool] = IDLE.cancelled,
    ) -> Completion:
        """See :class:`~harken.text.provider.LanguageModel`."""
        tries = iter(_PAUSES)
        while True:
            body = self._body(messages, temperature, max_tokens, schema)
            try:
                reply = self._post(body, cancelled)
                if reply.status == 200:
                    return self._completion(reply)
                if not self._adapt(reply, body):
                    self._fail(reply)
            except _Again as failure:
                pause = next(tries, None)
                if pause is None:
                    if isinstance(failure.error, TextUnavailable | TextUnusable) and self._step_down(body):
                        tries = iter(())
                        continue
                    raise failure.error from None
                _wait(pause if failure.wait is None else failure.wait, cancelled)

    def _post(self, body: dict[str, Any], cancelled: Callable[[], bool]) -> Reply:
        try:
            return self._wire.post("/chat/completions", body, cancelled)
        except Broken as error:
            raise _Again(TextUnavailable("the language model's server does not answer", detail=str(error))) from None

    def _body(
        self, messages: Sequence[Message], temperature: float, max_tokens: int, schema: dict[str, Any] | None
    ) -> dict[str, Any]:
        told = [{"role": message.role, "content": message.content} for message in messages]
        if "system" in self._refused and len(told) > 1 and told[0]["role"] == "system":
            told[1]["content"] = f"{told[0]['content']}\n\n{told[1]['content']}"
            del told[0]
        limit = "max_completion_tokens" if "max_tokens" in self._refused else "max_tokens"
        body: dict[str, Any] = {"model": self._name, "messages": told, limit: max_tokens, "stream": False}
        if "temperature" not in self._refused:
            body["temperature"] = temperature
        if schema is not None and "json_schema" not in self._refused:
            named = {"name": "answer", "strict": True, "schema": schema}
            body["response_format"] = {"type": "json_schema", "json_schema": named}
        elif schema is not None and "json_object" not in self._refused:
            body["response_format"] = {"type": "json_object"}
        return body

    def _adapt(self, reply: Reply, body: dict[str, Any]) -> bool:
        """Whether the request can be made otherwise, and is from now on."""
        if reply.status not in {400, 404, 415, 422, 501}:
            return False
        code, text = _told(reply)
        if _too_long(code, text) or _filtered(code):
            return False
        told = f"{code} {text}".lower()
        for field, sign in _ADAPTABLE.items():
            if sign in told and "support" in told and field not in self._refused:
                self._refused.add(field)
                return True
        return reply.status != 404 and self._step_down(body)

    def _step_down(self, body: dict[str, Any]) -> bool:
        """Ask for less than a schema, then for nothing; the prompt describes the JSON in any case."""
        if "response_format" not in body:
            return False
        self._refused.add(body["response_format"]["type"])
        return True

    def _fail(self, reply: Reply) -> NoReturn:
        code, text = _told(reply)
        status = reply.status
        said = self._said(reply, text)
        told = f"the language model's server answers {status}"
        if status in {401, 403}:
            # Its own words may repeat the key.
            raise TextMisconfigured(f"{told}: it does not take the key in HARKEN_LLM_API_KEY", detail=self._wire.host)
        if status == 404:
            raise TextMisconfigured(
                f"the language model's server has no model {self._name!r}, or no /chat/completions below "
                f"HARKEN_LLM_BASE_URL (which often ends with /v1)",
                detail=said,
            )
        if status == 413 or _too_long(code, text):
            raise TextTooLong(
                "the language model does not read as much; HARKEN_LLM_CONTEXT must say how much it does",
                detail=said,
            )
        if _filtered(code):
            raise TextRefused("the language model will not answer this: a content filter stopped it", detail=said)
        if status == 429 and code == "insufficient_quota":
            raise TextMisconfigured(f"{told}: the account has no quota left", detail=said)
        if status == 429 or (status == 503 and "Retry-After" in reply.headers):
            raise self._busy(reply)
        if status in {408, 409, 425} or status >= 500:
            raise _Again(TextUnavailable(told, detail=said))
        raise TextMisconfigured(f"{told}; its words are in the log", detail=said)

    def _said(self, reply: Reply, text: str) -> str:
        """What a server says for itself."""
        return f"{self._wire.host} answers {reply.status}" + (f": {self._wire.redacted(text)[:_SHOWN]}" if text else "")

    def _busy(self, reply: Reply) -> Exception:
        wait = _retry_after(reply.headers.get("Retry-After"))
        error = TextBusy("the language model's server has no room for now; try again later", detail=self._wire.host)
        if wait is not None:
            error.retry_after = max(1.0, wait)
            if wait > _PATIENCE:
                return error
        return _Again(error, wait)

    def _completion(self, reply: Reply) -> Completion:
        try:
            found = json.loads(reply.body)
            choice = found["choices"][0]
            message = choice["message"]
            text = _text(message.get("content"))
            finish = choice.get("finish_reason")
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            self._no_completion(reply)
        if finish == "content_filter" or (message.get("refusal") and not text):
            raise TextRefused(f"{self._name} will not answer this")
        if not text.strip() and finish != "length":
            # A server that takes all that a reasoning model writes for its thoughts.
            text = _text(message.get("reasoning_content") or message.get("reasoning"))
        return Completion(
            text=text,
            model=_name(found.get("model")) or self._name,
            finish="length" if finish == "length" else "stop",
            usage=_usage(found.get("usage")),
        )

    def _no_completion(self, reply: Reply) -> NoReturn:
        """For a reply with status 200 that is none; some gateways put an error there."""
        _, text = _told(reply)
        said = self._said(reply, text)
        if text:
            raise _Again(TextUnavailable("the language model's server answers with an error", detail=said))
        raise _Again(
            TextUnusable("the language model's server answers with something that is no chat completion", detail=said)
        )


def _text(content: object) -> str:
    """A message's content: a string, or parts of which some are text."""
    if isinstance(content, list):
        return "".join(_text(part.get("text")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def _name(found: object) -> str:
    """The model by the server's account, unless that is a path of its machine."""
    sane = isinstance(found, str) and len(found) <= _LONGEST_NAME and found.isprintable()
    return found if sane and isinstance(found, str) and found[:1] not in "/.~" and "\\" not in found else ""


def _usage(found: object) -> Usage | None:
    if not isinstance(found, dict):
        return None
    prompt, completion = found.get("prompt_tokens"), found.get("completion_tokens")
    if not isinstance(prompt, int) or not isinstance(completion, int) or min(prompt, completion) < 0:
        return None
    return Usage(prompt, completion)


def _told(reply: Reply) -> tuple[str, str]:
    """The code and the message of an error, lower case code, one line; both empty where there is none."""
    try:
        found = json.loads(reply.body)
    except (ValueError, RecursionError):
        return "", ""
    error = found.get("error", found) if isinstance(found, dict) else {}
    if isinstance(error, str):
        return "", " ".join(error.split())
    if not isinstance(error, dict):
        return "", ""
    message = error.get("message") or error.get("detail") or ""
    param = error.get("param") or ""
    text = message if isinstance(message, str) else json.dumps(message)
    return str(error.get("code") or error.get("type") or "").lower(), " ".join(f"{text} {param}".split())


def _too_long(code: str, text: str) -> bool:
    told = text.lower()
    return (
        code in {"context_length_exceeded", "exceed_context_size_error"}
        or "context length" in told
        or ("context" in told and "exceed" in told)
    )


def _filtered(code: str) -> bool:
    return code in {"content_filter", "content_policy_violation"}


def _retry_after(value: str | None) -> float | None:
    """Seconds, from seconds or a date."""
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def _wait(seconds: float, cancelled: Callable[[], bool]) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if cancelled():
            raise JobCancelled("the text was not wanted any more")
        time.sleep(min(left, 0.1))
