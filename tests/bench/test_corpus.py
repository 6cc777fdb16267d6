# SPDX-License-Identifier: Apache-2.0
"""Reading a corpus folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harken.bench.corpus import Item, read_corpus
from harken.errors import InvalidRequest


def write_set(folder: Path, *records: dict[str, Any]) -> None:
    folder.mkdir(parents=True)
    for record in records:
        (folder / record["audio"]).touch()
    lines = [json.dumps(record) for record in records]
    (folder / "manifest.jsonl").write_text("\n".join(lines) + "\n\n", encoding="utf-8")


def names(items: list[Item]) -> list[str]:
    return [item.name for item in items]


def test_sets_are_read_in_order_with_what_their_records_say(tmp_path: Path) -> None:
    record = {"audio": "c.wav", "text": "hola", "lang": "es", "kind": "format", "ref": "repo_test", "duration": 1.5}
    write_set(tmp_path / "two", record)
    write_set(tmp_path / "one", {"audio": "a.wav", "text": "hi"}, {"audio": "b.wav", "text": "ho", "lang": "en"})
    (tmp_path / "no-set").mkdir()
    items = read_corpus(tmp_path)
    assert names(items) == ["one/a.wav", "one/b.wav", "two/c.wav"]
    assert items[2] == Item("two", tmp_path / "two" / "c.wav", "hola", "es", "format", 1.5)
    assert names(read_corpus(tmp_path, ["two"])) == ["two/c.wav"]
    assert names(read_corpus(tmp_path / "one")) == ["one/a.wav", "one/b.wav"]


def test_what_cannot_be_scored_is_left_out(tmp_path: Path) -> None:
    write_set(
        tmp_path / "set",
        {"audio": "unlabelled.wav", "text": None, "kind": "speech"},
        {"audio": "broken.wav", "text": "x", "kind": "badmedia"},
        {"audio": "own.wav", "text": "x", "ref": "whisper-base output: circular, do not score"},
        {"audio": "kept.wav", "text": "x", "ref": "engine output kept in repo tests"},
        {"audio": "blank.wav", "text": "", "kind": "speech"},
        {"audio": "known.wav", "text": "x", "ref": "known text; extended after whisper showed the clip runs on"},
        {"audio": "hens.ogg", "text": "", "kind": "nonspeech"},
    )
    items = read_corpus(tmp_path)
    assert names(items) == ["set/known.wav", "set/hens.ogg"]
    assert [item.spoken for item in items] == [True, False]


@pytest.mark.parametrize("line", ["not json", "[]", '{"text": "no audio"}', '{"audio": "missing.wav", "text": "x"}'])
def test_a_bad_line_is_named(tmp_path: Path, line: str) -> None:
    write_set(tmp_path / "set", {"audio": "a.wav", "text": "x"})
    with (tmp_path / "set" / "manifest.jsonl").open("a", encoding="utf-8") as file:
        file.write(line)
    with pytest.raises(InvalidRequest, match="line 3"):
        read_corpus(tmp_path)


def test_folders_and_sets_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"manifest\.jsonl"):
        read_corpus(tmp_path)
    write_set(tmp_path / "one", {"audio": "a.wav", "text": "x"})
    with pytest.raises(InvalidRequest, match="no set other; it has one"):
        read_corpus(tmp_path, ["other"])
