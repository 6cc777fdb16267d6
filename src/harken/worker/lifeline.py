# SPDX-License-Identifier: Apache-2.0
"""How no process outlives the one that started it, even when that one is killed.

Linux sends a signal when the parent dies (``PR_SET_PDEATHSIG``, see prctl(2)); strictly, when the thread that started
the child ends, so children are started by threads that live as long as they do. Elsewhere only the pipe tells.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_SET_DEATH_SIGNAL = 1
_SET_NAME = 15

# Loaded once, here: between fork and exec, where die_with_parent is called, loading a library would not be safe.
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def die_with_parent(parent: int) -> None:
    """Have this process killed when its parent, of the process id ``parent``, dies; at once if it has already."""
    if _libc is not None:
        _libc.prctl(_SET_DEATH_SIGNAL, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def name_process(name: str) -> None:
    """What ``ps`` and ``top`` call this process; 15 characters count."""
    if _libc is not None:
        _libc.prctl(_SET_NAME, name.encode()[:15], 0, 0, 0)
