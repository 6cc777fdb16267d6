# SPDX-License-Identifier: Apache-2.0
"""A language model in a child process: started, asked, cancelled, lost and stopped; and a real one where it is."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.text import real_llama
from tests.text.meetings import meeting

from harken.errors import HarkenError, JobCancelled, MissingExtra, ModelUnavailable, TextUnavailable
from harken.model import Message
from harken.text import endpoint, local, words
from harken.text.generative import Generative
from harken.text.local import LocalModel
from harken.text.prompts import points_schema
from harken.text.providers import LOCAL

STAND_IN = Path(__file__).parent / "llama_standin"


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """The child finds the stand-in for llama.cpp; nothing waits long before it asks again."""
    monkeypatch.syspath_prepend(str(STAND_IN))
    monkeypatch.setenv("PYTHONPATH", str(STAND_IN))
    monkeypatch.setattr(endpoint, "_PAUSES", (0.01, 0.01))
    # A proxy of the environment must not get between us and the child.
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)


@pytest.fixture
def model(stand_in: None, tmp_path: Path) -> Iterator[LocalModel]:
    file = tmp_path / "model.gguf"
    file.write_text("fine")
    running = LocalModel(file, "small", threads=3, context=2048)
    yield running
    running.close()


def ask(model: LocalModel, text: str = "hi") -> dict[str, Any]:
    done = model.complete([Message("user", text)], temperature=0, max_tokens=5)
    assert done.model == "small"
    found: dict[str, Any] = json.loads(done.text)
    return found


def gone(pid: int) -> None:
    """Waits until there is no such process."""
    until = time.monotonic() + 60
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < until, f"process {pid} is still there"
        time.sleep(0.01)


def test_is_started_once_with_what_it_is_to_have(model: LocalModel) -> None:
    first = ask(model)
    assert first == {
        "allowed": True,
        "context": 2048,
        "threads": [3, 3],
        "spins": "1000",
        "hosts": ["127.0.0.1"],
        "key in environment": False,
        "key in arguments": False,
        "pid": first["pid"],
    }
    assert first["pid"] != os.getpid()
    assert ask(model)["pid"] == first["pid"]
    model.close()
    gone(first["pid"])


def test_a_crash_is_told_and_the_next_request_has_a_new_child(model: LocalModel) -> None:
    first = ask(model)["pid"]
    with pytest.raises(TextUnavailable, match="the process that runs small died"):
        ask(model, "die")
    assert ask(model)["pid"] != first
    second = ask(model)["pid"]
    os.kill(second, signal.SIGKILL)
    assert model._child is not None
    model._child.wait(60)
    assert ask(model)["pid"] != second


def test_is_left_when_nobody_waits(model: LocalModel) -> None:
    ask(model)
    asked = threading.Event()
    threading.Timer(0.2, asked.set).start()
    with pytest.raises(JobCancelled):
        model.complete([Message("user", "hang")], temperature=0, max_tokens=5, cancelled=asked.is_set)


def test_who_waits_for_a_turn_can_leave(model: LocalModel) -> None:
    ask(model)
    stop = threading.Event()
    caught: list[HarkenError] = []

    def hang() -> None:
        try:
            model.complete([Message("user", "hang")], temperature=0, max_tokens=5, cancelled=stop.is_set)
        except HarkenError as error:
            caught.append(error)

    other = threading.Thread(target=hang)
    other.start()
    try:
        with pytest.raises(JobCancelled):
            model.complete([Message("user", "hi")], temperature=0, max_tokens=5, cancelled=lambda: True)
    finally:
        stop.set()
        other.join()
    assert [type(error) for error in caught] == [JobCancelled]


@pytest.mark.parametrize(("kind", "told"), [("damaged", "could not be loaded"), ("slow", "was not loaded within")])
def test_a_model_that_does_not_load(model: LocalModel, monkeypatch: pytest.MonkeyPatch, kind: str, told: str) -> None:
    monkeypatch.setattr(local, "_START", 60.0 if kind == "damaged" else 0.5)
    model._path.write_text(kind)
    with pytest.raises(TextUnavailable, match=told):
        ask(model)
    model._path.write_text("fine")
    monkeypatch.setattr(local, "_START", 60.0)
    assert ask(model)["allowed"]


def test_loading_can_be_cancelled(model: LocalModel) -> None:
    model._path.write_text("slow")
    with pytest.raises(JobCancelled):
        model.complete([Message("user", "hi")], temperature=0, max_tokens=5, cancelled=lambda: True)


def test_a_file_that_is_not_there(model: LocalModel) -> None:
    model._path.unlink()
    with pytest.raises(ModelUnavailable, match="harken models fetch small"):
        ask(model)


def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"harken\[llm\]"):
        LocalModel(tmp_path, "small", threads=1).complete([Message("user", "hi")], temperature=0, max_tokens=5)


def test_does_not_outlive_who_started_it(stand_in: None, tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_text("fine")
    program = f"""
import json, time
from pathlib import Path
from harken.text.local import LocalModel
from harken.model import Message
model = LocalModel(Path({str(tmp_path / "model.gguf")!r}), "small", threads=1)
print(json.loads(model.complete([Message("user", "hi")], temperature=0, max_tokens=5).text)["pid"], flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
    gone(child)


@pytest.fixture(scope="module")
def real() -> Iterator[LocalModel]:
    running = LocalModel(real_llama.file(), LOCAL, threads=2, context=real_llama.CONTEXT)
    yield running
    running.close()


class TestARealModel:
    """llama.cpp with the catalog's model: its server's own idea of the protocol, of JSON schemas, of being left."""

    pytestmark = real_llama.MARKS

    def test_answers(self, real: LocalModel) -> None:
        done = real.complete([Message("user", "What is 2 + 2? One number.")], temperature=0, max_tokens=8)
        assert "4" in done.text
        assert done.usage is not None
        assert done.usage.prompt > 10
        assert done.model == LOCAL

    def test_writes_json_by_a_schema(self, real: LocalModel) -> None:
        asked = [Message("user", "One point about the sea, as JSON.")]
        done = real.complete(asked, temperature=0, max_tokens=200, schema=points_schema(1, 2))
        assert set(json.loads(done.text)) == {"points", "topics"}

    def test_is_left_in_the_middle(self, real: LocalModel) -> None:
        real.complete([Message("user", "hi")], temperature=0, max_tokens=2)
        asked = threading.Event()
        threading.Timer(1.0, asked.set).start()
        long = [Message("user", "Write a very long story about the sea.")]
        with pytest.raises(JobCancelled):
            real.complete(long, temperature=0, max_tokens=2000, cancelled=asked.is_set)
        # The server heard of it: else this would wait for the story to be finished.
        done = real.complete([Message("user", "What is 2 + 2? One number.")], temperature=0, max_tokens=8)
        assert "4" in done.text

    def test_answers_a_question_from_a_transcript(self, real: LocalModel) -> None:
        question = [Message("user", "In which month does the contract with Stripe end?")]
        found = Generative(real).chat(meeting(), question, temperature=0, max_tokens=40)
        assert "March" in found.text
        assert words.count(found.text) <= 40
        assert found.model == LOCAL
