# SPDX-License-Identifier: Apache-2.0
"""A sign of life: a byte down the supervisor's pipe, and a file whose time is renewed, for probes of containers.

Several times in the time after which silence means death. A process that is stopped, or whose interpreter is stuck,
does not beat. Knows nothing of who listens.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from pathlib import Path

PIPE_VARIABLE = "SUPERVISOR_BEAT_FD"
"""Environment variable with the pipe's descriptor, set by the supervisor."""
INTERVAL = 0.5
"""Seconds between two beats."""


def start_beating(file: Path | None = None) -> bool:
    """Say that this process is up, and go on saying so; whether there is anybody to whom.

    Call it when the process does its work: until then it counts as starting. When there is a supervisor and it is gone,
    the process ends at once. ``file`` is touched besides; its age tells. Raises OSError when it cannot be made.
    """
    number = os.environ.pop(PIPE_VARIABLE, None)
    if number is None and file is None:
        return False
    pipe = None if number is None else int(number)
    if pipe is not None:
        os.set_inheritable(pipe, False)
    if file is not None:
        file.touch()

    def beat() -> None:
        while True:
            if pipe is not None:
                try:
                    os.write(pipe, b".")
                except OSError:
                    os._exit(1)
            if file is not None:
                # Where that fails the file grows old, which is what a probe looks at.
                with contextlib.suppress(OSError):
                    file.touch()
            time.sleep(INTERVAL)

    threading.Thread(target=beat, name="heartbeat", daemon=True).start()
    return True
