# SPDX-License-Identifier: Apache-2.0
"""``harken doctor`` through its real entry point: all well, and one thing after another missing."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

Found = dict[str, tuple[str, str]]


class _Answers(BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        self.send_response(404)
        self.end_headers()

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("X-Request-ID", "1")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it is called with
        pass


@pytest.fixture
def answering() -> Iterator[int]:
    """Port of something on loopback that answers as a hub, and as a harken, would."""
    with HTTPServer(("127.0.0.1", 0), _Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that is taken by something that is no harken."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def examined(tmp_path: Path, models_dir: Path, *arguments: str, **variables: object) -> tuple[int, str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HARKEN_")}
    own = {"DATA_DIR": tmp_path / "data", "MODELS_DIR": models_dir, "OFFLINE": "1", "PORT": 0, **variables}
    environment |= {f"HARKEN_{name}": str(value) for name, value in own.items()}
    done = subprocess.run(
        [sys.executable, "-m", "harken", "doctor", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


def findings(tmp_path: Path, models_dir: Path, **variables: object) -> tuple[int, Found]:
    code, output = examined(tmp_path, models_dir, "--json", **variables)
    return code, {item["part"]: (item["level"], item["detail"]) for item in json.loads(output)}


@pytest.mark.usefixtures("base_model", "vad_model")
def test_all_is_well(tmp_path: Path, models_dir: Path) -> None:
    code, output = examined(tmp_path, models_dir)
    assert code == 0
    for part in ("python", "recognition", "processor", "gpu", "models", "data folder", "database", "port"):
        assert any(line.startswith("ok") and part in line for line in output.splitlines()), part
    assert "MISSING" not in output
    assert output.rstrip().endswith("Everything that is needed is there.")
    assert list((tmp_path / "data").iterdir()) == []


def test_models_that_are_missing_are_named_with_what_to_do(tmp_path: Path) -> None:
    code, found = findings(tmp_path, tmp_path / "none", DEFAULT_MODEL="small")
    assert code == 1
    assert found["model small"] == ("missing", "not installed: harken models fetch small")
    assert found["model silero-vad"][0] == "missing"


def test_what_cannot_be_written_or_bound_is_missing(tmp_path: Path, silent: int) -> None:
    (tmp_path / "file").touch()
    code, found = findings(tmp_path, tmp_path, DATA_DIR=tmp_path / "file" / "data", PORT=silent)
    assert code == 1
    assert found["data folder"][0] == "missing"
    assert "HARKEN_DATA_DIR" in found["data folder"][1]
    assert found["port"][0] == "missing"
    assert "HARKEN_PORT" in found["port"][1]


def test_a_disk_that_is_nearly_full_is_missing_room(tmp_path: Path) -> None:
    _, found = findings(tmp_path, tmp_path, MIN_FREE_BYTES=10**18)
    assert found["data folder"][0] == "missing"
    assert "make room" in found["data folder"][1]


def test_a_database_that_does_not_answer_is_missing_and_its_password_stays_secret(tmp_path: Path, silent: int) -> None:
    url = f"postgresql://user:s3cret@127.0.0.1:{silent}/db"
    code, found = findings(tmp_path, tmp_path, DATABASE_URL=url)
    assert code == 1
    assert found["database"][0] == "missing"
    assert "s3cret" not in found["database"][1]


def test_a_hub_and_a_harken_that_answer(tmp_path: Path, answering: int) -> None:
    hub = f"http://127.0.0.1:{answering}"
    _, found = findings(tmp_path, tmp_path, HUB_URL=hub, OFFLINE="0", PORT=answering)
    assert found["model hub"] == ("ok", "127.0.0.1 answers")
    assert found["port"] == ("ok", f"a harken answers at 127.0.0.1:{answering}")


def test_a_hub_that_does_not_answer_is_no_reason_to_fail(tmp_path: Path, silent: int) -> None:
    _, found = findings(tmp_path, tmp_path, HUB_URL=f"http://127.0.0.1:{silent}", OFFLINE="0")
    assert found["model hub"][0] == "note"
    assert "HARKEN_HUB_URL" in found["model hub"][1]


def test_a_device_that_is_not_there_is_missing(tmp_path: Path) -> None:
    _, found = findings(tmp_path, tmp_path, DEVICE="cuda", CUDA_VISIBLE_DEVICES="")
    assert found["gpu"][0] == ("missing" if "none" in found["gpu"][1] else "ok")


def test_settings_that_are_wrong_or_unknown_are_told(tmp_path: Path) -> None:
    code, found = findings(tmp_path, tmp_path, PORT="eighty")
    assert code == 1
    assert "HARKEN_PORT" in found["settings"][1]
    _, found = findings(tmp_path, tmp_path, PROT="1")
    assert found["settings"] == ("note", "HARKEN_PROT is no setting; HARKEN_PORT is")


def test_a_default_model_that_nobody_knows_is_missing(tmp_path: Path) -> None:
    code, found = findings(tmp_path, tmp_path, DEFAULT_MODEL="huge")
    assert code == 1
    assert "HARKEN_DEFAULT_MODEL" in found["models"][1]
