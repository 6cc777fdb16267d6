# SPDX-License-Identifier: Apache-2.0
"""Fixtures for every test: the models and recordings that tests use, fetched once into the user's own cache.

Real ones, from where users get them. Where they cannot be had the tests fail and say why; they are not skipped.
"""

from __future__ import annotations

from pathlib import Path

import httpx
import hypothesis
import pytest
from httpx import _config as httpx_config

from harken.config import Settings
from harken.models.standard import model_store as store_by
from harken.models.store import ModelStore

pytest_plugins = ["tests.postgres", "tests.s3"]

# How long an example takes says what else the machine does, not whether the code is right.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")
# Nor does how long an answer takes: the client's own five seconds failed tests of a busy machine.
httpx_config.DEFAULT_TIMEOUT_CONFIG.__dict__.update(httpx.Timeout(60.0).__dict__)


@pytest.fixture(scope="session")
def model_store() -> ModelStore:
    """The store that ``harken models`` uses, by the settings of this machine."""
    return store_by(Settings())


@pytest.fixture(scope="session")
def models_dir(model_store: ModelStore) -> Path:
    """The folder of installed models."""
    return model_store.root


@pytest.fixture(scope="session")
def base_model(model_store: ModelStore) -> Path:
    """Folder of Whisper base."""
    return model_store.fetch("base")


@pytest.fixture(scope="session")
def vad_model(model_store: ModelStore) -> Path:
    """The voice detector's file."""
    return model_store.fetch("silero-vad") / "silero_vad.onnx"


@pytest.fixture(scope="session")
def segmentation_model(model_store: ModelStore) -> Path:
    """The speaker segmentation's file."""
    return model_store.fetch("segmentation-3.0") / "segmentation.onnx"


@pytest.fixture(scope="session")
def campplus_model(model_store: ModelStore) -> Path:
    """The speaker model's file."""
    return model_store.fetch("campplus") / "campplus.onnx"


@pytest.fixture(scope="session")
def sample_wav(model_store: ModelStore) -> Path:
    """30 s of a telephone call between two people; sample.rttm and sample.stm are beside it."""
    return model_store.fetch("sample") / "sample.wav"


@pytest.fixture(scope="session")
def two_cities_wav(model_store: ModelStore) -> Path:
    """44 s read from A Tale of Two Cities."""
    return model_store.fetch("moonshine-clips") / "two_cities.wav"


@pytest.fixture(scope="session")
def beckett_wav(model_store: ModelStore) -> Path:
    """10 s read from Beckett."""
    return model_store.fetch("moonshine-clips") / "beckett.wav"
