# SPDX-License-Identifier: Apache-2.0
"""The endpoint provider against servers that work and now and then fail: one that checks every request against the
documentation, and, where it is installed, llama.cpp with a real model, behind a proxy that puts the faults in.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator

import pytest
from tests.text.chat_server import KEY, Answer, Asked, ChatServer, refusal

from harken.errors import TextBusy, TextMisconfigured, TextTooLong, TextUnavailable, TextUnusable
from harken.model.texts import Message
from harken.text.endpoint import Endpoint
from harken.text.provider import Completion
from harken.text.wire import Wire

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}
TIMEOUT = 300.0
"""Seconds: a real model on a busy machine."""

Answers = Callable[[Asked], Answer]


@pytest.fixture
def working(server: ChatServer, answers: Answers) -> Iterator[ChatServer]:
    """A server that works until a test puts a fault in."""
    server.says(answers)
    yield server
    assert all(asked.body["stream"] is False for asked in server.asked)


def endpoint(server: ChatServer, *, timeout: float = TIMEOUT, key: str = KEY) -> Endpoint:
    return Endpoint(Wire(server.url, key, timeout=timeout), "qwen2.5-coder-1.5b", 4096)


def ask(model: Endpoint, *, schema: bool = False, max_tokens: int = 16) -> Completion:
    told = 'What is 2 + 2? Answer with JSON: {"a": number}' if schema else "What is 2 + 2? Answer with one number."
    return model.complete(
        [Message("system", "Be brief."), Message("user", told)],
        temperature=0,
        max_tokens=max_tokens,
        schema=SCHEMA if schema else None,
    )


def formats(server: ChatServer) -> list[str | None]:
    return [asked.format for asked in server.asked]


def test_answers(working: ChatServer) -> None:
    done = ask(endpoint(working))
    assert "4" in done.text
    assert done.finish == "stop"
    assert done.usage is not None
    assert min(done.usage.prompt, done.usage.completion) > 0


def test_stops_after_so_many_tokens(working: ChatServer) -> None:
    done = ask(endpoint(working), schema=True, max_tokens=2)
    assert done.finish == "length"


def test_writes_json_by_a_schema(working: ChatServer) -> None:
    assert json.loads(ask(endpoint(working), schema=True).text) == {"a": 4}
    assert formats(working) == ["json_schema"]


def test_a_schema_that_is_refused_becomes_an_object(working: ChatServer, answers: Answers) -> None:
    def older(asked: Asked) -> Answer:
        told = "response_format 'json_schema' is not supported"
        return refusal(400, told) if asked.format == "json_schema" else answers(asked)

    working.does(older)
    model = endpoint(working)
    assert json.loads(ask(model, schema=True).text)["a"] == 4
    assert json.loads(ask(model, schema=True).text)["a"] == 4
    assert formats(working) == ["json_schema", "json_object", "json_object"]


def test_a_conversation(working: ChatServer) -> None:
    told = [
        Message("user", "What is 1 + 2? One number."),
        Message("assistant", "3"),
        Message("user", "And 2 + 2? One number."),
    ]
    done = endpoint(working).complete(told, temperature=0, max_tokens=16)
    assert "4" in done.text


@pytest.mark.parametrize(
    "fault",
    [
        refusal(429, "slow down", Retry_After="0.05"),
        refusal(503, "loading", Retry_After="0"),
        refusal(500, "boom"),
        Answer(b"{}", cut=0),
        Answer(b'{"choices": [{"mess', cut=10),
        Answer(b"\x00\xff rubbish in place of JSON"),
        Answer(b"<html>Bad Gateway</html>", 502),
    ],
    ids=["429", "503", "500", "closed", "cut", "rubbish", "502"],
)
def test_a_fault_that_passes_is_not_told(working: ChatServer, answers: Answers, fault: Answer) -> None:
    working.says(fault, answers)
    assert "4" in ask(endpoint(working)).text
    assert len(working.asked) == 2


def test_an_answer_that_is_cut_is_asked_for_again(working: ChatServer, answers: Answers) -> None:
    def cut(asked: Asked) -> Answer:
        whole = answers(asked)
        content = whole.body if isinstance(whole.body, bytes) else json.dumps(whole.body).encode()
        return Answer(content, cut=len(content) // 2)

    working.says(cut, answers)
    assert "4" in ask(endpoint(working)).text
    assert len(working.asked) == 2


@pytest.mark.parametrize(
    ("fault", "kind", "times"),
    [
        (refusal(429, "slow down", Retry_After="3600"), TextBusy, 1),
        (refusal(429, "slow down", Retry_After="0"), TextBusy, 3),
        (refusal(500, "boom"), TextUnavailable, 3),
        (Answer(b"{}", cut=0), TextUnavailable, 3),
        (Answer(b"rubbish"), TextUnusable, 3),
        (Answer(gate=threading.Event()), TextUnavailable, 1),
    ],
    ids=["429 for an hour", "429", "500", "closed", "rubbish", "time-out"],
)
def test_a_fault_that_stays_is_told_and_the_server_can_be_asked_again(
    working: ChatServer, answers: Answers, fault: Answer, kind: type[Exception], times: int
) -> None:
    working.says(fault)
    with pytest.raises(kind):
        # Only the answer that never comes is to come too late.
        ask(endpoint(working, timeout=TIMEOUT if fault.gate is None else 0.5))
    working.until_asked(times)
    assert len(working.asked) == times
    working.says(answers)
    assert "4" in ask(endpoint(working)).text


def test_a_key_that_is_not_taken(working: ChatServer) -> None:
    with pytest.raises(TextMisconfigured, match="HARKEN_LLM_API_KEY"):
        ask(endpoint(working, key="sk-another"))
    assert len(working.asked) == 1


def test_a_request_longer_than_the_context(working: ChatServer) -> None:
    with pytest.raises(TextTooLong, match="HARKEN_LLM_CONTEXT"):
        endpoint(working).complete([Message("user", "word " * 6000)], temperature=0, max_tokens=5)
    assert len(working.asked) == 1
