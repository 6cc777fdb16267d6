# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO

import pytest
from tests.models.conftest import CONFIG, REVISION, WEIGHTS, Loopback, StoreOf, sha256, toy

from harken.errors import DiskFull, ModelCorrupt, ModelUnavailable, UnknownModel
from harken.models.catalog import Catalog
from harken.models.extras import EXTRAS
from harken.models.hub import Hub
from harken.models.sources import Folder, standard_sources
from harken.models.spec import ModelSpec
from harken.models.store import ModelStore
from harken.models.whisper import WHISPER

STORED = "/cdn/org/toy/model.bin"

FETCH = """
import pickle, resource, sys
from pathlib import Path
from harken.models.catalog import Catalog
from harken.models.extras import EXTRAS
from harken.models.hub import Hub
from harken.models.store import ModelStore
from harken.models.whisper import WHISPER

root, url, spec, largest = pickle.load(sys.stdin.buffer)
if largest:
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
store = ModelStore(Path(root), [Hub(url)], Catalog(entries=(spec, *WHISPER, *EXTRAS)))
said = None
def tell(done, total, what):
    global said
    if what != said:
        said = what
        print(what, flush=True)
try:
    print("installed in", store.fetch(spec.name, tell), flush=True)
except Exception as error:
    print(type(error).__name__, error, flush=True)
"""


def start(root: Path, url: str, spec: ModelSpec, largest: int = 0) -> subprocess.Popen[bytes]:
    """Fetch in another process; it prints what it does."""
    process = subprocess.Popen([sys.executable, "-c", FETCH], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(pickle.dumps((str(root), url, spec, largest)))
    process.stdin.close()
    return process


def wait_for(stream: IO[bytes] | None, text: str) -> None:
    assert stream is not None
    seen = []
    for line in stream:
        seen.append(line.decode())
        if text in seen[-1]:
            return
    pytest.fail(f"no {text!r} in {seen}")


def rest(process: subprocess.Popen[bytes]) -> str:
    assert process.stdout is not None
    with process.stdout as stream:
        said = stream.read().decode()
    process.wait(120)
    return said


@pytest.fixture
def hub(server: Loopback) -> Loopback:
    server.hub_file("config.json", CONFIG, large=False)
    server.hub_file("model.bin", WEIGHTS)
    return server


def left_behind(store: ModelStore) -> list[Path]:
    return [item for item in store.root.rglob("*") if item.is_file() and item.suffix != ".lock"]


def test_an_installed_model_is_found_without_a_network(hub: Loopback, store_of: StoreOf) -> None:
    store = store_of(toy(), Hub(hub.url))
    path = store.fetch("toy.en")
    hub.seen.clear()
    assert store.fetch("TOY.EN") == path
    assert store.path("toy.en") == path
    assert [found.name for found in store.installed()] == ["toy.en"]
    assert store.installed()[0].size == len(WEIGHTS) + len(CONFIG)
    assert hub.seen == []


def test_what_is_not_installed_is_told_with_what_is(hub: Loopback, store_of: StoreOf) -> None:
    store = store_of(toy(), Hub(hub.url))
    with pytest.raises(ModelUnavailable, match="base is not installed; no model is installed"):
        store.path("base")
    store.fetch("toy.en")
    with pytest.raises(ModelUnavailable, match=r"installed: toy\.en\. Fetch it with: harken models fetch base \(in /"):
        store.path("whisper-1")
    with pytest.raises(UnknownModel):
        store.path("nobody")


def test_verify_reads_every_byte(hub: Loopback, store_of: StoreOf) -> None:
    store = store_of(toy(), Hub(hub.url))
    path = store.fetch("toy.en")
    assert store.verify("toy.en").source.startswith(hub.url)
    (path / "model.bin").write_bytes(WEIGHTS[:-1] + b"?")
    assert store.path("toy.en") == path, "the quick look sees names and sizes"
    with pytest.raises(ModelCorrupt, match=r"model\.bin has SHA-256 .*harken models delete toy\.en"):
        store.verify("toy.en")
    (path / "config.json").unlink()
    with pytest.raises(ModelCorrupt, match=r"config\.json is missing"):
        store.verify("toy.en")
    with pytest.raises(ModelUnavailable):
        store.verify("base")


def test_a_forged_manifest_does_not_help(hub: Loopback, store_of: StoreOf) -> None:
    store = store_of(toy(), Hub(hub.url))
    path = store.fetch("toy.en")
    forged = WEIGHTS[::-1]
    (path / "model.bin").write_bytes(forged)
    manifest = path / "manifest.json"
    manifest.write_text(manifest.read_text().replace(sha256(WEIGHTS), sha256(forged)))
    with pytest.raises(ModelCorrupt, match=r"model\.bin has SHA-256"):
        store.verify("toy.en")
    with pytest.raises(ModelUnavailable):
        store.path("toy.en")


@pytest.mark.parametrize("harm", ["shorten", "remove", "manifest"])
def test_a_damaged_model_is_fetched_again(hub: Loopback, store_of: StoreOf, harm: str) -> None:
    store = store_of(toy(), Hub(hub.url))
    path = store.fetch("toy.en")
    if harm == "shorten":
        (path / "model.bin").write_bytes(b"short")
    elif harm == "remove":
        (path / "model.bin").unlink()
    else:
        (path / "manifest.json").write_text("{")
    assert store.installed() == []
    assert (store.fetch("toy.en") / "model.bin").read_bytes() == WEIGHTS


def test_another_version_in_the_catalog_is_fetched(hub: Loopback, store_of: StoreOf) -> None:
    store_of(toy(), Hub(hub.url)).fetch("toy.en")
    newer = WEIGHTS[::-1]
    hub.hub_file("model.bin", newer)
    spec = toy()
    files = (dataclasses.replace(spec.files[0], sha256=sha256(newer)), *spec.files[1:])
    store = store_of(dataclasses.replace(spec, files=files), Hub(hub.url))
    assert store.installed() == []
    assert (store.fetch("toy.en") / "model.bin").read_bytes() == newer


def test_what_an_interrupted_fetch_of_another_version_left_is_not_installed(hub: Loopback, store_of: StoreOf) -> None:
    store = store_of(toy(), Hub(hub.url))
    files = store.root / ".partial" / "toy.en" / "files"
    files.mkdir(parents=True)
    (files / "old.json").write_text("old")
    (files / "config.json").write_text("old")
    path = store.fetch("toy.en")
    assert sorted(item.name for item in path.iterdir()) == ["config.json", "manifest.json", "model.bin"]
    assert (path / "config.json").read_bytes() == CONFIG


def test_delete(hub: Loopback, store_of: StoreOf) -> None:
    store = store_of(toy(), Hub(hub.url))
    path = store.fetch("toy.en")
    assert store.delete("toy.en") > len(WEIGHTS)
    assert not path.exists()
    assert left_behind(store) == []
    with pytest.raises(ModelUnavailable):
        store.delete("toy.en")


def test_delete_takes_what_an_interrupted_fetch_left(hub: Loopback, store_of: StoreOf) -> None:
    hub.pages[STORED].cuts = [900_000, *[0] * 10]
    store = store_of(toy(), Hub(hub.url))
    with pytest.raises(ModelUnavailable):
        store.fetch("toy.en")
    assert left_behind(store)
    assert store.delete("toy.en") == 900_000 + len(CONFIG)
    assert left_behind(store) == []


def test_offline_touches_no_network(hub: Loopback, store_of: StoreOf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", f"{hub.url}/simple")
    store = store_of(toy(), *standard_sources(hub_url=hub.url, offline=True))
    for name in ("toy.en", "base", "silero-vad"):
        with pytest.raises(ModelUnavailable, match="work offline"):
            store.fetch(name)
    assert hub.seen == []


@pytest.mark.parametrize("layout", ["toy.en", "toy", f"models--org--toy/snapshots/{REVISION}"])
@pytest.mark.parametrize("pinned", [True, False])
def test_a_folder_is_asked_first(hub: Loopback, store_of: StoreOf, tmp_path: Path, layout: str, pinned: bool) -> None:
    place = tmp_path / "mine" / layout
    place.mkdir(parents=True)
    (place / "model.bin").write_bytes(WEIGHTS)
    (place / "config.json").write_bytes(CONFIG)
    store = store_of(toy(pinned=pinned), *standard_sources(folder=tmp_path / "mine", hub_url=hub.url))
    assert (store.fetch("toy.en") / "model.bin").read_bytes() == WEIGHTS
    assert hub.seen == []
    assert store.verify("toy.en").source == str(place)


def test_a_folder_with_something_else_gives_way_to_the_hub(hub: Loopback, store_of: StoreOf, tmp_path: Path) -> None:
    place = tmp_path / "mine" / "toy.en"
    place.mkdir(parents=True)
    (place / "config.json").write_bytes(CONFIG)
    store = store_of(toy(), Folder(tmp_path / "mine"), Hub(hub.url))
    assert (store.fetch("toy.en") / "model.bin").read_bytes() == WEIGHTS
    store.delete("toy.en")
    (place / "model.bin").write_bytes(WEIGHTS[::-1])
    assert (store.fetch("toy.en") / "model.bin").read_bytes() == WEIGHTS
    with pytest.raises(ModelCorrupt, match=r"folder .*model\.bin has SHA-256"):
        ModelStore(tmp_path / "other", [Folder(tmp_path / "mine")], store.catalog).fetch("toy.en")


def test_two_processes_download_once(hub: Loopback, store_of: StoreOf) -> None:
    gate = hub.pages[STORED].gate = threading.Event()
    store = store_of(toy())
    first = start(store.root, hub.url, toy())
    wait_for(first.stdout, "asking hub")
    second = start(store.root, hub.url, toy())
    wait_for(second.stdout, "waiting for another process")
    assert store.installed() == [], "nothing shows before it is whole"
    gate.set()
    for process in (first, second):
        assert f"installed in {store.root / 'toy.en'}" in rest(process)
    assert len(hub.gets(STORED)) == 1
    store.verify("toy.en")


def test_a_killed_fetch_is_taken_up(hub: Loopback, store_of: StoreOf) -> None:
    page = hub.pages[STORED]
    page.gate, page.before_gate = threading.Event(), 1_000_000
    store = store_of(toy(), Hub(hub.url))
    process = start(store.root, hub.url, toy())
    arrived = store.root / ".partial" / "toy.en" / "downloads" / "model.bin"
    deadline = time.monotonic() + 120
    while not (arrived.exists() and arrived.stat().st_size > 0):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    rest(process)
    have = arrived.stat().st_size
    page.gate.set()
    hub.seen.clear()
    assert (store.fetch("toy.en") / "model.bin").read_bytes() == WEIGHTS
    assert [seen.headers["range"] for seen in hub.gets(STORED)] == [f"bytes={have}-"]
    assert not hub.gets(f"/org/toy/resolve/{REVISION}/config.json"), "that one was complete"


def test_a_disk_that_fills_up(hub: Loopback, store_of: StoreOf) -> None:
    store = store_of(toy())
    said = rest(start(store.root, hub.url, toy(), largest=1_000_000))
    assert "DiskFull not enough room for model toy.en" in said, "the kernel refused the write"
    assert hub.gets(STORED), "it had begun"
    assert left_behind(store) == []


def test_a_disk_without_room_is_seen_before_the_download(hub: Loopback, store_of: StoreOf) -> None:
    store = store_of(toy(size=1 << 60), Hub(hub.url))
    with pytest.raises(DiskFull, match="HARKEN_MODELS_DIR"):
        store.fetch("toy.en")
    assert hub.seen == []


def test_a_folder_that_cannot_be_written(hub: Loopback, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    store = ModelStore(tmp_path / "file" / "models", [Hub(hub.url)], Catalog(entries=(toy(), *WHISPER, *EXTRAS)))
    with pytest.raises(ModelUnavailable, match="cannot be written"):
        store.fetch("toy.en")


def test_names_that_differ_after_the_dot_do_not_meet(store_of: StoreOf) -> None:
    store = store_of(toy())
    for name in ("tiny", "tiny.en"):
        (store.root / name).mkdir(parents=True)
    store.delete("tiny.en")
    assert (store.root / "tiny").exists()
