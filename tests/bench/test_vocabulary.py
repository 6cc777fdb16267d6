# SPDX-License-Identifier: Apache-2.0
"""The benchmark of word lists: which words are listed, what is counted, a gate that can fail, and the command."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harken.bench.corpus import Item
from harken.bench.hot_words import LISTS, Result, gate, measure
from harken.bench.rare_words import Labelled, everything, half, label, says
from harken.bench.scoring import Score
from harken.cli.app import app


def item(name: str, text: str, language: str = "en", kind: str = "speech") -> Item:
    return Item("set", Path(f"{name}.wav"), text, language, kind)


def pieces(word: str) -> int:
    """Byte pairs of a model that knows only short words."""
    return 1 if len(word) < 7 else 2


def test_rare_words_are_long_seldom_said_and_no_piece_of_the_model() -> None:
    items = [item(str(at), f"the printers print {name}") for at, name in enumerate(("Pannartz", "Schoeffer", "Maintz"))]
    items += [item("es", "los impresores (con Lotter de Leipzigo) imprimieron", "es")]
    items += [item("again", "printers print Gutenberg's Bible"), item("zh", "广州市房地产中介协会分析", "zh")]
    items += [item("same", "The printers print Pannartz."), item("noise", "", kind="nonspeech")]
    found = {one.item.path.stem: one.words for one in label(items, pieces)}
    assert found == {
        "0": ("Pannartz",), "1": ("Schoeffer",), "2": (), "again": ("Gutenberg",), "zh": (), "same": ("Pannartz",),
        "noise": (), "es": ("impresores", "imprimieron"),
    }  # fmt: skip
    assert everything(label(items, pieces)) == ("Gutenberg", "Pannartz", "Schoeffer", "impresores", "imprimieron")


def test_the_halves_share_no_text_and_both_have_the_silence() -> None:
    items = [item(name, f"text {name[0]}") for name in ("a1", "b1", "a2", "c1", "d1")]
    labelled = [Labelled(one) for one in [*items, item("noise", "", kind="nonspeech")]]
    names = [[one.item.path.stem for one in half(labelled, which)] for which in ("development", "held-out", "all")]
    assert names == [["a1", "a2", "c1", "noise"], ["b1", "d1", "noise"], ["a1", "b1", "a2", "c1", "d1", "noise"]]


@pytest.mark.parametrize(
    ("text", "word", "times"),
    [
        ("Ne plus ultra", "ne-plus-ultra", 1),
        ("Schoeffer, schoeffer!", "Schoeffer", 2),
        ("Schoeffers", "Schoeffer", 0),
        ("", "Schoeffer", 0),
    ],
)
def test_a_word_is_looked_for_as_word_errors_are_counted(text: str, word: str, times: int) -> None:
    assert says(text, word, "en") == times


HEARD: dict[str, dict[tuple[str, ...], str]] = {
    "one": {(): "printed by Shoffer", ("Schoeffer",): "printed by Schoeffer"},
    "two": {(): "and Pannartz too"},
    "noise": {("Pannartz", "Schoeffer"): "Schoeffer"},
}
LABELLED = [
    Labelled(item("one", "printed by Schoeffer"), ("Schoeffer",)),
    Labelled(item("two", "and Pannartz too"), ("Pannartz",)),
    Labelled(item("noise", "", kind="nonspeech")),
]


def engine(path: Path, language: str | None, vocabulary: Sequence[str]) -> str:
    """Hears its own word when it is listed alone, and puts a listed word in where another was said."""
    assert language == "en"
    said = HEARD[path.stem]
    if path.stem == "two" and "Schoeffer" in vocabulary:
        return "and Schoeffer too"
    return said.get(tuple(vocabulary), said.get((), ""))


def test_words_won_lost_and_put_in_are_counted() -> None:
    results, changes = measure(LABELLED, engine)
    found = {result.given: result for result in results}
    assert [result.given for result in results] == list(LISTS)
    counts = {
        given: (one.said, one.heard, one.missed, one.won, one.put_in, one.score.errors, one.invented)
        for given, one in found.items()
    }
    assert counts == {
        "no list": (2, 1, 1, 0, 0, 1, 0),
        "own words": (2, 2, 1, 1, 0, 0, 0),
        "all words": (2, 0, 1, 0, 1, 2, 1),
        "others' words": (2, 0, 1, 0, 1, 2, 1),
    }
    assert [(change.given, change.item.path.stem, change.put_in) for change in changes] == [
        ("own words", "one", ()),
        ("all words", "two", ("Schoeffer",)),
        ("others' words", "two", ("Schoeffer",)),
    ]
    failed = {rule.name for rule in gate(results) if not rule.ok}
    assert failed == {
        f"{given}: {what}"
        for given in ("all words", "others' words")
        for what in ("not worse", "none put in", "as silent")
    } | {"all words: more are heard"}


def test_the_gate_holds_when_lists_only_help() -> None:
    plain = Result("no list", said=4, heard=2, missed=2, score=Score(100, 9))
    better = replace(plain, heard=3, won=1, score=Score(100, 8))
    results = [
        plain,
        *(replace(better, given=given) for given in ("own words", "all words")),
        replace(plain, given="others' words"),
    ]
    assert all(rule.ok for rule in gate(results))
    results[-1].score = Score(100, 10)
    assert [rule.name for rule in gate(results) if not rule.ok] == ["others' words: not worse"]


@pytest.mark.usefixtures("base_model", "vad_model")
def test_the_command_hears_names_that_are_listed(tmp_path: Path) -> None:
    folder = tmp_path / "corpus" / "names"
    folder.mkdir(parents=True)
    texts = ["We drove to Tucumcari in the morning.", "The committee thanked Anneliese Vanderbeek for the work."]
    for at, text in enumerate(texts):
        subprocess.run(["espeak-ng", "-v", "en-us", "-s", "145", "-w", folder / f"{at}.wav", text], check=True)
    records = [{"audio": f"{at}.wav", "text": text, "lang": "en", "duration": 3.0} for at, text in enumerate(texts)]
    (folder / "manifest.jsonl").write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    found = tmp_path / "found.json"
    result = CliRunner().invoke(app, ["bench", "vocabulary", str(folder.parent), "--json", str(found), "-v"])
    report = json.loads(found.read_text(encoding="utf-8"))
    assert {"Tucumcari", "Anneliese", "Vanderbeek"} <= set(report["list"])
    rows = {row["given"]: row for row in report["results"]}
    assert rows["own words"]["heard"] > rows["no list"]["heard"]
    assert rows["all words"]["errors"] < rows["no list"]["errors"]
    assert rows["others' words"]["put_in"] == 0
    assert result.exit_code == (0 if all(rule["ok"] for rule in report["gate"]) else 1), result.output
    assert "others' words: none put in" in result.output
