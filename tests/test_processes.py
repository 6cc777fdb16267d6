# SPDX-License-Identifier: Apache-2.0
"""Which processes may load native libraries: the children, and nobody else (docs/adr/0005)."""

from __future__ import annotations

import subprocess
import sys

import pytest

NATIVE = {"av", "ctranslate2", "numpy", "onnxruntime", "tokenizers"}


@pytest.mark.parametrize("module", ["harken.cli.api", "harken.wiring.worker", "harken.wiring.supervise"])
def test_parents_load_no_native_engine(module: str) -> None:
    code = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    loaded = set(done.stdout.split())
    assert module in loaded
    assert not loaded & NATIVE


def test_the_supervisor_loads_neither_the_server_nor_the_database() -> None:
    code = "import sys, harken.wiring.supervise; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert not set(done.stdout.split()) & {"fastapi", "uvicorn", "sqlalchemy", "dbos", "alembic"}
