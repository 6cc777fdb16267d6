# SPDX-License-Identifier: Apache-2.0
"""A language model on this machine: llama.cpp in a child process, asked as any other server is.

Native code that crashes, hangs or takes too much memory takes its own process with it and nothing else. The child is
started when it is first needed and again after a crash, listens on the loopback device only, and takes a key that
nobody but this process has.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from harken.errors import JobCancelled, MissingExtra, ModelUnavailable, TextUnavailable
from harken.model import Message
from harken.text.endpoint import Endpoint
from harken.text.provider import IDLE, Completion
from harken.text.wire import Wire

CONTEXT = 8192
"""Tokens: more cost memory, and on a CPU more time than anybody waits."""
_START = 120.0
"""Seconds for the model to be loaded."""
_ANSWER = 1800.0
"""Seconds for an answer: 8,000 tokens are read at 10 a second at worst."""

_SPINS = "1000"
"""Turns of a loop, some 20 us, in which a thread of llama.cpp waits for the others before it sleeps. OpenMP's own
300,000 cost nothing on a quiet machine. On one that recognises speech as well, each of some hundred waits for a token
then burns the time of the thread that is waited for: 1 token a second in place of 12."""


def runnable() -> bool:
    """Whether llama.cpp is installed."""
    return importlib.util.find_spec("xllamacpp") is not None


class LocalModel:
    """A :class:`~harken.text.provider.LanguageModel` from a GGUF file. Requests of several threads wait in turn."""

    def __init__(self, path: Path, name: str, *, threads: int, context: int = CONTEXT) -> None:
        self._path = path
        self._name = name
        self._threads = threads
        self._context = context
        self._turn = threading.Lock()
        self._child: subprocess.Popen[str] | None = None
        self._endpoint: Endpoint | None = None

    @property
    def name(self) -> str:
        """The catalog's."""
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
        """See :class:`~harken.text.provider.LanguageModel`.

        Raises:
            MissingExtra: llama.cpp is not installed.
            ModelUnavailable: the file is not there.
        """
        while not self._turn.acquire(timeout=0.2):
            _check(cancelled)
        try:
            endpoint = self._running(cancelled)
            return endpoint.complete(
                messages, temperature=temperature, max_tokens=max_tokens, schema=schema, cancelled=cancelled
            )
        except TextUnavailable:
            if self._child is not None and self._child.poll() is not None:
                raise TextUnavailable(
                    f"the process that runs {self._name} died; perhaps the memory is too small"
                ) from None
            raise
        finally:
            if self._child is not None and self._child.poll() is not None:
                self._stop()
            self._turn.release()

    def close(self) -> None:
        """Stop the child, if it runs; the next request starts one again."""
        with self._turn:
            self._stop()

    def _running(self, cancelled: Callable[[], bool]) -> Endpoint:
        if self._endpoint is not None and self._child is not None and self._child.poll() is None:
            return self._endpoint
        self._stop()
        if not runnable():
            raise MissingExtra("a local language model needs llama.cpp: pip install 'harken[llm]'")
        if not self._path.is_file():
            raise ModelUnavailable(
                f"{self._name} is not installed: harken models fetch {self._name}", param="model_name"
            )
        key = secrets.token_hex(16)
        arguments = [str(self._path), self._name, str(self._threads), str(self._context)]
        self._child = subprocess.Popen(
            [sys.executable, "-m", "harken.text.llama", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={"GOMP_SPINCOUNT": _SPINS, **os.environ, "HARKEN_LLAMA_KEY": key},
        )
        address = _Address(self._child)
        try:
            address.wait(self._name, cancelled)
        except BaseException:
            self._stop()
            raise
        if not address.url:
            self._stop()
            raise TextUnavailable(f"{self._name} could not be loaded: the file is damaged, or the memory too small")
        wire = Wire(address.url, key, timeout=_ANSWER, direct=True)
        self._endpoint = Endpoint(wire, self._name, self._context)
        return self._endpoint

    def _stop(self) -> None:
        child, self._child, self._endpoint = self._child, None, None
        if child is None:
            return
        # It has nothing to save. Its pipes are closed after it: a thread may still read from one.
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


class _Address:
    """Waits for the line in which the child says where it listens."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        self.done = threading.Event()
        self.url = ""
        self._child = child
        threading.Thread(target=self._read, name="harken-llama", daemon=True).start()

    def wait(self, name: str, cancelled: Callable[[], bool]) -> None:
        """Return when the child has said it, or has ended. Raises TextUnavailable and JobCancelled."""
        until = time.monotonic() + _START
        while not self.done.wait(0.1):
            _check(cancelled)
            if time.monotonic() > until:
                raise TextUnavailable(f"{name} was not loaded within {_START:.0f} s")

    def _read(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            assert self._child.stdout is not None
            self.url = self._child.stdout.readline().strip()
        self.done.set()


def _check(cancelled: Callable[[], bool]) -> None:
    if cancelled():
        raise JobCancelled("the text was not wanted any more")
