# SPDX-License-Identifier: Apache-2.0
"""A job whose model is of the second engine, through the store of models and real children."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.asr.test_onnx import make_model
from tests.worker.conftest import Pcm, Rig, write

from harken.library import LoadedModel
from harken.model import Options
from harken.models.catalog import Catalog
from harken.models.extras import EXTRAS
from harken.models.sources import Folder
from harken.models.spec import ModelFile, ModelSpec
from harken.models.store import ModelStore
from harken.models.whisper import WHISPER
from harken.worker.runtime import Runtime, RuntimeSettings
from harken.worker.weights import Hardware, Weights

BANDS = ModelSpec(
    name="bands",
    family="onnx-asr",
    files=tuple(ModelFile(name) for name in ("model.onnx", "vocab.txt", "config.json")),
    sources=(),
    licence="Apache-2.0",
    description="writes down which of three chords sounds",
)


@pytest.fixture
def store(tmp_path: Path, vad_model: Path) -> ModelStore:
    """A store that gets the model from a user's folder."""
    make_model(tmp_path / "mine" / "bands", languages=["en"])
    (tmp_path / "mine" / "silero-vad").symlink_to(vad_model.parent)
    return ModelStore(tmp_path / "models", [Folder(tmp_path / "mine")], Catalog(entries=(*WHISPER, *EXTRAS, BANDS)))


@pytest.fixture
def rig(store: ModelStore, tmp_path: Path) -> Iterator[Rig]:
    weights = Weights(store.catalog, store, Hardware())
    runtime = Runtime(RuntimeSettings(scratch=tmp_path / "scratch", children=1), weights, pytest.fail)
    runtime.wait_ready()
    yield Rig(runtime)
    runtime.close(drain=5.0)


def test_the_model_says_which_engine_runs_it(
    rig: Rig, store: ModelStore, clips: dict[str, Pcm], tmp_path: Path
) -> None:
    recording = write(tmp_path / "speech.wav", clips["beckett"])
    heard = rig.run(recording, "job", Options(model="bands"))
    words = heard.text.split()
    assert words
    # Speech is none of its chords, but the few words that it has are all that it can write.
    assert set("".join(words)) <= set("lowhig.")
    assert {result.language for result in heard.results.values()} == {"en"}
    with LoadedModel("bands", store=store) as model:
        assert model.transcribe(recording).text == heard.text
