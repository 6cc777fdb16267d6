# SPDX-License-Identifier: Apache-2.0
"""A small network of an installed model, on ONNX Runtime and a CPU. Knows nothing of what it hears or says."""

from __future__ import annotations

from pathlib import Path

import onnxruntime

from harken.errors import ModelCorrupt, ModelUnavailable

_FATAL = 4
"""Log level: what goes wrong is raised as well."""


def session(path: Path, what: str, *, threads: int = 1, arena: bool = True) -> onnxruntime.InferenceSession:
    """The network in the file at ``path``. Safe to share between threads.

    Args:
        path: the file.
        what: what the network is, for people: ``the speech detector``.
        threads: threads of one run.
        arena: whether memory is kept from run to run; it keeps the most that any length ever took.

    Raises:
        ModelUnavailable: there is no file.
        ModelCorrupt: it is no network.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _FATAL
    options.enable_cpu_mem_arena = arena
    if not path.is_file():
        raise ModelUnavailable(f"{what} is not here; fetch its model", detail=f"there is no {path}")
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no public base class
        raise ModelCorrupt(
            f"{what} cannot be loaded; delete its model and fetch it again", detail=f"{path}: {error}"
        ) from error
