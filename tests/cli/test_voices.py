# SPDX-License-Identifier: Apache-2.0
"""``harken voices`` through its real entry point: learn a voice, use it, forget it."""

from __future__ import annotations

import os
import subprocess
import sys
import wave
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("base_model", "vad_model", "segmentation_model", "campplus_model")


class House:
    """A data folder, and commands that use it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {**os.environ, "HARKEN_DATA_DIR": str(folder / "data")}

    def run(self, *arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "harken", *map(str, arguments)],
            cwd=self.folder,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=200,
        )


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_an_enrolled_voice_has_its_name_from_then_on(house: House, beckett_wav: Path) -> None:
    done = house.run("voices", "enrol", "Sam B.", beckett_wav)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Sam B.: enrolled from ")
    assert house.run("voices", "list").stdout.split("\t")[0] == "Sam B."
    again = house.run("voices", "enrol", "Sam B.", beckett_wav)
    assert again.returncode == 1
    assert "enrolled already" in again.stderr
    told = house.run("transcribe", beckett_wav, "-f", "rttm", "-q")
    assert told.returncode == 0, told.stderr
    assert {line.split()[7] for line in told.stdout.splitlines()} == {"Sam_B."}
    assert house.run("voices", "forget", "Sam B.").returncode == 0
    assert house.run("voices", "list").stdout == ""
    gone = house.run("voices", "forget", "Sam B.")
    assert gone.returncode == 1
    assert "no voice named" in gone.stderr
    told = house.run("transcribe", beckett_wav, "-f", "rttm", "-q")
    assert {line.split()[7] for line in told.stdout.splitlines()} == {"SPEAKER_00"}


def test_a_voice_belongs_to_a_key(house: House, beckett_wav: Path) -> None:
    keys = {"HARKEN_API_KEYS": "one-key-of-my-own,another-key-of-my-own"}
    assert house.run("voices", "enrol", "Sam", beckett_wav, "--key", "one-key-of-my-own", **keys).returncode == 0
    assert house.run("voices", "list", "--key", "another-key-of-my-own", **keys).stdout == ""
    assert house.run("voices", "list", "--key", "one-key-of-my-own", **keys).stdout.startswith("Sam\t")
    unnamed = house.run("voices", "list", **keys)
    assert unnamed.returncode == 2
    assert "--key" in unnamed.stderr
    wrong = house.run("voices", "list", "--key", "no-key", **keys)
    assert wrong.returncode == 1
    assert "not valid" in wrong.stderr


def test_what_is_no_voice_is_refused(house: House, tmp_path: Path) -> None:
    silence = tmp_path / "silence.wav"
    with wave.open(str(silence), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes(2 * 16_000 * 4))
    nobody = house.run("voices", "enrol", "Nobody", silence)
    assert nobody.returncode == 2
    assert "no speech" in nobody.stderr
    text = tmp_path / "text.wav"
    text.write_text("not sound")
    assert house.run("voices", "enrol", "Text", text).returncode != 0
    missing = house.run("voices", "enrol", "Gone", tmp_path / "gone.wav")
    assert "no such file" in missing.stderr
    assert house.run("voices", "enrol", " ", silence).returncode == 2
    assert all("Traceback" not in done.stderr for done in (nobody, missing))


def test_a_request_brings_its_own_voice(house: House, beckett_wav: Path) -> None:
    told = house.run("transcribe", beckett_wav, "-q", "-f", "rttm", "--voice", f"Ann={beckett_wav}")
    assert told.returncode == 0, told.stderr
    assert {line.split()[7] for line in told.stdout.splitlines()} == {"Ann"}
    wrong = house.run("transcribe", beckett_wav, "--voice", "Ann")
    assert wrong.returncode == 2
    assert "NAME=FILE" in wrong.stderr
