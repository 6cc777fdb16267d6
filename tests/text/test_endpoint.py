# SPDX-License-Identifier: Apache-2.0
"""The endpoint provider against a server that behaves, and one that misbehaves in every way that servers do."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from tests.text.chat_server import KEY, Answer, Asked, ChatServer, completion, refusal

from harken.errors import (
    InvalidOption,
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
from harken.text import endpoint as endpoint_module
from harken.text import wire
from harken.text.endpoint import Endpoint
from harken.text.provider import Completion
from harken.text.wire import Wire

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}


def endpoint(server: ChatServer, *, timeout: float = 30.0, key: str | None = KEY) -> Endpoint:
    return Endpoint(Wire(server.url, key, timeout=timeout), "test-model", 4096)


def ask(model: Endpoint, *, schema: bool = False, cancelled: Callable[[], bool] = lambda: False) -> Completion:
    return model.complete(
        [Message("system", "Be brief."), Message("user", "Hello?")],
        temperature=0.3,
        max_tokens=20,
        schema=SCHEMA if schema else None,
        cancelled=cancelled,
    )


def test_asks_as_the_api_is_documented(server: ChatServer) -> None:
    done = ask(endpoint(server))
    assert done == Completion("ok", "test-model-2026", "stop", Usage(11, 7))
    asked = server.last()
    assert asked.path == "/v1/chat/completions"
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert asked.headers["content-type"] == "application/json"
    assert asked.body == {
        "model": "test-model",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello?"}],
        "max_tokens": 20,
        "temperature": 0.3,
        "stream": False,
    }


def test_asks_for_json_by_schema(server: ChatServer) -> None:
    ask(endpoint(server), schema=True)
    asked = server.last().body["response_format"]
    assert asked == {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": SCHEMA}}


def test_without_a_key_no_key_is_sent_not_even_from_netrc(
    server: ChatServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    ask(endpoint(server, key=None))
    assert "authorization" not in server.last().headers
    ask(endpoint(server))
    assert server.last().headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (completion([{"type": "text", "text": "one "}, {"type": "text", "text": "two"}]), "one two"),
        (completion(None, reasoning_content="the answer"), "the answer"),
        (completion("", reasoning="the answer"), "the answer"),
        (completion("said", reasoning_content="thought"), "said"),
        (completion(None, "length", reasoning_content="still thinking"), ""),
    ],
)
def test_reads_what_servers_make_of_a_message(server: ChatServer, answer: Answer, text: str) -> None:
    server.says(answer)
    assert ask(endpoint(server)).text == text


def test_tells_that_the_model_had_more_to_say(server: ChatServer) -> None:
    server.says(completion("and then", "length"))
    assert ask(endpoint(server)).finish == "length"


def test_usage_that_is_none_is_not_made_up(server: ChatServer) -> None:
    for usage in (
        None,
        {},
        {"prompt_tokens": "many", "completion_tokens": 1},
        {"prompt_tokens": 1, "completion_tokens": -1},
    ):
        answer = completion("ok")
        assert isinstance(answer.body, dict)
        answer.body["usage"] = usage
        answer.body["model"] = "/home/user/models/secret.gguf"
        server.says(answer)
        assert ask(endpoint(server)) == Completion("ok", "test-model", "stop", None)


class TestWhatAServerDoesNotTake:
    def test_a_schema_becomes_an_object_becomes_nothing_and_is_remembered(self, server: ChatServer) -> None:
        def picky(asked: Asked) -> Answer:
            return refusal(400, "response_format is not supported") if asked.format else completion('{"a": 1}')

        server.does(picky)
        model = endpoint(server)
        assert ask(model, schema=True).text == '{"a": 1}'
        assert [asked.format for asked in server.asked] == ["json_schema", "json_object", None]
        ask(model, schema=True)
        assert [asked.format for asked in server.asked[3:]] == [None]

    def test_a_server_that_only_fails_on_a_schema(self, server: ChatServer) -> None:
        server.does(lambda asked: Answer(b"oops", 500) if asked.format == "json_schema" else completion('{"a": 1}'))
        assert ask(endpoint(server), schema=True).text == '{"a": 1}'
        assert [asked.format for asked in server.asked] == ["json_schema"] * 3 + ["json_object"]

    def test_newer_models_of_openai(self, server: ChatServer) -> None:
        def newer(asked: Asked) -> Answer:
            if "max_tokens" in asked.body:
                told = (
                    "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens'."
                )
                return refusal(400, told, "unsupported_parameter", "max_tokens")
            if "temperature" in asked.body:
                told = "Unsupported value: 'temperature' does not support 0.3 with this model."
                return refusal(400, told, "unsupported_value", "temperature")
            return completion("ok")

        server.does(newer)
        assert ask(endpoint(server)).text == "ok"
        assert server.last().body["max_completion_tokens"] == 20
        assert len(server.asked) == 3

    def test_a_template_without_a_system_role(self, server: ChatServer) -> None:
        def without(asked: Asked) -> Answer:
            system = asked.body["messages"][0]["role"] == "system"
            return refusal(400, "System role not supported") if system else completion("ok")

        server.does(without)
        assert ask(endpoint(server)).text == "ok"
        assert server.last().body["messages"] == [{"role": "user", "content": "Be brief.\n\nHello?"}]


@pytest.mark.parametrize(
    ("answer", "kind", "told", "times"),
    [
        (refusal(401, f"Incorrect API key provided: {KEY}"), TextMisconfigured, "HARKEN_LLM_API_KEY", 1),
        (refusal(403, "no"), TextMisconfigured, "HARKEN_LLM_API_KEY", 1),
        (refusal(404, "The model does not exist", "model_not_found"), TextMisconfigured, "test-model", 1),
        (Answer(b"<html>no such page</html>", 404), TextMisconfigured, "/v1", 1),
        (refusal(400, "bad request, said the server"), TextMisconfigured, "said the server", 1),
        (refusal(400, "maximum context length is 10", "context_length_exceeded"), TextTooLong, "CONTEXT", 1),
        (refusal(400, "the request exceeds the available context size"), TextTooLong, "CONTEXT", 1),
        (Answer(b"too large", 413), TextTooLong, "413", 1),
        (refusal(400, "filtered", "content_filter"), TextRefused, "filter", 1),
        (completion("", "content_filter"), TextRefused, "test-model", 1),
        (completion(None, refusal="I cannot help with that"), TextRefused, "test-model", 1),
        (refusal(429, "You exceeded your quota", "insufficient_quota"), TextMisconfigured, "quota", 1),
        (Answer(b"", 302, {"Location": "http://127.0.0.1:1/elsewhere"}), TextMisconfigured, "redirects", 1),
        (refusal(500, "boom"), TextUnavailable, "boom", 3),
        (Answer(b"<html>Bad Gateway</html>", 502), TextUnavailable, "502", 3),
        (Answer(b"<html>hello</html>"), TextUnusable, "no chat completion", 3),
        (Answer(b'{"choices": []}'), TextUnusable, "no chat completion", 3),
        (Answer(b"[" * 100_000), TextUnusable, "no chat completion", 3),
        (Answer({"error": {"message": "upstream failed", "code": 502}}), TextUnavailable, "upstream failed", 3),
        (Answer(json.dumps(completion("ok").body).encode(), cut=30), TextUnavailable, "broke off", 3),
    ],
)  # fmt: skip
def test_says_what_failed(
    server: ChatServer,
    caplog: pytest.LogCaptureFixture,
    answer: Answer,
    kind: type[TextError],
    told: str,
    times: int,
) -> None:
    server.says(answer)
    with caplog.at_level(logging.DEBUG), pytest.raises(kind) as caught:
        ask(endpoint(server))
    assert type(caught.value) is kind
    assert told in str(caught.value)
    assert len(server.asked) == times
    shown = str(caught.value) + caplog.text + repr(caught.value)
    assert KEY not in shown
    for secret in ("127.0.0.1", server.host.rpartition(":")[2], "boom", "upstream", "said the server"):
        assert secret not in caught.value.message, "clients are told where the model is, or what it says"
    by_the_model = told == "test-model" and kind is TextRefused
    assert by_the_model or server.host in str(caught.value)


def test_a_failure_that_passes_is_not_told(server: ChatServer) -> None:
    server.says(refusal(503, "loading"), Answer(b"{}", cut=0), completion("ok"))
    assert ask(endpoint(server)).text == "ok"


def test_a_long_message_of_a_server_is_cut_and_has_no_key(server: ChatServer) -> None:
    server.says(refusal(500, f"{KEY} " + "x" * 5000))
    with pytest.raises(TextUnavailable) as caught:
        ask(endpoint(server))
    assert "x" * 100 in str(caught.value)
    assert len(str(caught.value)) < 400
    assert KEY not in str(caught.value)


class TestBusy:
    @pytest.mark.parametrize("when", ["0.05", "seconds", None])
    def test_waits_as_long_as_it_is_told(self, server: ChatServer, when: str | None) -> None:
        soon = format_datetime(datetime.now(UTC) - timedelta(seconds=1), usegmt=True)
        headers = {} if when is None else {"Retry_After": soon if when == "seconds" else when}
        server.says(refusal(429, "slow down", **headers), completion("ok"))
        assert ask(endpoint(server)).text == "ok"
        assert len(server.asked) == 2

    def test_does_not_wait_for_ever(self, server: ChatServer) -> None:
        server.says(refusal(429, "slow down", Retry_After="3600"))
        with pytest.raises(TextBusy) as caught:
            ask(endpoint(server))
        assert caught.value.retry_after == 3600
        assert len(server.asked) == 1

    def test_gives_up_after_some_tries(self, server: ChatServer) -> None:
        server.says(refusal(429, "slow down", Retry_After="0"))
        with pytest.raises(TextBusy):
            ask(endpoint(server))
        assert len(server.asked) == 3

    def test_a_pause_can_be_cancelled(self, server: ChatServer) -> None:
        server.says(refusal(429, "slow down", Retry_After="50"))
        with pytest.raises(JobCancelled):
            ask(endpoint(server), cancelled=lambda: bool(server.asked))


class TestAServerThatDoesNotAnswer:
    def test_times_out(self, server: ChatServer) -> None:
        server.says(Answer(gate=threading.Event()))
        with pytest.raises(TextUnavailable, match=r"within 0\.3 s") as caught:
            ask(endpoint(server, timeout=0.3))
        assert "127.0.0.1" not in caught.value.message
        server.until_asked(1)
        assert len(server.asked) == 1

    def test_is_left_when_nobody_waits(self, server: ChatServer) -> None:
        server.says(Answer(gate=threading.Event()))
        with pytest.raises(JobCancelled):
            ask(endpoint(server), cancelled=lambda: bool(server.asked))
        assert server.gone.wait(60), "the server was not told that nobody waits"

    def test_is_not_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(endpoint_module, "_PAUSES", (0.01, 0.01))
        model = Endpoint(Wire("http://127.0.0.1:1/v1", KEY, timeout=5), "test-model", 4096)
        with pytest.raises(TextUnavailable, match=r"127\.0\.0\.1 cannot be reached") as caught:
            ask(model)
        assert caught.value.message == "the language model's server does not answer"

    def test_answers_without_end(self, server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(wire, "_LARGEST", 1000)
        server.says(Answer(b" " * 100_000))
        with pytest.raises(TextUnusable, match="more than 1000 bytes") as caught:
            ask(endpoint(server))
        assert "127.0.0.1" not in caught.value.message

    def test_leaves_no_thread_behind(self, server: ChatServer) -> None:
        server.says(Answer(gate=threading.Event()))
        with pytest.raises(JobCancelled):
            ask(endpoint(server), cancelled=lambda: bool(server.asked))
        until = time.monotonic() + 60
        while any(thread.name == "harken-text" for thread in threading.enumerate()):
            assert time.monotonic() < until
            time.sleep(0.01)


@pytest.mark.parametrize("url", ["", "ftp://host/v1", "http://", "http://me:secret@host/v1", "host:80/v1"])
def test_refuses_what_is_no_address(url: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        Wire(url, None, timeout=1)
    assert "secret" not in caught.value.message


def test_keeps_a_query_of_the_address(server: ChatServer) -> None:
    Endpoint(Wire(f"{server.url}/?api-version=1", KEY, timeout=30), "test-model", 4096).complete(
        [Message("user", "hi")], temperature=0, max_tokens=5
    )
    assert server.last().path == "/v1/chat/completions?api-version=1"
