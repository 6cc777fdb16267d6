# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the text room."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from tests.text import real_llama
from tests.text.chat_server import KEY, Answer, Asked, ChatServer, documented, passing_on

from harken.text import endpoint


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    """A language model's server; nobody pauses long before asking it again."""
    monkeypatch.setattr(endpoint, "_PAUSES", (0.01, 0.01))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    running = ChatServer()
    yield running
    running.close()


@pytest.fixture(scope="session")
def llama_url() -> Iterator[str]:
    """Where llama.cpp serves a real model."""
    with real_llama.served(KEY) as url:
        yield url


@pytest.fixture(params=["loopback", pytest.param("llama.cpp", marks=real_llama.MARKS)])
def answers(request: pytest.FixtureRequest) -> Callable[[Asked], Answer]:
    """What a server answers that works: one that holds requests against the documentation, and a real one."""
    if request.param == "loopback":
        return documented
    return passing_on(request.getfixturevalue("llama_url"))
