# SPDX-License-Identifier: Apache-2.0
"""Labelled recordings from a folder of sets, each with a ``manifest.jsonl``.

A line of a manifest is one recording: ``audio`` (path beside the manifest), ``text`` (what was said, "" for nothing),
``lang``, ``kind`` (``speech``, ``stitched``, ``format`` or ``nonspeech``) and ``ref`` (where the text comes from). Only
what can be scored is kept. Knows no engine.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harken.errors import InvalidRequest

SPOKEN = frozenset({"speech", "stitched", "format"})
NONSPEECH = "nonspeech"

_CIRCULAR = re.compile(r"circular|engine outputs?|whisper\S* outputs?", re.IGNORECASE)
"""References that some recogniser wrote would reward whoever makes the same mistakes."""


@dataclass(frozen=True, slots=True)
class Item:
    """One recording and what is said in it."""

    set: str
    path: Path
    text: str
    language: str | None = None
    """ISO 639-1 code of the reference."""
    kind: str = "speech"
    duration: float | None = None
    """Seconds, as the manifest has it."""

    @property
    def name(self) -> str:
        """Set and path inside it, for people."""
        return f"{self.set}/{self.path.name}"

    @property
    def spoken(self) -> bool:
        """Whether it is scored by word errors; otherwise by the words that were invented."""
        return self.kind != NONSPEECH


def read_corpus(folder: Path, sets: Collection[str] = ()) -> list[Item]:
    """The recordings of ``folder`` that can be scored, in the order of its sets' names and manifests.

    Args:
        folder: holds sets (folders with a ``manifest.jsonl``), or is itself one.
        sets: names of the sets to read; empty reads all.

    Raises:
        InvalidRequest: no manifest is there, a named set is missing, or a line is not a record.
    """
    return [
        Item(
            name,
            beside / record["audio"],
            record["text"],
            record.get("lang"),
            record.get("kind", "speech"),
            record.get("duration"),
        )
        for name, beside, record in records(folder, sets)
        if _usable(record)
    ]


def records(folder: Path, sets: Collection[str] = ()) -> Iterator[tuple[str, Path, dict[str, Any]]]:
    """Every record that is not of a medium that is broken on purpose: its set, its manifest's folder, what it says.

    Arguments, order and what it raises are those of :func:`read_corpus`.
    """
    manifests = {path.parent.name: path for path in sorted(folder.glob("*/manifest.jsonl"))}
    if (folder / "manifest.jsonl").is_file():
        manifests[folder.resolve().name] = folder / "manifest.jsonl"
    if not manifests:
        raise InvalidRequest(f"{folder} is not a corpus: neither it nor a folder in it has a manifest.jsonl")
    if missing := sorted(set(sets) - set(manifests)):
        raise InvalidRequest(f"{folder} has no set {', '.join(missing)}; it has {', '.join(sorted(manifests))}")
    for name, manifest in sorted(manifests.items()):
        if not sets or name in sets:
            for record in _read_set(manifest):
                yield name, manifest.parent, record


def _read_set(manifest: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(manifest.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            path = manifest.parent / record["audio"]
        except (ValueError, TypeError, KeyError) as error:
            raise InvalidRequest(f"{manifest}, line {number}: not a JSON object with an audio path") from error
        if record.get("kind", "speech") not in SPOKEN | {NONSPEECH}:
            continue
        if not path.is_file():
            raise InvalidRequest(f"{manifest}, line {number}: there is no file {path}")
        yield record


def _usable(record: dict[str, Any]) -> bool:
    text, kind = record.get("text"), record.get("kind", "speech")
    if kind == NONSPEECH:
        return True
    return kind in SPOKEN and bool(text) and not _CIRCULAR.search(record.get("ref") or "")
