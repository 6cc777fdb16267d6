# SPDX-License-Identifier: Apache-2.0
"""The child process of :mod:`harken.text.local`: ``python -m harken.text.llama FILE NAME THREADS CONTEXT``.

Serves the model on a free port of the loopback device, says where on standard output, and ends when standard input
does, so that it does not outlive who started it.
"""

from __future__ import annotations

import os
import sys

_CACHE = 256
"""MiB of prompts that are kept to be gone on with."""


def main(path: str, name: str, threads: int, context: int) -> None:
    """Serve the model until nobody holds the other end of standard input."""
    # Native code writes what it likes to standard output, where only the address is to stand.
    told = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())

    import xllamacpp  # noqa: PLC0415 -- an extra, and native code that only this process may load

    parameters = xllamacpp.CommonParams()
    parameters.model.path = path
    parameters.model_alias = {name}
    parameters.n_ctx = context
    parameters.n_parallel = 1
    for processors in (parameters.cpuparams, parameters.cpuparams_batch):
        processors.n_threads = threads
        # Recognition runs beside it: a thread with nothing to do must not spin.
        processors.poll = 0
    parameters.n_threads_http = 2
    parameters.cache_ram_mib = _CACHE
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.api_keys = [os.environ.pop("HARKEN_LLAMA_KEY")]
    parameters.endpoint_slots = False
    parameters.ui = False
    parameters.warmup = False
    server = xllamacpp.Server(parameters)
    told.write(f"{server.listening_address}/v1\n")
    told.flush()
    sys.stdin.read()
    # Native threads may still be at work on an answer that nobody wants: no orderly end is worth waiting for.
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
