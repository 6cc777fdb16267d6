# SPDX-License-Identifier: Apache-2.0
"""Stands in for llama.cpp in a child process: the same names, a server that says what it was started with.

For how the child is started, asked, lost and stopped; what a real model writes is tested where one is installed.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any


class CommonParams(SimpleNamespace):
    def __init__(self) -> None:
        super().__init__(model=SimpleNamespace(), cpuparams=SimpleNamespace(), cpuparams_batch=SimpleNamespace())


class Server:
    def __init__(self, parameters: Any) -> None:
        with open(parameters.model.path, encoding="utf-8") as file:  # noqa: PTH123
            kind = file.read()
        # Native code writes to standard output as it likes.
        os.write(1, b"llama_model_loader: loaded meta data\n")
        if kind == "damaged":
            raise RuntimeError("failed to load model")
        if kind == "slow":
            time.sleep(60)

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                said = body["messages"][-1]["content"]
                if said == "die":
                    os._exit(11)
                if said == "hang":
                    time.sleep(60)
                allowed = self.headers["Authorization"] == f"Bearer {parameters.api_keys[0]}"
                content = json.dumps(
                    {
                        "allowed": allowed,
                        "context": parameters.n_ctx,
                        "threads": [parameters.cpuparams.n_threads, parameters.cpuparams_batch.n_threads],
                        "spins": os.environ.get("GOMP_SPINCOUNT"),
                        "hosts": parameters.hostnames,
                        "key in environment": "HARKEN_LLAMA_KEY" in os.environ,
                        "key in arguments": any(parameters.api_keys[0] in argument for argument in sys.argv),
                        "pid": os.getpid(),
                    }
                )
                message = {"role": "assistant", "content": content}
                answer = json.dumps(
                    {
                        "model": next(iter(parameters.model_alias)),
                        "choices": [{"finish_reason": "stop", "message": message}],
                    }
                ).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        served = ThreadingHTTPServer(("127.0.0.1", parameters.port), Handler)
        threading.Thread(target=served.serve_forever, daemon=True).start()
        self.listening_address = f"http://127.0.0.1:{served.server_address[1]}"
