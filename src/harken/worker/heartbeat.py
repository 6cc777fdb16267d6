# SPDX-License-Identifier: Apache-2.0
"""A sign of life for the supervisor: a byte down a pipe, several times in the time after which silence means death.

A process that is stopped, or whose interpreter is stuck, does not beat. Knows nothing of who listens.
"""

from __future__ import annotations

import os
import threading
import time

PIPE_VARIABLE = "SUPERVISOR_BEAT_FD"
"""Environment variable with the pipe's descriptor, set by the supervisor."""
INTERVAL = 0.5
"""Seconds between two beats."""


def start_beating() -> bool:
    """Say that this process is up, and go on saying so; whether there is a supervisor to hear it.

    Call it when the process does its work: until then it counts as starting. When the supervisor is gone, the process
    ends at once.
    """
    number = os.environ.pop(PIPE_VARIABLE, None)
    if number is None:
        return False
    pipe = int(number)
    os.set_inheritable(pipe, False)

    def beat() -> None:
        while True:
            try:
                os.write(pipe, b".")
            except OSError:
                os._exit(1)
            time.sleep(INTERVAL)

    threading.Thread(target=beat, name="heartbeat", daemon=True).start()
    return True
