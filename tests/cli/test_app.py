# SPDX-License-Identifier: Apache-2.0
"""The ``harken`` command as a whole: help, version, how it ends, what it imports."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import pytest
from typer.testing import CliRunner

from harken.cli.app import COMMANDS, app

HEAVY = ["numpy", "av", "ctranslate2", "onnxruntime", "pydantic_settings", "rich", "requests", "fastapi", "sqlalchemy"]


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def harken(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "harken", *arguments], capture_output=True, text=True, check=False)


def test_version() -> None:
    done = harken("--version")
    assert (done.returncode, done.stdout) == (0, f"harken {version('harken')}\n")


def test_alone_it_shows_help() -> None:
    alone, asked = harken(), harken("--help")
    assert alone.returncode == asked.returncode == 0
    assert alone.stdout.strip() == asked.stdout.strip()
    assert all(f"  {name} " in alone.stdout for name in COMMANDS)


@pytest.mark.parametrize("arguments", [["--help"], ["transcribe", "--help"], ["serve", "--help"], ["doctor", "--help"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    done = python(
        f"import sys; sys.argv = ['harken', *{arguments!r}]\n"
        "from harken.cli import main\n"
        "try: main()\n"
        f"finally: print('HEAVY', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip().endswith("HEAVY []")


def test_every_command_has_help() -> None:
    for name in COMMANDS:
        result = CliRunner().invoke(app, [name, "--help"])
        assert result.exit_code == 0, result.output
        assert f"harken {name}" in result.output


def test_a_command_that_is_none_is_refused() -> None:
    done = harken("transcibe")
    assert done.returncode == 2
    assert "transcibe" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_the_extra_it_says_how_to_install_it() -> None:
    done = python("import sys; sys.modules['typer'] = None\nfrom harken.cli import main\nmain()")
    assert done.returncode == 1
    assert "pip install 'harken[cli]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_command_without_its_extra_says_how_to_install_it() -> None:
    done = python(
        "import sys; sys.modules['fastapi'] = None\n"
        "sys.argv = ['harken', 'serve', '--port', '0']\n"
        "from harken.cli import main\nmain()"
    )
    assert done.returncode == 1
    assert "fastapi" in done.stderr
    assert "pip install 'harken[server]'" in done.stderr
    assert "Traceback" not in done.stderr
