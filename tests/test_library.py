# SPDX-License-Identifier: Apache-2.0
"""harken as a library: one import, any source, nothing but the base install."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import harken
from harken.audio.decode import Decoder
from harken.errors import InvalidOption, NotMedia, UnknownModel
from harken.library import LoadedModel

BLOCKED = ("alembic", "dbos", "fastapi", "pydantic", "pydantic_settings", "rich", "sqlalchemy", "starlette", "typer")


@pytest.fixture(scope="module")
def model(models_dir: Path, base_model: Path, vad_model: Path) -> Iterator[LoadedModel]:
    with harken.load("base", models_dir=models_dir) as loaded:
        yield loaded


def run(code: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_loads_no_engine() -> None:
    heavy = ("av", "ctranslate2", "numpy", "onnxruntime", "requests", "tokenizers", *BLOCKED)
    assert run(f"import harken, sys; print(*sorted(set(sys.modules) & set({heavy})))").strip() == ""


def test_library_needs_no_server(beckett_wav: Path, base_model: Path, vad_model: Path) -> None:
    code = f"""
import sys

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {BLOCKED!r}:
            raise ModuleNotFoundError(f"{{name}} is blocked", name=name)

sys.meta_path.insert(0, Block())
import harken
print(harken.transcribe(sys.argv[1], models_dir=sys.argv[2], language="en").text)
"""
    assert "fail" in run(code, str(beckett_wav), str(base_model.parent)).lower()


def test_transcript_says_what_was_heard(model: LoadedModel, beckett_wav: Path) -> None:
    got = model.transcribe(beckett_wav)
    assert "ever tried" in got.text.lower()
    assert (got.language, got.model) == ("en", "base")
    assert got.duration == pytest.approx(9.96, abs=0.01)
    assert got.timing.processing > 0
    assert got.coverage.missed < 1
    assert got.warnings == ()


def test_every_kind_of_source_gives_the_same_text(model: LoadedModel, beckett_wav: Path) -> None:
    content = beckett_wav.read_bytes()
    with Decoder(beckett_wav) as decoder:
        blocks = []
        while (block := decoder.read()) is not None:
            blocks.append(block[0])
    samples = np.concatenate(blocks)
    reading, writing = os.pipe()

    def feed() -> None:
        with open(writing, "wb") as pipe:  # noqa: PTH123 - a descriptor
            pipe.write(content)

    feeder = threading.Thread(target=feed)
    feeder.start()
    with open(reading, "rb") as pipe:  # noqa: PTH123 - a descriptor
        piped = model.transcribe(pipe, language="en", duration=3.0).text
    feeder.join()
    texts = {
        model.transcribe(source, language="en", duration=3.0).text
        for source in (str(beckett_wav), io.BytesIO(content), content, samples, samples.astype(np.float64))
    }
    assert texts == {piped}


def test_segments_come_one_by_one(model: LoadedModel, two_cities_wav: Path) -> None:
    segments = list(model.stream(two_cities_wav))
    assert all(before.end <= after.start for before, after in pairwise(segments))
    assert "best of times" in "".join(segment.text for segment in segments).lower()


def test_functions_load_and_close_the_model(base_model: Path, beckett_wav: Path) -> None:
    stream = harken.stream(beckett_wav, "base", models_dir=base_model.parent, language="en", cpu_threads=1)
    assert isinstance(next(stream), harken.Segment)
    stream.close()  # type: ignore[attr-defined]


def test_wrong_sources_are_refused(model: LoadedModel, tmp_path: Path) -> None:
    path = tmp_path / "talk.mp3"
    path.write_text("not a talk")
    with pytest.raises(NotMedia):
        model.transcribe(path)
    with pytest.raises(FileNotFoundError):
        model.transcribe(tmp_path / "nothing.mp3")
    with pytest.raises(InvalidOption, match="mode 'rb'"), path.open() as text:
        model.transcribe(text)  # type: ignore[arg-type]
    with pytest.raises(InvalidOption, match="one-dimensional"):
        model.transcribe(np.zeros((2, 16_000), np.float32))
    with pytest.raises(InvalidOption, match="floats"):
        model.transcribe(np.zeros(16_000, np.int16))
    with pytest.raises(InvalidOption, match="not int"):
        model.transcribe(7)  # type: ignore[arg-type]


def test_wrong_options_are_refused_by_name(model: LoadedModel, beckett_wav: Path, models_dir: Path) -> None:
    with pytest.raises(InvalidOption, match="word_timestamps") as caught:
        model.transcribe(beckett_wav, word_timestmaps=True)
    assert caught.value.param == "word_timestmaps"
    with pytest.raises(InvalidOption):
        next(model.stream(beckett_wav, beam_size=-1))
    with pytest.raises(UnknownModel):
        harken.transcribe(beckett_wav, "no-such-model", models_dir=models_dir)
