# SPDX-License-Identifier: Apache-2.0
"""The accuracy comparison: counts by set, and a gate of which every rule can fail."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from harken.bench import report
from harken.bench.accuracy import Pair, Rule, gate, listen, summarise, total
from harken.bench.corpus import Item
from harken.bench.engines import Heard, ignore
from harken.bench.scoring import Score
from harken.errors import NotMedia

HUNDRED = " ".join(f"w{number}" for number in range(100))


def wrong(count: int, text: str = HUNDRED) -> str:
    """``text`` with that many words heard wrongly."""
    words = text.split()
    return " ".join(["wrong"] * count + words[count:])


def spoken(ours: int, baseline: int, *, name: str = "set", text: str = HUNDRED) -> Pair:
    """A recording in which each engine made so many errors."""
    item = Item(name, Path(f"{name}.wav"), text)
    return Pair(item, Heard(wrong(ours, text)), Heard(wrong(baseline, text)))


def silent(ours: str, baseline: str) -> Pair:
    return Pair(Item("noise", Path("noise.wav"), "", kind="nonspeech"), Heard(ours), Heard(baseline))


def failing(*pairs: Pair) -> list[str]:
    return [rule.name for rule in gate(pairs) if not rule.ok]


BETTER = spoken(0, 50, name="better")
"""Makes room for another set to be worse without the whole being so."""


def test_an_engine_that_is_as_good_passes() -> None:
    assert failing(spoken(3, 3), silent("", "")) == []
    assert [rule.name for rule in gate([spoken(3, 3), silent("", "")])] == [
        "set set",
        "overall not worse",
        "silent where the baseline is",
        "fewer invented words",
    ]


def test_a_small_set_may_be_worse_by_two_words() -> None:
    assert failing(spoken(5, 3), BETTER) == []
    assert failing(spoken(6, 3), BETTER) == ["set set"]


def test_a_large_set_may_be_worse_by_three_tenths_of_a_point() -> None:
    thousand = " ".join([HUNDRED] * 10)
    assert failing(spoken(13, 10, text=thousand), BETTER) == []
    assert failing(spoken(14, 10, text=thousand), BETTER) == ["set set"]


def test_several_hearings_are_judged_by_their_mean() -> None:
    lucky, unlucky = spoken(3, 3), spoken(8, 3)
    assert failing(unlucky, BETTER) == ["set set"]
    assert [rule.name for rule in gate([lucky, unlucky, BETTER, BETTER], 2) if not rule.ok] == ["set set"]
    hearings = [lucky, lucky, unlucky, BETTER, BETTER, BETTER]
    assert [rule.name for rule in gate(hearings, 3) if not rule.ok] == []
    assert gate(hearings, 3)[1].detail == "+1.67 words, 2.0 allowed"
    thousand = " ".join([HUNDRED] * 10)
    large = [spoken(errors, 10, text=thousand) for errors in (14, 13)]
    assert [rule.name for rule in gate([*large, BETTER, BETTER], 2) if not rule.ok] == ["set set"]
    assert gate([*large, BETTER, BETTER], 2)[1].detail == "+3.50 words, 3.0 allowed"


def test_overall_it_may_not_be_worse_by_one_word() -> None:
    assert failing(spoken(5, 4), spoken(3, 3, name="other")) == ["overall not worse"]
    assert failing(spoken(5, 4), spoken(2, 3, name="other")) == []


def test_silence_must_stay_silent_where_the_baseline_is() -> None:
    assert failing(silent("you", ""), silent("", "a b c")) == ["silent where the baseline is"]
    assert failing(silent("", "you")) == []


def test_fewer_words_must_be_invented() -> None:
    assert failing(silent("a b", "a b c")) == []
    assert failing(silent("a b c", "a b c")) == ["fewer invented words"]
    assert failing(silent("a b c d", "a b c")) == ["fewer invented words"]


def test_without_a_baseline_there_is_nothing_to_judge() -> None:
    pair = Pair(Item("set", Path("a.wav"), "cats sit"), Heard("cats"), None)
    assert gate([pair]) == []
    [result] = summarise([pair])
    assert (result.ours, result.baseline) == (Score(2, 0, 1, 0), None)


def test_counts_are_summed_by_set_and_overall() -> None:
    pairs = [spoken(1, 2, name="b"), spoken(3, 4, name="a"), spoken(5, 6, name="a"), silent("x y", "z")]
    results = summarise(pairs)
    assert [(result.name, result.files) for result in results] == [("a", 2), ("b", 1), ("noise", 1)]
    assert [(result.ours.errors, result.ours.words) for result in results] == [(8, 200), (1, 100), (0, 0)]
    whole = total(results)
    assert (whole.files, whole.ours.errors, whole.baseline and whole.baseline.errors) == (4, 9, 12)
    assert (whole.invented_ours, whole.invented_baseline) == (2, 1)


class Parrot:
    """An engine that knows what it will hear."""

    def __init__(self, texts: dict[str, str]) -> None:
        self.texts = texts
        self.told: list[str | None] = []

    def hear(self, path: Path, language: str | None = None, on_piece: Callable[[str], None] = ignore) -> Heard:
        self.told.append(language)
        if path.name not in self.texts:
            raise NotMedia("no decoder reads it")
        return Heard(self.texts[path.name], "en")

    def hear_all(self, paths: Sequence[Path], language: str | None = None) -> list[Heard]:
        return [self.hear(path, language) for path in paths]


ITEMS = [Item("set", Path("a.wav"), "cats sit", "en"), Item("set", Path("b.wav"), "still", "de")]


def test_both_engines_hear_every_recording() -> None:
    ours, baseline = Parrot({"a.wav": "cats sit", "b.wav": "still"}), Parrot({"a.wav": "cats", "b.wav": ""})
    seen: list[Item] = []
    pairs = listen(ITEMS, ours, baseline, progress=seen.append)
    assert seen == ITEMS
    assert [(pair.ours.text, pair.baseline and pair.baseline.text) for pair in pairs] == [
        ("cats sit", "cats"),
        ("still", ""),
    ]
    assert ours.told == baseline.told == [None, None]
    listen(ITEMS, ours, None, languages=True)
    assert ours.told[2:] == ["en", "de"]


def test_a_recording_that_an_engine_refuses_counts_as_not_heard() -> None:
    [pair, _] = listen(ITEMS, Parrot({"b.wav": "still"}), None)
    assert pair.ours == Heard("", None, "no decoder reads it")
    assert summarise([pair])[0].ours == Score(2, 0, 2, 0)
    assert "no decoder reads it" in rendered(report.differences_of([pair]))


def rendered(what: object) -> str:
    console = Console(file=StringIO(), width=200)
    console.print(what)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


@pytest.fixture
def pairs() -> list[Pair]:
    return [spoken(5, 2, name="small"), spoken(1, 1, name="same"), silent("you", ""), silent("", "thank you")]


def test_the_table_shows_every_set_and_the_whole(pairs: list[Pair]) -> None:
    lines = rendered(report.accuracy_table(pairs)).splitlines()
    cells = {words[0]: words[1:] for line in lines if (words := line.split())}
    assert cells["small"] == ["1", "100", "5", "5.00", "2", "2.00", "+3.00"]
    assert cells["noise"] == ["2", "1", "/", "2"]
    assert cells["overall"] == ["4", "200", "6", "3.00", "3", "1.50", "+1.50", "1", "/", "2"]


def test_rules_and_differences_are_written_out(pairs: list[Pair]) -> None:
    text = rendered(report.gate_lines(gate(pairs)))
    assert "FAIL  set small: +3 words, 2.0 allowed" in text
    assert "pass  set same: +0 words, 2.0 allowed" in text
    assert "FAIL  silent where the baseline is: noise/noise.wav" in text
    differing = rendered(report.differences_of(pairs))
    assert "invented 'you'" in differing
    assert "same" not in differing
    assert "w0 w1 w2 w3 w4>wrong wrong wrong wrong wrong" in differing


def test_the_json_has_everything(pairs: list[Pair]) -> None:
    found = json.loads(json.dumps(report.accuracy_json(pairs, gate(pairs), {"mode": "default"})))
    assert found["settings"] == {"mode": "default"}
    assert found["machine"]["packages"]["harken"]
    assert [row["name"] for row in found["sets"]] == ["noise", "same", "small", "overall"]
    assert found["sets"][-1]["ours"]["wer"] == 3.0
    assert {rule["name"]: rule["ok"] for rule in found["gate"]}["set small"] is False
    assert len(found["recordings"]) == 4


def test_a_rule_is_plain_to_read() -> None:
    assert rendered(report.gate_lines([Rule("silent", True, "3 recordings")])).strip() == "pass  silent: 3 recordings"
