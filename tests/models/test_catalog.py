# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re

import pytest

from harken.errors import InvalidOption, UnknownModel
from harken.model import Options
from harken.models.catalog import Catalog
from harken.models.spec import HubRepo, ModelFile, Packages

CONTRACT = {
    **{name: name for name in ("tiny", "tiny.en", "base", "base.en", "small", "small.en", "medium", "medium.en")},
    **{name: name for name in ("large-v1", "large-v2", "large-v3")},
    "large": "large-v3",
    "whisper-large-v3": "large-v3",
    "turbo": "large-v3-turbo",
    "whisper-turbo": "large-v3-turbo",
    "large-v3-turbo": "large-v3-turbo",
    "whisper-large-v3-turbo": "large-v3-turbo",
    "distil-small.en": "distil-small.en",
    "distil-medium.en": "distil-medium.en",
    "distil-large-v2": "distil-large-v2",
    "distil-large-v3": "distil-large-v3",
    "distil-large-v3.5": "distil-large-v3.5",
    "openai/whisper-tiny": "tiny",
    "openai/whisper-medium.en": "medium.en",
    "openai/whisper-large": "large-v3",
    "openai/whisper-large-v2": "large-v2",
    "openai/whisper-large-v3-turbo": "large-v3-turbo",
    "Systran/faster-whisper-small": "small",
    "cpu-lite": "base",
    "cpu-turbo": "large-v3-turbo",
}


@pytest.mark.parametrize(("name", "canonical"), CONTRACT.items())
def test_every_name_of_the_contract(name: str, canonical: str) -> None:
    assert Catalog().resolve(name).spec.name == canonical
    assert Catalog().resolve(f" {name.upper()} ").spec.name == canonical


@pytest.mark.parametrize("name", [None, "", " ", "whisper-1"])
def test_no_name_and_whisper_1_are_the_default(name: str | None) -> None:
    assert Catalog().resolve(name).name == "base"
    assert Catalog(default_model="small.en").resolve(name).name == "small.en"
    preset = Catalog(default_model="cpu-turbo").resolve(name)
    assert (preset.name, preset.spec.name) == ("cpu-turbo", "large-v3-turbo")


def test_built_in_presets_are_int8() -> None:
    for name in ("cpu-lite", "cpu-turbo"):
        preset = Catalog().resolve(name).preset
        assert preset is not None
        assert preset.compute_type == "int8"


def test_an_unknown_name_is_told_with_names_that_are_near() -> None:
    with pytest.raises(UnknownModel, match=r"'lagre-v3'.*large-v3") as caught:
        Catalog().resolve("lagre-v3")
    assert caught.value.param == "model"
    with pytest.raises(UnknownModel, match=r"known are tiny, .* and cpu-lite, cpu-turbo"):
        Catalog().resolve("qqqq")


def test_what_is_no_recogniser_can_be_fetched_but_not_asked_for() -> None:
    catalog = Catalog()
    assert catalog.entry("silero-vad").family == "vad"
    assert catalog.entry("cpu-turbo").name == "large-v3-turbo"
    assert catalog.entry("whisper-1").name == "base"
    for name in ("silero-vad", "segmentation-3.0", "campplus", "sample", "moonshine-clips"):
        with pytest.raises(UnknownModel):
            catalog.resolve(name)
    assert {spec.family for spec in catalog.models()} == {"whisper-ct2"}


def test_operator_presets() -> None:
    catalog = Catalog(
        presets={
            "Meetings": {"model": "turbo", "compute_type": "int8", "cpu_threads": 2, "beam_size": 5, "mode": "fast"}
        }
    )
    found = catalog.resolve("meetings")
    assert (found.name, found.spec.name) == ("meetings", "large-v3-turbo")
    assert found.preset is not None
    assert (found.preset.compute_type, found.preset.cpu_threads) == ("int8", 2)
    filled = found.preset.fill(Options(beam_size=1, language="de"))
    assert (filled.beam_size, filled.mode, filled.language) == (1, "fast", "de"), "what the caller said stands"
    assert found.preset.fill(Options()).beam_size == 5


@pytest.mark.parametrize(
    ("preset", "error", "says"),
    [
        ({"x": {"model": "base", "beem_size": 5}}, InvalidOption, "beem_size"),
        ({"x": {"compute_type": "int8"}}, InvalidOption, "name its model"),
        ({"x": {"model": "nope"}}, UnknownModel, "nope"),
        ({"turbo": {"model": "base"}}, InvalidOption, "name of a model"),
        ({"whisper-1": {"model": "base"}}, InvalidOption, "name of a model"),
    ],
)
def test_presets_that_cannot_be(preset: dict[str, dict[str, object]], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        Catalog(presets=preset)


def test_a_default_that_cannot_be() -> None:
    with pytest.raises(UnknownModel):
        Catalog(default_model="nope")
    with pytest.raises(InvalidOption):
        Catalog(default_model="whisper-1")


def test_what_models_can_do() -> None:
    catalog = Catalog()
    assert catalog.resolve("base").spec.can_translate
    assert catalog.resolve("base").spec.multilingual
    for name in ("tiny.en", "distil-small.en"):
        assert not catalog.resolve(name).spec.multilingual
        assert not catalog.resolve(name).spec.can_translate
    for name in ("turbo", "distil-large-v3"):
        assert not catalog.resolve(name).spec.can_translate, "not trained to translate"


def test_entries_are_well_formed() -> None:
    catalog = Catalog()
    names = [name.lower() for spec in catalog.entries() for name in (spec.name, *spec.aliases)]
    assert len(names) == len(set(names)), "a name stands for one entry"
    for spec in catalog.entries():
        assert spec.sources, spec.name
        assert spec.size > 0, spec.name
        for file in spec.files:
            assert file.sha256 is None or re.fullmatch("[0-9a-f]{64}", file.sha256)
        for source in spec.sources:
            if isinstance(source, HubRepo):
                assert re.fullmatch("[0-9a-f]{40}", source.revision), "a commit, not a branch"
            if isinstance(source, Packages):
                assert set(source.parts) == {file.name for file in spec.files}
                assert spec.pinned, "a package index says nothing of what is inside its archives"


def test_a_file_name_cannot_lead_out_of_its_folder() -> None:
    for name in ("../x", "/x", "a/b"):
        with pytest.raises(ValueError, match="plain file name"):
            ModelFile(name)
