# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the text room."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.text.chat_server import ChatServer

from harken.text import endpoint


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    """A language model's server; nobody pauses long before asking it again."""
    monkeypatch.setattr(endpoint, "_PAUSES", (0.01, 0.01))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    running = ChatServer()
    yield running
    running.close()
