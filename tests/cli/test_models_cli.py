# SPDX-License-Identifier: Apache-2.0
"""``harken models``: output and exit codes, in a pipe and on a terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from harken.cli.app import app
from harken.models.catalog import Catalog
from harken.models.spec import HubRepo
from harken.models.whisper import WHISPER


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty models folder."""
    return tmp_path / "models"


@pytest.fixture(autouse=True)
def _environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings that reach nothing: a hub where nobody listens, and no package index."""
    for name in list(os.environ):
        if name.startswith(("HARKEN_", "PIP_", "UV_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HARKEN_MODELS_DIR", str(folder))
    monkeypatch.setenv("HARKEN_HUB_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("NO_PROXY", "*")


def harken(*arguments: str, **settings: str) -> Result:
    return CliRunner().invoke(
        app, ["models", *arguments], env={f"HARKEN_{key}": value for key, value in settings.items()}
    )


def test_list_without_a_terminal_is_tab_separated() -> None:
    done = harken("list", DEFAULT_MODEL="small")
    assert done.exit_code == 0, done.stderr
    rows = {line.split("\t")[0]: line.split("\t")[1:] for line in done.stdout.splitlines()}
    assert rows["name"] == ["also", "size", "installed", "pinned"]
    assert rows["small"] == ["whisper-1", "486.2 MB", "no", "files"]
    assert rows["large-v3-turbo"][0] == "turbo, whisper-turbo"
    assert rows["distil-large-v2"][3] == "revision"
    assert rows["large-v1"][3] == "weights"
    assert set(rows) - {"name"} == {spec.name for spec in Catalog().entries()}


def test_fetch_list_verify_delete(
    folder: Path, models_dir: Path, vad_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARKEN_MODEL_SOURCE", str(models_dir))
    done = harken("fetch", "vad", "silero-vad")
    assert done.exit_code == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"silero-vad: installed in {folder / 'silero-vad'}",
        f"silero-vad: already installed in {folder / 'silero-vad'}",
    ]
    assert f"silero-vad: asking folder {models_dir}" in done.stderr
    assert (folder / "silero-vad" / "silero_vad.onnx").read_bytes() == vad_model.read_bytes()
    assert "silero-vad\tsilero, vad\t1.2 MB\tyes" in harken("list").stdout
    assert "every byte as it must be" in harken("verify").stdout

    (folder / "silero-vad" / "silero_vad.onnx").write_bytes(b"?" * vad_model.stat().st_size)
    done = harken("verify")
    assert done.exit_code == 1
    assert "silero_vad.onnx has SHA-256" in done.stderr

    (folder / "silero-vad" / "silero_vad.onnx").write_bytes(b"short")
    done = harken("verify")
    assert done.exit_code == 1, "it is looked at though it does not count as installed"
    assert "has 5 bytes instead of" in done.stderr

    freed = sum(item.stat().st_size for item in (folder / "silero-vad").iterdir())
    done = harken("delete", "silero-vad")
    assert (done.exit_code, done.stdout.strip()) == (0, f"silero-vad: deleted, {freed} bytes freed")
    assert harken("delete", "silero-vad").exit_code == 1
    assert "nothing is installed" in harken("verify").stdout


def test_what_could_not_be_fetched_is_told_and_the_rest_is_fetched(
    models_dir: Path, vad_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARKEN_MODEL_SOURCE", str(models_dir))
    done = harken("fetch", "large-v3", "silero-vad")
    assert done.exit_code == 1
    assert "silero-vad: installed" in done.stdout
    assert "model large-v3 could not be fetched; " in done.stderr
    assert "(hub http://127.0.0.1:9: 127.0.0.1 cannot be reached" in done.stderr


def test_wrong_use_exits_with_2() -> None:
    done = harken("fetch", "bsae")
    assert done.exit_code == 2
    assert "nobody knows a model named 'bsae'; did you mean base?" in done.stderr
    assert harken("fetch").exit_code == 2
    done = harken("list", DEFAULT_MODEL="nope")
    assert done.exit_code == 2
    assert "nope" in done.stderr
    done = harken("list", PORT="many")
    assert done.exit_code == 2
    assert "HARKEN_PORT" in done.stderr


def test_offline() -> None:
    done = harken("fetch", "base", OFFLINE="1")
    assert done.exit_code == 1
    assert "work offline" in done.stderr


def test_a_terminal_gets_a_table_and_a_bar(tmp_path: Path, base_model: Path) -> None:
    hub = tmp_path / "hub"
    spec = next(spec for spec in WHISPER if spec.name == "base")
    repo = next(source for source in spec.sources if isinstance(source, HubRepo))
    place = hub / repo.repo / "resolve" / repo.revision
    place.parent.mkdir(parents=True)
    place.symlink_to(base_model)

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(hub))  # type: ignore[arg-type]

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_address[1]}"
        shown = on_a_terminal("fetch", "base", HARKEN_HUB_URL=url)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert "base: model.bin" in shown
    assert "MB" in shown
    assert "base: installed in" in shown
    table = on_a_terminal("list")
    assert "preset cpu-lite: base, int8" in table
    assert "default: base; folder:" in table


def on_a_terminal(*arguments: str, **environment: str) -> str:
    """What a person sees."""
    parent, child = pty.openpty()
    command = [sys.executable, "-c", "from harken.cli import main; main()", "models", *arguments]
    terminal = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120", **environment}
    process = subprocess.Popen(command, env=terminal, stdin=child, stdout=child, stderr=child)
    os.close(child)
    seen = b""
    try:
        while chunk := os.read(parent, 65536):
            seen += chunk
    except OSError:
        pass  # Linux says EIO when the last process has closed the terminal
    finally:
        os.close(parent)
    assert process.wait(60) == 0, seen.decode()
    return seen.decode()
