# SPDX-License-Identifier: Apache-2.0
"""Checks of what must be reached: sources of models, the data folder, the database, the port. Each waits a little.

Nothing is changed on the machine, but that the data folder is made and a file in it written and removed again.
"""

from __future__ import annotations

import shutil
import socket
import tempfile
import urllib.error
import urllib.request
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from pypi_simple import PYPI_SIMPLE_ENDPOINT

from harken.cli.checks.finding import Finding, missing, note, ok
from harken.config import Settings
from harken.errors import StorageUnavailable
from harken.models import pip_settings

TIMEOUT = 3.0
"""Seconds that a check waits for an answer."""


def model_folder(settings: Settings) -> list[Finding]:
    """The operator's own folder of models, where one is set."""
    if settings.model_source is None:
        return []
    if settings.model_source.is_dir():
        return [ok("model folder", f"{settings.model_source} can be read")]
    return [note("model folder", f"{settings.model_source} is no folder: set HARKEN_MODEL_SOURCE to one, or unset it")]


def hub(settings: Settings) -> list[Finding]:
    """The model hub."""
    if settings.offline:
        return [note("model hub", "not asked, because HARKEN_OFFLINE is set")]
    return [_reached("model hub", settings.hub_url, "HARKEN_HUB_URL names another, HARKEN_MODEL_SOURCE a folder")]


def package_index(settings: Settings) -> list[Finding]:
    """The indexes and folders that pip is set to use: some models are in packages."""
    if settings.offline:
        return [note("package index", "not asked, because HARKEN_OFFLINE is set")]
    return [_index(url) for url in pip_settings.read(PYPI_SIMPLE_ENDPOINT).indexes]


def _index(url: str) -> Finding:
    place = urlsplit(url)
    if place.scheme == "file":
        folder = Path(urllib.request.url2pathname(place.path))
        if folder.is_dir():
            return ok("package index", f"{folder} can be read")
        return note("package index", f"{folder} is no folder: look at pip's index-url")
    return _reached("package index", url, "pip's index-url names another")


def _reached(part: str, url: str, advice: str) -> Finding:
    """Whether something answers there; that it refuses this very address is an answer too."""
    place = urlsplit(url).hostname or url
    try:
        request = urllib.request.Request(url, method="HEAD")  # noqa: S310 - the operator's own address
        with urllib.request.urlopen(request, timeout=TIMEOUT):  # noqa: S310
            pass
    except urllib.error.HTTPError as error:
        error.close()
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return note(part, f"{place} is not reached ({reason}). Models that are installed work without it; {advice}")
    return ok(part, f"{place} answers")


def data_folder(settings: Settings) -> list[Finding]:
    """Whether recordings and jobs can be kept."""
    folder = settings.data_dir
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        return [missing("data folder", f"{folder} cannot be written ({error.strerror}): set HARKEN_DATA_DIR")]
    free = shutil.disk_usage(folder).free
    if free < settings.min_free_bytes:
        return [missing("data folder", f"{folder} has {_bytes(free)} free, less than HARKEN_MIN_FREE_BYTES: make room")]
    return [ok("data folder", f"{folder} can be written, {_bytes(free)} free")]


def _bytes(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def database(settings: Settings) -> list[Finding]:
    """Whether the database answers."""
    if settings.database_url is None:
        return [ok("database", f"SQLite, in {settings.database_path}")]
    parts = urlsplit(settings.database_url)
    place = f"PostgreSQL at {parts.hostname or 'its local socket'}"
    if find_spec("psycopg") is None:
        return [missing("database", f"{place} needs psycopg: pip install 'harken[postgres]'")]
    import psycopg  # noqa: PLC0415 - an extra

    try:
        with psycopg.connect(settings.database_url, connect_timeout=int(TIMEOUT)) as connection:
            number = connection.info.server_version
    except psycopg.Error as error:
        reason = str(error).strip().splitlines()[0]
        return [missing("database", f"{place} is not reached ({reason}): look at HARKEN_DATABASE_URL")]
    return [ok("database", f"{place}, version {number // 10000}")]


def storage(settings: Settings) -> list[Finding]:
    """Whether recordings can be kept where the settings say: something is kept there, read and removed."""
    if settings.blobs is None:
        return [ok("storage", f"recordings are kept in {settings.blob_dir}")]
    if find_spec("obstore") is None:
        return [missing("storage", f"{settings.blobs} needs obstore: pip install 'harken[s3]'")]
    from harken.store.objects import S3Blobs  # noqa: PLC0415 - an extra

    try:
        S3Blobs(settings.blobs, max_bytes=settings.max_upload_bytes).try_out()
    except StorageUnavailable as error:
        return [missing("storage", f"{settings.blobs}: {error}")]
    return [ok("storage", f"{settings.blobs} can be written and read")]


def port(settings: Settings) -> list[Finding]:
    """Whether the server could bind its port, or has."""
    if settings.port == 0:
        return [ok("port", "any that is free")]
    place = f"{settings.host}:{settings.port}"
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            taken = error.strerror
        else:
            return [ok("port", f"{place} is free")]
    if _is_harken(settings):
        return [ok("port", f"a harken answers at {place}")]
    return [missing("port", f"{place} cannot be bound ({taken}): stop what has it, or set HARKEN_PORT")]


def _is_harken(settings: Settings) -> bool:
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)  # noqa: S104 - compared, not bound
    try:
        with urllib.request.urlopen(f"http://{host}:{settings.port}/healthz", timeout=TIMEOUT) as answer:
            return answer.status == 200 and answer.headers.get("X-Request-ID") is not None
    except (OSError, ValueError):
        return False
