# SPDX-License-Identifier: Apache-2.0
"""The server is held to its own ``/openapi.json`` by schemathesis: no 500, answers as documented."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from tests.server.conftest import wav

if TYPE_CHECKING:
    from tests.server.conftest import Running, Serve

HOOKS = """
from pathlib import Path

import schemathesis
from hypothesis import strategies as st
from schemathesis.transport.serialization import Binary

# Random bytes are no recording: most uploads are a real one, so that what is behind them is reached too.
recording = Binary(Path(__file__).with_name("talk.wav").read_bytes())
schemathesis.openapi.format("binary", st.one_of(st.just(recording), st.just(recording), st.binary().map(Binary)))


@schemathesis.check
def unavailable_are_weights_alone(ctx, response, case):
    assert response.status_code != 503 or "could not be fetched" in response.text, response.text
"""

CONFIG = """
hooks = "hooks.py"

[checks]
# What is written correctly may still be refused: an unknown model, a job that is not there, bytes that are no media.
positive_data_acceptance.expected-statuses = ["2xx", 400, 404, 409, 413, 415, 422, 503]
# And weights that are not here may not be to be had: see the check in the hooks.
not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", 503]

[phases.stateful.checks]
# Here a bad field may get a good value out of an earlier answer, and a refusal is expected still.
negative_data_rejection.enabled = false
"""


def fuzz(url: str, folder: Path, examples: int, *options: str) -> None:
    """Have schemathesis hold a server to its document, with its settings in ``folder`` and further ``options``.

    So many examples of every operation, the same every time: what is tested does not depend on how fast the machine is.
    """
    (folder / "talk.wav").write_bytes(wav(1.2))
    (folder / "hooks.py").write_text(HOOKS)
    (folder / "schemathesis.toml").write_text(CONFIG)
    tool = Path(sysconfig.get_path("scripts")) / "schemathesis"
    done = subprocess.run(
        [
            sys.executable,
            tool,
            "run",
            f"{url}/openapi.json",
            "--max-examples",
            str(examples),
            "--generation-deterministic",
            *options,
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    told = re.sub(r"\x1b\[[0-9;]*m|(\\x00)+", "", done.stdout + done.stderr)
    assert done.returncode == 0, told[-8000:]


def test_schemathesis(serve: Serve, tmp_path: Path) -> None:
    server = serve(requests_per_minute=10**6)
    fuzz(server.url, tmp_path, 6)
    assert len(server.backend.submissions) > 5, "forms must get through, or little was tested"
    server.clean()


def test_every_route_is_documented_with_its_errors(server: Running) -> None:
    document = httpx.get(server.url + "/openapi.json").json()
    assert "HTTPValidationError" not in document["components"]["schemas"]
    for path, operations in document["paths"].items():
        if not path.startswith(("/v1", "/api")):
            continue
        says = "error" if path.startswith(("/v1", "/api/v1")) else "detail"
        for method, operation in operations.items():
            assert {"401", "429", "500"} <= set(operation["responses"]), (method, path)
            for status, answer in operation["responses"].items():
                if int(status) >= 400:
                    shape = answer["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
                    assert says in document["components"]["schemas"][shape]["properties"], (path, status)
    form = document["paths"]["/v1/audio/transcriptions"]["post"]["requestBody"]["content"]["multipart/form-data"]
    assert {"file", "model", "stream", "timestamp_granularities[]", "cpu_threads"} <= set(form["schema"]["properties"])


def test_keys_are_documented_where_they_are_needed(serve: Serve) -> None:
    document = httpx.get(serve(api_keys=("key",)).url + "/openapi.json").json()
    assert document["components"]["securitySchemes"] == {"key": {"type": "http", "scheme": "bearer"}}
    assert document["paths"]["/v1/models"]["get"]["security"] == [{"key": []}]
    assert document["paths"]["/healthz"]["get"]["security"] == []
    assert "securitySchemes" not in httpx.get(serve().url + "/openapi.json").json()["components"]
