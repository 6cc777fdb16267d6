# SPDX-License-Identifier: Apache-2.0
"""Models that an operator adds, from their file to a transcript of the command line."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
from tests.asr.test_onnx import HIGH, LOW, make_model, piece, silence, tone

from harken.errors import InvalidOption
from harken.model import SAMPLE_RATE
from harken.models.own import catalog, read
from harken.models.spec import HubRepo, ModelFile

COMMIT = "0123456789abcdef0123456789abcdef01234567"
HASH = "ab" * 32

WHOLE = f"""
[my-parakeet]
family = "onnx-asr"
repo = "owner/parakeet"
revision = "{COMMIT}"
licence = "CC-BY-4.0"
description = "ours"
aliases = ["Parakeet"]
multilingual = false
translates = true
size = 12

[my-parakeet.files]
"config.json" = {{}}
"model.onnx" = {{ size = 9, sha256 = "{HASH}" }}
"""


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_every_key_is_heard(tmp_path: Path) -> None:
    file = written(tmp_path / "own.toml", WHOLE)
    [spec] = read(file)
    assert (spec.name, spec.family, spec.engine, spec.licence) == ("my-parakeet", "onnx-asr", "onnx", "CC-BY-4.0")
    assert spec.files == (ModelFile("config.json"), ModelFile("model.onnx", 9, HASH))
    assert spec.sources == (HubRepo("owner/parakeet", COMMIT),)
    assert (spec.description, spec.multilingual, spec.can_translate, spec.size) == ("ours", False, True, 12)
    known = catalog("parakeet", {"fast": {"model": "my-parakeet"}}, file)
    assert known.default.spec == known.resolve("fast").spec == spec
    assert known.resolve("base").spec.name == "base"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("[my-parakeet]", "[my-parakeet", "is not TOML"),
        ('family = "onnx-asr"', "", "family must be onnx-asr or whisper-ct2"),
        ('family = "onnx-asr"', 'family = "vad"', "family must be onnx-asr or whisper-ct2"),
        ('licence = "CC-BY-4.0"', 'license = "MIT"', "license is no key; there are family"),
        ("multilingual = false", 'multilingual = "no"', "multilingual must be of type bool"),
        ("size = 12", "size = true", "size must be of type int"),
        (f'revision = "{COMMIT}"', "", "repo and revision need each other"),
        (COMMIT, "main", "revision must be a whole commit"),
        ('"owner/parakeet"', '"../etc"', "repo must be OWNER/NAME"),
        ('"config.json" = {}', "", "files lack config.json"),
        ('"model.onnx"', '"../model.onnx"', "is no plain file name"),
        ("size = 9", "size = -9", "size must be a number of bytes"),
        ("size = 9", "bytes = 9", "must be a table of size and sha256"),
        (HASH, HASH.upper(), "sha256 must be 64 hex digits"),
        ("my-parakeet", "My/Parakeet", "is not TOML"),
        ("[my-parakeet", '["../x"', "a name has lower-case letters"),
        ('["Parakeet"]', "[1]", "aliases must be texts"),
        ('["Parakeet"]', '["Whisper-1"]', "another model named whisper-1"),
        ('["Parakeet"]', '["Large"]', "another model named large"),
        ('["Parakeet"]', '["cpu-lite"]', "another model named cpu-lite"),
        ("my-parakeet", "base", "another model named base"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert old in WHOLE
    file = written(tmp_path / "own.toml", WHOLE.replace(old, new))
    with pytest.raises(InvalidOption) as caught:
        catalog(file=file)
    assert told in caught.value.message
    assert str(file) in caught.value.message


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match=r"HARKEN_MODEL_CATALOG: .* cannot be read: No such file"):
        catalog(file=tmp_path / "gone.toml")


def test_one_may_not_have_anothers_name(tmp_path: Path) -> None:
    file = written(tmp_path / "own.toml", WHOLE + WHOLE.replace("my-parakeet", "second"))
    with pytest.raises(InvalidOption, match="model second: there is another model named parakeet"):
        catalog(file=file)


def test_from_a_file_to_a_transcript(tmp_path: Path, vad_model: Path) -> None:
    """The whole way of an operator: write the file, fetch, verify, transcribe; and a wrong byte is noticed."""
    folder = make_model(tmp_path / "mine" / "bands", languages=["de"])
    (tmp_path / "mine" / "silero-vad").symlink_to(vad_model.parent)
    hashes = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    listed = "".join(f'"{name}" = {{ sha256 = "{value}" }}\n' for name, value in hashes.items())
    file = written(tmp_path / "own.toml", f'[bands]\nfamily = "onnx-asr"\n[bands.files]\n{listed}')
    sound = piece(silence(0.5), tone(LOW, 0.5), silence(1.0), tone(HIGH, 0.5), silence(0.5)).samples
    with wave.open(str(tmp_path / "chords.wav"), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(SAMPLE_RATE)
        out.writeframes((np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes())

    def harken(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "HARKEN_MODEL_CATALOG": str(file),
            "HARKEN_MODEL_SOURCE": str(tmp_path / "mine"),
            "HARKEN_MODELS_DIR": str(tmp_path / "models"),
            "HARKEN_OFFLINE": "1",
        }
        command = [sys.executable, "-m", "harken", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert "bands: installed in" in harken("models", "fetch", "bands", "silero-vad").stdout
    assert harken("models", "verify", "bands").returncode == 0
    done = harken("transcribe", str(tmp_path / "chords.wav"), "--model", "bands", "--no-vad", "-f", "json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["text"].strip(), told["language"]) == ("lo high.", "de")
    (tmp_path / "models" / "bands" / "vocab.txt").write_text("lo 1\n", encoding="utf-8")
    assert "is damaged" in harken("models", "verify", "bands").stderr
