# SPDX-License-Identifier: Apache-2.0
"""Where the user has packages come from: the settings of pip and uv, read from the environment and pip's files.

Runs neither; names no host: where the user set nothing, the caller's default holds.
"""

from __future__ import annotations

import configparser
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from platformdirs import site_config_path, user_config_path

_SECTIONS = ("global", "install", "download")
_TRUE = frozenset({"1", "true", "yes", "on", "y", "t"})


@dataclass(frozen=True, slots=True)
class IndexSettings:
    """Indexes and folders of packages, in the order to ask."""

    indexes: tuple[str, ...] = ()
    """URLs of simple indexes, ``file:`` among them."""
    find_links: tuple[str, ...] = ()
    """Folders, ``file:`` URLs or web pages that list archives."""
    ca_bundle: str | None = None
    client_cert: str | None = None
    proxy: str | None = None


def read(default_index: str, environ: Mapping[str, str] = os.environ) -> IndexSettings:
    """The user's settings; ``default_index`` is asked where they name no index of their own and forbid none."""
    pip = {**_from_files(environ), **_from_environment(environ)}
    index = pip.get("index-url") or environ.get("UV_DEFAULT_INDEX") or environ.get("UV_INDEX_URL") or default_index
    extra = [
        *pip.get("extra-index-url", "").split(),
        # uv lets an index have a name: name=url.
        *(
            item.partition("=")[2] if "=" in item.split("://")[0] else item
            for item in environ.get("UV_INDEX", "").split()
        ),
        *environ.get("UV_EXTRA_INDEX_URL", "").split(),
    ]
    forbidden = pip.get("no-index", "").strip().lower() in _TRUE
    links = [*pip.get("find-links", "").split(), *environ.get("UV_FIND_LINKS", "").replace(",", " ").split()]
    return IndexSettings(
        indexes=() if forbidden else tuple(dict.fromkeys([index.strip(), *extra])),
        find_links=tuple(dict.fromkeys(links)),
        ca_bundle=pip.get("cert"),
        client_cert=pip.get("client-cert"),
        proxy=pip.get("proxy"),
    )


def _from_environment(environ: Mapping[str, str]) -> dict[str, str]:
    return {
        name.removeprefix("PIP_").lower().replace("_", "-"): value
        for name, value in environ.items()
        if name.startswith("PIP_") and value
    }


def _from_files(environ: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in _files(environ):
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError, OSError):
            continue  # pip itself will complain of it
        for section in _SECTIONS:
            if parser.has_section(section):
                found.update({key.replace("_", "-"): value for key, value in parser.items(section)})
    return found


def _files(environ: Mapping[str, str]) -> Iterator[Path]:
    """The files of pip, the least important first, as its documentation has them."""
    named = environ.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return
    yield Path("/etc/pip.conf")
    yield site_config_path("pip") / "pip.conf"
    yield Path("~/.pip/pip.conf").expanduser()
    yield user_config_path("pip") / "pip.conf"
    yield Path(sys.prefix) / "pip.conf"
    if named:
        yield Path(named)
