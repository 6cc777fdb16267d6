# SPDX-License-Identifier: Apache-2.0
"""``harken bench`` from the command line to the verdict, on a corpus of one labelled telephone call."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harken.bench import baseline
from harken.bench.engines import Heard
from harken.cli.app import app


@pytest.fixture
def corpus(tmp_path: Path, sample_wav: Path) -> Path:
    """The catalog's sample with what its own labels say, and the same without a reference."""
    folder = tmp_path / "corpus" / "calls"
    folder.mkdir(parents=True)
    shutil.copy(sample_wav, folder / "call.wav")
    lines = sample_wav.with_suffix(".stm").read_text(encoding="utf-8").splitlines()
    said = " ".join(line.split(maxsplit=5)[5] for line in lines)
    records = [{"audio": "call.wav", "text": said, "lang": "en"}, {"audio": "call.wav", "text": None}]
    (folder / "manifest.jsonl").write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    return folder.parent


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setattr("harken.bench.commands.cache_folder", lambda: folder)
    return folder


@pytest.mark.usefixtures("base_model", "vad_model")
def test_accuracy_from_the_command_line(corpus: Path, own_cache: Path, tmp_path: Path) -> None:
    found = tmp_path / "found.json"
    result = CliRunner().invoke(app, ["bench", "accuracy", str(corpus), "--json", str(found), "-v"])
    report = json.loads(found.read_text(encoding="utf-8"))
    assert [row["name"] for row in report["sets"]] == ["calls", "overall"]
    [recording] = report["recordings"]
    for engine in ("harken", "baseline"):
        assert "originally from chicago" in recording[engine]["text"].lower()
        assert recording[engine]["language"] == "en"
    ours, theirs = report["sets"][0]["ours"], report["sets"][0]["baseline"]
    assert ours["words"] == theirs["words"] > 70
    # A telephone call; an engine that is wrong in every other word is broken.
    assert max(ours["wer"], theirs["wer"]) < 50
    assert result.exit_code == (0 if all(rule["ok"] for rule in report["gate"]) else 1), result.output
    assert "set calls" in result.output
    [kept] = own_cache.iterdir()
    assert json.loads(kept.read_text(encoding="utf-8"))["text"] == recording["baseline"]["text"]


@pytest.mark.usefixtures("base_model")
def test_shifted_copies_are_heard_too(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[Path] = []

    class Listing:
        def hear(self, path: Path, *_: object) -> Heard:
            assert path.is_file()
            heard.append(path)
            return Heard("hello there", "en")

    monkeypatch.setattr("harken.bench.commands.build", lambda *_, **__: Listing())
    found = tmp_path / "found.json"
    arguments = ["bench", "accuracy", str(corpus), "--no-baseline", "--shifts", "2", "--json", str(found)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "sums of 3 hearings" in " ".join(result.output.split())
    assert [path.name for path in heard] == ["call.wav", "call+1.wav", "call+2.wav"]
    assert [path.is_file() for path in heard] == [True, False, False]
    report = json.loads(found.read_text(encoding="utf-8"))
    assert report["settings"]["shifts"] == 2
    assert report["sets"][0]["files"] == 3


@pytest.mark.usefixtures("base_model", "vad_model")
def test_what_the_baseline_heard_is_used_again(
    corpus: Path, own_cache: Path, base_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audio = corpus / "calls" / "call.wav"
    heard: list[Path] = []

    class Counting:
        def __init__(self, folder: Path, **_: object) -> None:
            assert folder == base_model

        def hear(self, path: Path, *_: object) -> Heard:
            heard.append(path)
            return Heard("hello there", "en")

    monkeypatch.setattr(baseline, "FasterWhisper", Counting)
    engine = baseline.Remembered(base_model, own_cache)
    assert engine.hear(audio) == engine.hear(audio) == Heard("hello there", "en")
    assert engine.hear_all([audio, audio]) == [Heard("hello there", "en")] * 2
    assert len(heard) == 1
    # Another language, another content and another model are other questions.
    engine.hear(audio, "de")
    audio.write_bytes(audio.read_bytes()[:-2])
    engine.hear(audio)
    assert len(heard) == 3
    monkeypatch.setattr(baseline, "OPTIONS", {"beam_size": 1})
    baseline.Remembered(base_model, own_cache).hear(audio)
    assert len(heard) == 4


@pytest.mark.usefixtures("base_model")
def test_a_gate_that_fails_fails_the_command(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Says:
        def __init__(self, text: str) -> None:
            self.text = text

        def hear(self, *_: object) -> Heard:
            return Heard(self.text, None)

    monkeypatch.setattr("harken.bench.commands.build", lambda *_, **__: Says(""))
    monkeypatch.setattr("harken.bench.commands.Remembered", lambda *_, **__: Says("Hello? Oh, hello. Neither did I."))
    runner = CliRunner()
    assert runner.invoke(app, ["bench", "accuracy", str(corpus)]).exit_code == 1
    result = runner.invoke(app, ["bench", "accuracy", str(corpus), "--no-baseline"])
    assert result.exit_code == 0, result.output
    assert "100.00" in result.output


def test_a_folder_that_is_no_corpus_is_told(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["bench", "accuracy", str(tmp_path)])
    assert result.exit_code == 2
    assert "manifest.jsonl" in result.output
    result = CliRunner().invoke(app, ["bench", "accuracy", str(tmp_path / "missing")])
    assert result.exit_code == 2
