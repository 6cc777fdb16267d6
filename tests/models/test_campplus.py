# SPDX-License-Identifier: Apache-2.0
"""The speaker model: the graph that is built, and how a built model is installed, verified and built again."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from harken.errors import ModelCorrupt, ModelUnavailable, UnknownModel
from harken.models import campplus, recipes, rehearsal
from harken.models.catalog import Catalog
from harken.models.delivery import WrongBytes
from harken.models.sources import Folder
from harken.models.spec import ModelFile, ModelSpec, Packages, Recipe
from harken.models.store import ModelStore

Array = np.ndarray[Any, Any]


def shapes() -> Iterator[tuple[str, tuple[int, ...]]]:
    """Every convolution of the network, and every batch normalisation (one number: its channels)."""

    yield "head.conv1", (32, 1, 3, 3)
    yield "head.bn1", (32,)
    for stage in ("head.layer1", "head.layer2"):
        for block in (f"{stage}.0", f"{stage}.1"):
            for part in "12":
                yield f"{block}.conv{part}", (32, 32, 3, 3)
                yield f"{block}.bn{part}", (32,)
        yield f"{stage}.0.shortcut.0", (32, 32, 1, 1)
        yield f"{stage}.0.shortcut.1", (32,)
    yield "head.conv2", (32, 32, 3, 3)
    yield "head.bn2", (32,)
    yield "xvector.tdnn.linear", (128, 320, 5)
    yield "xvector.tdnn.nonlinear.batchnorm", (128,)
    channels = 128
    for number, layers in enumerate((12, 24, 16), 1):
        for layer in range(1, layers + 1):
            name = f"xvector.block{number}.tdnnd{layer}"
            yield f"{name}.nonlinear1.batchnorm", (channels,)
            yield f"{name}.linear1", (128, channels, 1)
            yield f"{name}.nonlinear2.batchnorm", (128,)
            yield f"{name}.cam_layer.linear_local", (32, 128, 3)
            yield f"{name}.cam_layer.linear1", (64, 128, 1)
            yield f"{name}.cam_layer.linear2", (32, 64, 1)
            channels += 32
        yield f"xvector.transit{number}.nonlinear.batchnorm", (channels,)
        yield f"xvector.transit{number}.linear", (channels // 2, channels, 1)
        channels //= 2
    yield "xvector.out_nonlinear.batchnorm", (channels,)
    yield "xvector.dense.linear", (192, 2 * channels, 1)
    yield "xvector.dense.nonlinear.batchnorm", (192,)


@pytest.fixture(scope="module")
def weights() -> dict[str, Array]:
    """Numbers of the network's shapes; some normalisations multiply by less than zero, as a few of the real ones do."""
    random = np.random.default_rng(3)
    table: dict[str, Array] = {}
    for name, shape in shapes():
        if len(shape) > 1:
            spread = np.sqrt(2 / np.prod(shape[1:]))
            table[f"{name}.weight"] = (random.standard_normal(shape) * spread).astype(np.float32)
            if name.endswith(("cam_layer.linear1", "cam_layer.linear2")):
                table[f"{name}.bias"] = random.normal(0, 0.1, shape[0]).astype(np.float32)
            continue
        table[f"{name}.running_mean"] = random.normal(0, 0.2, shape).astype(np.float32)
        table[f"{name}.running_var"] = random.uniform(0.5, 2, shape).astype(np.float32)
        if name != "xvector.dense.nonlinear.batchnorm":
            sign = np.where(random.random(shape) < 0.05, -1, 1)
            table[f"{name}.weight"] = (sign * random.uniform(0.5, 1.5, shape)).astype(np.float32)
            table[f"{name}.bias"] = random.normal(0, 0.2, shape).astype(np.float32)
    return table


class Slowly:
    """The network as the paper has it, step by step, channels first."""

    def __init__(self, weights: dict[str, Array]) -> None:
        self.weights = weights

    def norm(self, x: Array, name: str) -> Array:
        column = (slice(None), *[None] * (x.ndim - 1))
        x = (x - self.weights[f"{name}.running_mean"][column]) / np.sqrt(
            self.weights[f"{name}.running_var"][column] + 1e-5
        )
        if f"{name}.weight" in self.weights:
            x = x * self.weights[f"{name}.weight"][column] + self.weights[f"{name}.bias"][column]
        return x

    def relu(self, x: Array) -> Array:
        return np.maximum(x, 0)

    def image(self, x: Array, name: str, stride: int = 1) -> Array:
        kernel = self.weights[f"{name}.weight"]
        pad = kernel.shape[2] // 2
        x = np.pad(x, ((0, 0), (pad, pad), (pad, pad)))
        patches = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[2:], axis=(1, 2))[:, ::stride]
        return np.asarray(np.einsum("cftij,ocij->oft", patches, kernel, optimize=True))

    def line(self, x: Array, name: str, stride: int = 1, dilation: int = 1) -> Array:
        kernel = self.weights[f"{name}.weight"]
        reach = kernel.shape[2] // 2 * dilation
        x = np.pad(x, ((0, 0), (reach, reach)))
        frames = x.shape[1] - 2 * reach
        out = sum(kernel[:, :, tap] @ x[:, tap * dilation : tap * dilation + frames] for tap in range(kernel.shape[2]))
        return np.asarray(out)[:, ::stride] + self.weights.get(f"{name}.bias", np.zeros(1))[:, None]

    def block(self, x: Array, name: str, stride: int) -> Array:
        y = self.relu(self.norm(self.image(x, f"{name}.conv1", stride), f"{name}.bn1"))
        y = self.norm(self.image(y, f"{name}.conv2"), f"{name}.bn2")
        if stride > 1:
            x = self.norm(self.image(x, f"{name}.shortcut.0", stride), f"{name}.shortcut.1")
        return self.relu(y + x)

    def layer(self, x: Array, name: str, dilation: int) -> Array:
        z = self.line(self.relu(self.norm(x, f"{name}.nonlinear1.batchnorm")), f"{name}.linear1")
        z = self.relu(self.norm(z, f"{name}.nonlinear2.batchnorm"))
        context = np.empty_like(z)
        for start in range(0, z.shape[1], 100):
            part = z[:, start : start + 100]
            context[:, start : start + 100] = (z.mean(1) + part.mean(1))[:, None]
        mask = self.line(self.relu(self.line(context, f"{name}.cam_layer.linear1")), f"{name}.cam_layer.linear2")
        local = self.line(z, f"{name}.cam_layer.linear_local", dilation=dilation)
        return np.concatenate([x, local / (1 + np.exp(-mask))])

    def frames(self, features: Array) -> Array:
        x = self.relu(self.norm(self.image(features.T[None].astype(np.float64), "head.conv1"), "head.bn1"))
        for stage in ("head.layer1", "head.layer2"):
            x = self.block(self.block(x, f"{stage}.0", 2), f"{stage}.1", 1)
        x = self.relu(self.norm(self.image(x, "head.conv2", 2), "head.bn2")).reshape(320, -1)
        x = self.relu(self.norm(self.line(x, "xvector.tdnn.linear", 2), "xvector.tdnn.nonlinear.batchnorm"))
        for number, (layers, dilation) in enumerate(((12, 1), (24, 2), (16, 2)), 1):
            for layer in range(1, layers + 1):
                x = self.layer(x, f"xvector.block{number}.tdnnd{layer}", dilation)
            transit = f"xvector.transit{number}"
            x = self.line(self.relu(self.norm(x, f"{transit}.nonlinear.batchnorm")), f"{transit}.linear")
        return self.relu(self.norm(x, "xvector.out_nonlinear.batchnorm"))

    def embedding(self, frames: Array) -> Array:
        pooled = np.concatenate([frames.mean(1), frames.std(1, ddof=1)])[:, None]
        return self.norm(self.line(pooled, "xvector.dense.linear"), "xvector.dense.nonlinear.batchnorm")[:, 0]


def cosine(a: Array, b: Array) -> float:
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def test_the_graph_is_the_network(weights: dict[str, Array]) -> None:
    session = onnxruntime.InferenceSession(campplus.build(weights), providers=["CPUExecutionProvider"])
    slowly = Slowly(weights)
    for frames in (31, 230):  # one segment of the masking's context; two, the last of them short
        features = np.stack([rehearsal.features(frames), rehearsal.features(frames)[::-1]])
        half = -(-frames // 2)
        windows = np.zeros((2, half), np.float32)
        windows[0] = 1 / half
        windows[1, 3:14] = 1 / 11
        found = session.run(None, {"features": features, "windows": windows})[0]
        for index in range(2):
            heard = slowly.frames(features[index])
            for row, expected in enumerate((slowly.embedding(heard), slowly.embedding(heard[:, 3:14]))):
                assert cosine(found[index, row].astype(np.float64), expected) > 0.9999
                np.testing.assert_allclose(np.linalg.norm(found[index, row]), np.linalg.norm(expected), rtol=0.01)


def test_the_same_weights_give_the_same_bytes(weights: dict[str, Array]) -> None:
    built = campplus.build(weights)
    assert campplus.build(dict(reversed(weights.items()))) == built
    assert len(built) < 14_000_000
    assert {tensor.data_type for tensor in onnx.load_from_string(built).graph.initializer if len(tensor.dims) > 1} == {
        onnx.TensorProto.FLOAT16
    }


def test_the_installed_model_gives_what_torch_gave(campplus_model: Path) -> None:
    rehearsal.check(campplus_model)


def test_a_network_that_gives_something_else_is_found_out(weights: dict[str, Array], tmp_path: Path) -> None:
    path = tmp_path / "other.onnx"
    path.write_bytes(campplus.build(weights))
    with pytest.raises(ValueError, match="other embeddings than it must"):
        rehearsal.check(path)
    path.write_bytes(b"no model")
    with pytest.raises(ValueError, match="cannot be run"):
        rehearsal.check(path)


def test_tensors_that_do_not_fit(weights: dict[str, Array]) -> None:
    with pytest.raises(KeyError, match=r"xvector\.dense\.linear\.weight"):
        campplus.build({key: value for key, value in weights.items() if key != "xvector.dense.linear.weight"})
    for change in (weights["xvector.dense.linear.weight"][:, :-1], np.zeros(3, np.float32)):
        with pytest.raises(ValueError, match="tensor of another shape"):
            campplus.build({**weights, "xvector.dense.linear.weight": change})
    with pytest.raises(ValueError, match="multiplies by nothing"):
        campplus.build({**weights, "xvector.transit1.nonlinear.batchnorm.weight": np.zeros(512, np.float32)})


SPEAKER_MODEL = Catalog().entry("campplus")


def test_the_catalog_offers_no_recogniser() -> None:
    assert SPEAKER_MODEL.recipe is not None
    (packages,) = SPEAKER_MODEL.sources
    assert isinstance(packages, Packages)
    for name in ("campplus", "segmentation-3.0"):
        with pytest.raises(UnknownModel):
            Catalog().resolve(name)


@pytest.mark.parametrize("body", [b"no checkpoint", b""])
def test_a_checkpoint_of_other_bytes_is_never_opened(tmp_path: Path, body: bytes) -> None:
    (tmp_path / "mine" / "campplus").mkdir(parents=True)
    (tmp_path / "mine" / "campplus" / "campplus_cn_en_common.pt").write_bytes(body)
    store = ModelStore(tmp_path / "models", [Folder(tmp_path / "mine")])
    with pytest.raises(ModelCorrupt, match=r"campplus_cn_en_common\.pt has \d+ bytes instead of 28044640"):
        store.fetch("campplus")
    assert store.present() == []


def test_a_checkpoint_that_cannot_be_built_from(tmp_path: Path) -> None:
    spec = dataclasses.replace(SPEAKER_MODEL, files=(ModelFile("campplus_cn_en_common.pt"),))
    (tmp_path / "mine" / "campplus").mkdir(parents=True)
    (tmp_path / "mine" / "campplus" / "campplus_cn_en_common.pt").write_bytes(b"no checkpoint")
    catalog = Catalog(entries=(*(e for e in Catalog().entries() if e.name != "campplus"), spec))
    store = ModelStore(tmp_path / "models", [Folder(tmp_path / "mine")], catalog)
    with pytest.raises(ModelCorrupt, match="cannot be built from: no checkpoint that can be read"):
        store.fetch("campplus")
    assert store.present() == []
    assert not list((tmp_path / "models").rglob("*.onnx"))


class Toy:
    """A store with an entry that is built: its recipe writes what it fetched in capitals."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.source = root / "mine" / "toy" / "toy.txt"
        self.source.parent.mkdir(parents=True)
        self.source.write_text("weights")

    def store(self, version: int = 1) -> ModelStore:
        spec = ModelSpec(
            name="toy",
            family="diarization",
            files=(ModelFile("toy.txt"),),
            sources=(),
            licence="MIT",
            description="a toy",
            recipe=Recipe("toy", version, "toy.bin"),
        )
        catalog = Catalog(entries=(*Catalog().entries(), spec))
        return ModelStore(self.root / "models", [Folder(self.root / "mine")], catalog)


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Toy:
    def capitals(spec: ModelSpec, inputs: Path, target: Path) -> None:
        text = (inputs / spec.files[0].name).read_text()
        if text == "poison":
            raise WrongBytes("toy.txt is poison")
        target.write_text(text.upper())

    monkeypatch.setattr(recipes, "_BUILDERS", {"toy": capitals})
    return Toy(tmp_path)


def test_what_is_built_is_installed_instead_of_what_was_fetched(toy: Toy) -> None:
    store = toy.store()
    path = store.fetch("toy")
    assert {item.name: item.read_text() for item in path.iterdir() if item.suffix != ".json"} == {"toy.bin": "WEIGHTS"}
    (found,) = store.installed()
    assert ([file.name for file in found.files], found.size) == (["toy.bin"], 7)
    assert store.verify("toy") == found
    record = json.loads((path / "manifest.json").read_text())["built"]
    assert (record["recipe"], record["version"], record["inputs"][0]["name"]) == ("toy", 1, "toy.txt")
    toy.source.unlink()
    assert store.fetch("toy") == path, "installed: nothing is fetched again"
    assert not (toy.root / "models" / ".partial" / "toy").exists()


def test_a_built_file_that_changed_is_found_out(toy: Toy) -> None:
    store = toy.store()
    path = store.fetch("toy")
    (path / "toy.bin").write_text("WEIGHTZ")
    with pytest.raises(ModelCorrupt, match=r"toy\.bin has SHA-256"):
        store.verify("toy")
    (path / "toy.bin").unlink()
    with pytest.raises(ModelCorrupt, match=r"toy\.bin is missing"):
        store.verify("toy")
    with pytest.raises(ModelUnavailable):
        store.path("toy")


def test_another_version_of_the_builder_builds_again(toy: Toy) -> None:
    toy.store().fetch("toy")
    toy.source.write_text("other")
    newer = toy.store(version=2)
    with pytest.raises(ModelUnavailable):
        newer.path("toy")
    with pytest.raises(ModelCorrupt, match="was built in another way"):
        newer.verify("toy")
    assert (newer.fetch("toy") / "toy.bin").read_text() == "OTHER"
    assert newer.verify("toy").built is not None


def test_a_build_that_fails_leaves_what_was_installed(toy: Toy) -> None:
    path = toy.store().fetch("toy")
    toy.source.write_text("poison")
    with pytest.raises(ModelCorrupt, match=r"toy\.txt is poison"):
        toy.store(version=2).fetch("toy")
    assert (path / "toy.bin").read_text() == "WEIGHTS"
    assert toy.store().verify("toy").name == "toy"
