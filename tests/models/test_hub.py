# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import pytest
from tests.models.conftest import (
    CONFIG,
    REVISION,
    WEIGHTS,
    Loopback,
    Page,
    StoreOf,
    git_blob,
    packed_toy,
    sha256,
    toy,
)

from harken.errors import ModelCorrupt, ModelUnavailable
from harken.models.hub import Hub
from harken.models.packages import PackageIndex
from harken.models.pip_settings import IndexSettings

WEIGHTS_PATH = f"/org/toy/resolve/{REVISION}/model.bin"
STORED = "/cdn/org/toy/model.bin"


def serve(server: Loopback, weights: bytes = WEIGHTS) -> Page:
    server.hub_file("config.json", CONFIG, large=False)
    return server.hub_file("model.bin", weights)


def test_fetches_and_installs(server: Loopback, store_of: StoreOf) -> None:
    serve(server)
    store = store_of(toy(), Hub(server.url))
    told: list[tuple[int, int, str]] = []
    path = store.fetch("toy.en", lambda *now: told.append(now))
    assert path == store.root / "toy.en"
    assert (path / "model.bin").read_bytes() == WEIGHTS
    assert sorted(item.name for item in path.iterdir()) == ["config.json", "manifest.json", "model.bin"]
    manifest = json.loads((path / "manifest.json").read_text())
    assert manifest["source"] == f"{server.url}/org/toy@{REVISION}"
    assert {file["name"]: file["sha256"] for file in manifest["files"]} == {
        "model.bin": sha256(WEIGHTS),
        "config.json": sha256(CONFIG),
    }
    total = len(WEIGHTS) + len(CONFIG)
    assert told[-1][:2] == (total, total)
    assert [done for done, _, _ in told] == sorted(done for done, _, _ in told)


@pytest.mark.parametrize("large_config", [False, True])
def test_files_without_a_pin_are_held_to_what_the_hub_says(
    server: Loopback, store_of: StoreOf, large_config: bool
) -> None:
    server.hub_file("config.json", CONFIG, large=large_config)
    weights = server.hub_file("model.bin", WEIGHTS)
    store = store_of(toy(pinned=False), Hub(server.url))
    assert (store.fetch("toy.en") / "model.bin").read_bytes() == WEIGHTS
    assert store.verify("toy.en").files[0].sha256 == sha256(WEIGHTS)

    store.delete("toy.en")
    weights.body = WEIGHTS[:-1] + b"!"
    with pytest.raises(ModelCorrupt, match=r"model\.bin has SHA-256"):
        store.fetch("toy.en")


def test_a_small_file_without_a_pin_is_held_to_its_git_blob(server: Loopback, store_of: StoreOf) -> None:
    serve(server)
    config = server.pages[f"/org/toy/resolve/{REVISION}/config.json"]
    config.body = CONFIG[::-1]
    with pytest.raises(ModelCorrupt, match=f"not git blob {git_blob(CONFIG)}"):
        store_of(toy(pinned=False), Hub(server.url)).fetch("toy.en")


def test_a_hub_that_gives_no_hash_is_not_trusted(server: Loopback, store_of: StoreOf) -> None:
    serve(server)
    del server.pages[WEIGHTS_PATH].headers["X-Linked-ETag"]
    with pytest.raises(ModelUnavailable, match=r"no hash of model\.bin"):
        store_of(toy(pinned=False), Hub(server.url)).fetch("toy.en")


def test_another_revision_is_refused(server: Loopback, store_of: StoreOf) -> None:
    serve(server)
    server.pages[WEIGHTS_PATH].headers["X-Repo-Commit"] = "f" * 40
    with pytest.raises(ModelCorrupt, match=f"revision {'f' * 40} there instead of {REVISION}"):
        store_of(toy(pinned=False), Hub(server.url)).fetch("toy.en")


def test_a_renamed_repository_is_followed(server: Loopback, store_of: StoreOf) -> None:
    server.hub_file("config.json", CONFIG, repo="new/toy", large=False)
    server.hub_file("model.bin", WEIGHTS, repo="new/toy")
    for name in ("config.json", "model.bin"):
        moved = {"Location": f"/new/toy/resolve/{REVISION}/{name}"}
        server.pages[f"/org/toy/resolve/{REVISION}/{name}"] = Page(status=307, headers=moved)
    store = store_of(toy(pinned=False), Hub(server.url))
    assert (store.fetch("toy.en") / "model.bin").read_bytes() == WEIGHTS


def test_wrong_bytes_are_refused_and_leave_nothing(server: Loopback, store_of: StoreOf) -> None:
    serve(server, WEIGHTS[::-1])
    store = store_of(toy(), Hub(server.url))
    with pytest.raises(
        ModelCorrupt, match=rf"hub {server.url}: model\.bin has SHA-256 .* instead of {sha256(WEIGHTS)}"
    ):
        store.fetch("toy.en")
    assert store.installed() == []
    assert not [item for item in store.root.rglob("*") if item.is_file() and item.suffix != ".lock"]


def test_after_wrong_bytes_the_next_source_is_asked(server: Loopback, store_of: StoreOf) -> None:
    serve(server, WEIGHTS[::-1])
    projects, packages = packed_toy()
    for project, files in projects.items():
        server.release(project, files)
    index = PackageIndex(IndexSettings(indexes=(f"{server.url}/simple",)))
    store = store_of(toy(packages=packages), Hub(server.url), index)
    assert (store.fetch("toy.en") / "model.bin").read_bytes() == WEIGHTS
    assert store.verify("toy.en").source == "toy-part1==1.0, toy-part2==1.0"


def test_a_truncated_file_is_refused(server: Loopback, store_of: StoreOf) -> None:
    serve(server, WEIGHTS[:-100])
    store = store_of(toy(), Hub(server.url))
    with pytest.raises(ModelCorrupt, match=r"model\.bin"):
        store.fetch("toy.en")
    assert store.installed() == []


def test_a_file_that_does_not_end_is_refused(server: Loopback, store_of: StoreOf) -> None:
    serve(server, WEIGHTS * 3)
    with pytest.raises(ModelCorrupt, match=f"more than {len(WEIGHTS)} bytes"):
        store_of(toy(), Hub(server.url)).fetch("toy.en")


def test_a_cut_connection_is_taken_up_where_it_broke(server: Loopback, store_of: StoreOf) -> None:
    page = serve(server)
    page.cuts = [700_000, 500_000]
    told: list[int] = []
    store = store_of(toy(), Hub(server.url))
    path = store.fetch("toy.en", lambda done, _total, _what: told.append(done))
    assert (path / "model.bin").read_bytes() == WEIGHTS
    asked = [seen.headers.get("range") for seen in server.gets(STORED)]
    assert asked == [None, "bytes=700000-", "bytes=1200000-"]
    assert told[-1] == len(WEIGHTS) + len(CONFIG), "resumed bytes count once"


def test_what_arrived_before_a_cut_serves_the_next_fetch(server: Loopback, store_of: StoreOf) -> None:
    page = serve(server)
    page.cuts = [900_000, *[0] * 10]
    store = store_of(toy(), Hub(server.url))
    with pytest.raises(ModelUnavailable, match=r"localhost broke off, and again each time"):
        store.fetch("toy.en")
    assert store.installed() == []
    page.cuts = []
    server.seen.clear()
    assert (store.fetch("toy.en") / "model.bin").read_bytes() == WEIGHTS
    assert [seen.headers["range"] for seen in server.gets(STORED)] == ["bytes=900000-"]
    assert not server.gets(f"/org/toy/resolve/{REVISION}/config.json"), "that one was complete"


def test_a_server_without_ranges_is_read_from_the_start(server: Loopback, store_of: StoreOf) -> None:
    page = serve(server)
    page.ranges = False
    page.cuts = [700_000]
    told: list[int] = []
    path = store_of(toy(), Hub(server.url)).fetch("toy.en", lambda done, _total, _what: told.append(done))
    assert (path / "model.bin").read_bytes() == WEIGHTS
    assert told[-1] == len(WEIGHTS) + len(CONFIG)


@pytest.mark.parametrize("left", [b"other bytes" * 1000, b"?" * len(WEIGHTS), b"?" * (len(WEIGHTS) + 9)])
def test_a_leftover_of_other_bytes_costs_one_more_download(server: Loopback, store_of: StoreOf, left: bytes) -> None:
    serve(server)
    store = store_of(toy(), Hub(server.url))
    downloads = store.root / ".partial" / "toy.en" / "downloads"
    downloads.mkdir(parents=True)
    (downloads / "model.bin").write_bytes(left)
    assert (store.fetch("toy.en") / "model.bin").read_bytes() == WEIGHTS
    assert server.gets(STORED)[-1].headers.get("range") is None


def test_the_token_goes_to_the_hub_and_nowhere_else(
    server: Loopback, store_of: StoreOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    serve(server)
    store_of(toy(), Hub(server.url)).fetch("toy.en")
    assert [seen.headers.get("authorization") for seen in server.gets(WEIGHTS_PATH)] == ["Bearer hf_secret"]
    assert [seen.headers.get("authorization") for seen in server.gets(STORED)] == [None]


@pytest.mark.parametrize("status", [401, 404, 503])
def test_a_refusal_is_told(server: Loopback, store_of: StoreOf, status: int) -> None:
    serve(server)
    server.pages[WEIGHTS_PATH] = Page(status=status)
    with pytest.raises(ModelUnavailable, match=rf"hub {server.url}: {status} .*model\.bin"):
        store_of(toy(), Hub(server.url)).fetch("toy.en")


def test_no_network_names_every_source_and_what_is_installed(server: Loopback, store_of: StoreOf) -> None:
    serve(server)
    store = store_of(toy(), Hub(server.url))
    store.fetch("toy.en")
    nowhere = "http://127.0.0.1:9"
    index = PackageIndex(IndexSettings(indexes=(f"{nowhere}/simple", "http://nobody.invalid/simple")))
    store = type(store)(store.root, [Hub(nowhere), index], store.catalog)
    with pytest.raises(ModelUnavailable) as caught:
        store.fetch("base")
    message = str(caught.value)
    assert caught.value.message == "model base could not be fetched; installed: toy.en", "and no address"
    assert f"hub {nowhere}: 127.0.0.1 cannot be reached" in message
    assert f"{nowhere}/simple: 127.0.0.1 cannot be reached" in message
    assert "http://nobody.invalid/simple: the name nobody.invalid cannot be resolved" in message
    assert "installed: toy.en" in message
