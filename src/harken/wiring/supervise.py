# SPDX-License-Identifier: Apache-2.0
"""``harken serve``: the API and a worker under a supervisor."""

from __future__ import annotations

import logging
import sys

from harken.config import Settings
from harken.wiring.listen import listening
from harken.worker.datafolder import own
from harken.worker.supervisor import GaveUp, Program, Supervisor

log = logging.getLogger(__name__)

GRACE = 20.0
"""Seconds beyond the drain that a program gets to put down what it did not finish, before it is killed. It needs nearly
all of them where the database is away, and else one or two."""


def serve(settings: Settings) -> int:
    """Run the API and a worker under a supervisor until told to stop; returns the exit status.

    The supervisor holds the listening socket, so that callers wait out a restart of the API instead of being refused.
    """
    with own(settings.data_dir), listening(settings) as listener:
        internal = [sys.executable, "-m", "harken.cli.internal"]
        descriptor = listener.fileno()
        programs = [
            Program("the API", [*internal, "api", str(descriptor)], pass_fds=(descriptor,)),
            Program("the worker", [*internal, "worker"]),
        ]
        host, port = listener.getsockname()[:2]
        log.info("harken on http://%s:%d, data in %s; Ctrl-C stops it", f"[{host}]" if ":" in host else host, port,
                 settings.data_dir)  # fmt: skip
        try:
            Supervisor(programs, drain=settings.drain_seconds + GRACE, dead_after=settings.dead_after).run()
        except GaveUp as error:
            log.error("%s", error)  # noqa: TRY400 - it is no surprise, and the program itself said why
            return 1
    return 0
