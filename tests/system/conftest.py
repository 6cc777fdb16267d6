# SPDX-License-Identifier: Apache-2.0
"""The whole server as a user starts it, its clients, and recordings for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import httpx
import openai
import pytest
from tests.worker.conftest import clips, recording

from harken.bench.server import started

__all__ = ["clips", "recording"]

T = TypeVar("T")

PATIENCE = 120.0
"""Seconds that a test waits for what must happen, at most."""


@pytest.fixture(scope="module")
def server(
    base_model: Path,
    vad_model: Path,
    segmentation_model: Path,
    campplus_model: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """The address of a server with every model it needs."""
    with started(tmp_path_factory.mktemp("server")) as url:
        yield url


@pytest.fixture(scope="module")
def client(server: str) -> Iterator[openai.OpenAI]:
    """OpenAI's client."""
    with openai.OpenAI(base_url=f"{server}/v1", api_key="any", max_retries=0, timeout=PATIENCE) as client:
        yield client


@pytest.fixture(scope="module")
def http(server: str) -> Iterator[httpx.Client]:
    """Any other client."""
    with httpx.Client(base_url=server, timeout=PATIENCE) as client:
        yield client


def until(look: Callable[[], T | None]) -> T:
    """What ``look`` gives as soon as it gives something."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not happen in time")
