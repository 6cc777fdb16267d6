# SPDX-License-Identifier: Apache-2.0
"""Models that an operator adds to the catalog, from a TOML file with a table for each.

Held to everything that harken's own entries are held to: plain file names, a fixed revision, hashes. Knows no engine;
``docs/models.md`` has an example.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harken.errors import InvalidOption
from harken.models.catalog import DEFAULT_ALIAS, PRESETS, Catalog
from harken.models.extras import EXTRAS
from harken.models.language import LANGUAGE
from harken.models.spec import HubRepo, ModelFile, ModelSpec
from harken.models.whisper import WHISPER

FAMILIES = ("onnx-asr", "whisper-ct2")

_KINDS: Mapping[str, type] = {
    "family": str,
    "files": dict,
    "repo": str,
    "revision": str,
    "licence": str,
    "description": str,
    "aliases": list,
    "multilingual": bool,
    "translates": bool,
    "size": int,
}
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_REPO = re.compile(r"\w[\w.-]*/\w[\w.-]*")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_HASH = re.compile(r"[0-9a-f]{64}")


def catalog(
    default_model: str = "base",
    presets: Mapping[str, Mapping[str, Any]] | None = None,
    file: Path | None = None,
) -> Catalog:
    """The models of harken and those of the operator.

    Raises:
        InvalidOption: the file is not one of models, or takes the name of one that harken has; or a preset is wrong.
        UnknownModel: the default model or a preset's is not known.
    """
    own = () if file is None else read(file)
    known = (*WHISPER, *EXTRAS, *LANGUAGE)
    taken = {DEFAULT_ALIAS, *PRESETS, *(name.lower() for spec in known for name in (spec.name, *spec.aliases))}
    for spec in own:
        names = [name.lower() for name in (spec.name, *spec.aliases)]
        for name in names:
            if name in taken or names.count(name) > 1:
                raise InvalidOption(f"{file}: model {spec.name}: there is another model named {name}; choose a new one")
        taken.update(names)
    return Catalog(default_model, presets, (*known, *own))


def read(file: Path) -> tuple[ModelSpec, ...]:
    """The models of a file. Raises InvalidOption, which says where the file is wrong."""
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidOption(f"HARKEN_MODEL_CATALOG: {file} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise InvalidOption(f"HARKEN_MODEL_CATALOG: {file} is not TOML: {error}") from error
    entries = []
    for name, table in tables.items():
        try:
            entries.append(_spec(name, table))
        except ValueError as error:
            raise InvalidOption(f"{file}: model {name}: {error}") from None
    return tuple(entries)


def _spec(name: str, table: object) -> ModelSpec:
    _require(_NAME.fullmatch(name), "a name has lower-case letters, digits, dots, dashes and underscores")
    _require(isinstance(table, dict), "must be a table")
    assert isinstance(table, dict)
    for key, value in table.items():
        _require(key in _KINDS, f"{key} is no key; there are {', '.join(_KINDS)}")
        # TOML's true and false are integers to Python.
        _require(type(value) is _KINDS[key], f"{key} must be of type {_KINDS[key].__name__}")
    family, repo, revision = table.get("family"), table.get("repo"), table.get("revision")
    _require(family in FAMILIES, f"family must be {' or '.join(FAMILIES)}")
    _require((repo is None) == (revision is None), "repo and revision need each other; without them a folder is asked")
    if repo is not None:
        _require(_REPO.fullmatch(repo), "repo must be OWNER/NAME")
        _require(
            _COMMIT.fullmatch(str(revision)), "revision must be a whole commit, 40 hex digits: a branch can change"
        )
    files = tuple(_file(*item) for item in table.get("files", {}).items())
    _require(files, "files must name every file of the model")
    _require(any(file.name == "config.json" for file in files), "files lack config.json, by which it is loaded")
    aliases = table.get("aliases", [])
    _require(all(isinstance(alias, str) and alias.strip() for alias in aliases), "aliases must be texts")
    return ModelSpec(
        name=name,
        family=str(family),
        files=files,
        sources=() if repo is None else (HubRepo(repo, str(revision)),),
        licence=table.get("licence", "NOASSERTION"),
        description=table.get("description", name),
        aliases=tuple(aliases),
        multilingual=table.get("multilingual", True),
        can_translate=table.get("translates", False),
        size_estimate=table.get("size", 0),
    )


def _file(name: str, table: object) -> ModelFile:
    _require(
        isinstance(table, dict) and table.keys() <= {"size", "sha256"}, f"{name} must be a table of size and sha256"
    )
    assert isinstance(table, dict)
    size, sha256 = table.get("size"), table.get("sha256")
    _require(size is None or (type(size) is int and size >= 0), f"{name}: size must be a number of bytes")
    _require(
        sha256 is None or (isinstance(sha256, str) and _HASH.fullmatch(sha256)),
        f"{name}: sha256 must be 64 hex digits in lower case",
    )
    return ModelFile(name, size, sha256)


def _require(holds: object, otherwise: str) -> None:
    if not holds:
        raise ValueError(otherwise)
