# SPDX-License-Identifier: Apache-2.0
"""The entries that the tests themselves stand on, from where users get them."""

from __future__ import annotations

import wave
from pathlib import Path

import pytest

from harken.models.sources import standard_sources
from harken.models.store import ModelStore


@pytest.mark.parametrize("name", ["sample", "silero-vad"])
def test_fetches_from_the_package_index(name: str, tmp_path: Path) -> None:
    store = ModelStore(tmp_path, standard_sources())
    path = store.fetch(name)
    assert store.verify(name).size == store.catalog.entry(name).size
    assert {file.name for file in path.iterdir()} == {
        "manifest.json",
        *(file.name for file in store.catalog.entry(name).files),
    }


def test_the_models_that_tests_use(base_model: Path, vad_model: Path, model_store: ModelStore) -> None:
    assert (base_model / "model.bin").is_file()
    assert vad_model.is_file()
    for name in ("base", "silero-vad"):
        model_store.verify(name)


def test_the_recordings_that_tests_use(sample_wav: Path, two_cities_wav: Path, beckett_wav: Path) -> None:
    for path, seconds in ((sample_wav, 30), (two_cities_wav, 44), (beckett_wav, 10)):
        with wave.open(str(path)) as audio:
            assert round(audio.getnframes() / audio.getframerate()) == seconds
    assert "SPEAKER" in (sample_wav.parent / "sample.rttm").read_text()
