# SPDX-License-Identifier: Apache-2.0
"""A real llama.cpp with the catalog's language model, where both are installed: what tests need to know of it."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harken.config import Settings
from harken.text.providers import LOCAL

CONTEXT = 4096
"""Tokens that it reads at once."""


def file() -> Path:
    """Where the model is, if it is installed."""
    return Settings().models_dir / LOCAL / "model.gguf"


def _missing() -> str | None:
    if importlib.util.find_spec("xllamacpp") is None:
        return "the extra llm is not installed: pip install 'harken[llm]'"
    if not file().is_file():
        return f"its model is not installed: harken models fetch {LOCAL}"
    return None


MARKS = [
    pytest.mark.slow,
    pytest.mark.skipif(_missing() is not None, reason=f"NOT TESTED: a real language model, because {_missing()}"),
]
"""For tests that need it."""


@contextlib.contextmanager
def served(key: str) -> Iterator[str]:
    """llama.cpp's own server for as long as the context lasts; its base address."""
    command = [sys.executable, "-m", "harken.text.llama", str(file()), LOCAL, "2", str(CONTEXT)]
    environment = {"GOMP_SPINCOUNT": "1000", **os.environ, "HARKEN_LLAMA_KEY": key}
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    ) as child:
        assert child.stdout is not None
        try:
            url = child.stdout.readline().strip()
            assert url, "llama.cpp did not start"
            yield url
        finally:
            child.kill()
