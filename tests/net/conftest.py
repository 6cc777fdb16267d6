# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the net room."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.net.far import Far

from harken.net.addresses import networks
from harken.net.guard import Guard


@pytest.fixture
def far() -> Iterator[Far]:
    with Far() as server:
        yield server


@pytest.fixture
def guard() -> Guard:
    """Lets loopback through, as an operator may."""
    return Guard(networks(["127.0.0.1"]))


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Path]:
    """A spool folder in which nothing is left behind."""
    folder = tmp_path / "spool"
    folder.mkdir()
    yield folder
    assert list(folder.iterdir()) == []
