# SPDX-License-Identifier: Apache-2.0
"""``harken transcribe`` through its real entry point, on real speech."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import wave
from pathlib import Path

import pysubs2
import pytest
import webvtt

pytestmark = pytest.mark.usefixtures("base_model", "vad_model")


def harken(*arguments: str | Path, cwd: Path, stdin: Path | None = None) -> subprocess.CompletedProcess[str]:
    with open(stdin or "/dev/null", "rb") as source:  # noqa: PTH123 - a path or the null device
        return subprocess.run(
            [sys.executable, "-m", "harken", "transcribe", *map(str, arguments)],
            cwd=cwd,
            stdin=source,
            capture_output=True,
            text=True,
            check=False,
        )


def test_one_file_goes_to_standard_output(beckett_wav: Path, tmp_path: Path) -> None:
    done = harken(beckett_wav, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "fail better" in done.stdout.lower()
    assert done.stdout.endswith("\n")
    assert list(tmp_path.iterdir()) == []


def test_many_files_many_formats_and_the_bad_ones_stop_nobody(beckett_wav: Path, tmp_path: Path) -> None:
    sources = tmp_path / "in"
    sources.mkdir()
    for name in ("a.wav", "a.bin"):
        (sources / name).write_bytes(beckett_wav.read_bytes())
    (sources / "empty.mp3").touch()
    (sources / "text.mp3").write_text("not sound")
    names = ["a.wav", "empty.mp3", "a.bin", "text.mp3", "gone.mp3"]
    before = {path: path.read_bytes() for path in sources.iterdir()}
    forms = ["-f", "srt", "-f", "vtt", "-f", "json", "-f", "ass"]
    done = harken(*(sources / name for name in names), *forms, "-w", "-o", tmp_path / "out", cwd=tmp_path)
    assert done.returncode == 1
    assert "3 of 5 failed" in done.stderr
    for name in ("empty.mp3", "text.mp3", "gone.mp3: no such file"):
        assert name in done.stderr.split("failed:")[1]
    assert "Traceback" not in done.stderr
    written = {f"a.{kind}.{form}" for kind in ("wav", "bin") for form in ("srt", "vtt", "json", "ass")}
    assert {path.name for path in (tmp_path / "out").iterdir()} == written
    assert {path: path.read_bytes() for path in sources.iterdir()} == before
    captions = webvtt.read(str(tmp_path / "out" / "a.wav.vtt")).captions
    assert "fail better" in " ".join(caption.text for caption in captions).lower().replace("\n", " ")
    assert len(pysubs2.load(str(tmp_path / "out" / "a.wav.srt"))) == len(captions)
    assert len(pysubs2.load(str(tmp_path / "out" / "a.bin.ass"))) == len(captions)
    data = json.loads((tmp_path / "out" / "a.wav.json").read_text())
    assert data["model"] == "base"
    assert data["segments"][0]["words"]


def test_standard_input_and_options_reach_the_engine(beckett_wav: Path, tmp_path: Path) -> None:
    done = harken(
        "-", "-f", "json", "--offset", "2", "--duration", "3", "-l", "English", cwd=tmp_path, stdin=beckett_wav
    )
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    assert data["language"] == "en"
    assert data["language_probability"] is None
    assert all(2.0 <= segment["start"] <= segment["end"] <= 5.1 for segment in data["segments"])


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["-m", "nope"], "nope"),
        (["-l", "klingon"], "klingon"),
        (["--beam-size", "99"], "beam_size"),
        (["--offset", "-1"], "offset"),
        (["-f", "docx"], "docx"),
        (["--task", "sing"], "sing"),
    ],
)
def test_a_wrong_option_is_told_before_anything_is_done(arguments: list[str], what: str, tmp_path: Path) -> None:
    done = harken("gone.wav", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert what in done.stderr
    assert "gone.wav" not in done.stderr
    assert "Traceback" not in done.stderr


def test_text_comes_while_it_works_and_ctrl_c_ends_it(beckett_wav: Path, tmp_path: Path) -> None:
    with wave.open(str(beckett_wav)) as source:
        params, frames = source.getparams(), source.readframes(source.getnframes())
    with wave.open(str(tmp_path / "long.wav"), "wb") as long:
        long.setparams(params)
        for _ in range(60):
            long.writeframes(frames)
    running = subprocess.Popen(
        [sys.executable, "-m", "harken", "transcribe", "long.wav"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert running.stdout is not None
    assert running.stdout.readline().strip()
    assert running.poll() is None
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=60)
    assert running.returncode == 130
    assert errors == "harken: interrupted\n"
    assert [path.name for path in tmp_path.iterdir()] == ["long.wav"]


def test_a_reader_that_leaves_ends_it_quietly(beckett_wav: Path, tmp_path: Path) -> None:
    running = subprocess.Popen(
        [sys.executable, "-m", "harken", "transcribe", str(beckett_wav)],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert running.stdout is not None
    running.stdout.close()
    assert running.stderr is not None
    errors = running.stderr.read()
    running.stderr.close()
    assert running.wait(60) == 1
    assert errors == ""
