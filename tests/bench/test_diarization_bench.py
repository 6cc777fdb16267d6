# SPDX-License-Identifier: Apache-2.0
"""``harken bench diarization`` from the command line to the verdicts, on a corpus of three synthetic readers."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from harken.bench import diarization_engines as engines
from harken.cli.app import app
from harken.errors import HarkenError

VOICES = {"lee": "en-us", "mia": "en-gb+f4", "ned": "en-gb-scotland+m7"}
TEXTS = (
    "The ship left the harbour in the morning, and by noon nobody on the hill could see her sails any more.",
    "He counted the coins twice, put them back into the jar, and said that there was enough for a week.",
)
SENKO = """
class Diarizer:
    def __init__(self, device, quiet):
        print("loading")

    def diarize(self, path, generate_colors):
        print("working")
        turns = [{"start": 0.0, "end": 1.0, "speaker": "SPEAKER_01", "duration": 1.0}]
        return None if "short" in path else {"merged_segments": turns}
"""

pytestmark = pytest.mark.usefixtures("base_model", "vad_model", "segmentation_model", "campplus_model", "sample_wav")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory, sample_wav: Path) -> Path:
    """Three readers of two sentences each, and the telephone call with its turns."""
    folder = tmp_path_factory.mktemp("corpus")
    readers, calls = folder / "readers", folder / "diar_ami"
    readers.mkdir()
    calls.mkdir()
    records = []
    for name, voice in VOICES.items():
        for number, text in enumerate(TEXTS):
            audio = f"{name}-{number}.wav"
            subprocess.run(["espeak-ng", "-v", voice, "-s", "140", "-w", readers / audio, text], check=True)
            said = f"{text} {name}"  # as no text may come twice
            records.append({"audio": audio, "text": said, "lang": "en", "speakers": 1, "speaker": name})
    (readers / "manifest.jsonl").write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    for suffix in (".wav", ".rttm"):
        shutil.copy(sample_wav.with_suffix(suffix), calls / f"call{suffix}")
    record = {"audio": "call.wav", "text": None, "rttm": "call.rttm", "speakers": 2}
    (calls / "manifest.jsonl").write_text(json.dumps(record), encoding="utf-8")
    return folder


@pytest.mark.slow
def test_everything_is_measured_and_judged(corpus: Path, tmp_path: Path) -> None:
    found = tmp_path / "found.json"
    command = ["bench", "diarization", str(corpus), "--stitched", "3", "--verbose", "--json", str(found)]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    report = json.loads(found.read_text(encoding="utf-8"))
    sets = {item["name"]: item for item in report["engines"]["harken"]["sets"]}
    assert {name: item["files"] for name, item in sets.items()} == {
        "diar_ami": 1,
        "sample": 1,
        "stitched": 4,
        "overall": 6,
    }
    # Whoever hears speech at all is below; who hears none misses all of it.
    assert all(0 < item["der"] < 70 and item["rtfx"] > 1 for item in sets.values())
    assert all(item["errors"]["missed"] < 0.5 * item["errors"]["speech"] for item in sets.values())
    assert sets["overall"]["errors"]["speech"] == pytest.approx(
        sum(item["errors"]["speech"] for name, item in sets.items() if name != "overall")
    )
    recordings = report["engines"]["harken"]["recordings"]
    assert [item["speakers"] for item in recordings if item["set"] == "stitched"] == [2, 3, 2, 2]
    assert report["words"]["sample/sample"]["matched"] > 40
    assert len(report["words"]) == 2
    chosen = [row for row in report["voices"] if row["chosen"]]
    assert [row["seconds"] for row in chosen] == [2.0, 6.0]
    assert all(row["strangers"] == 12 and row["known"] == 6 for row in chosen)
    assert "words of the telephone call with the right speaker" in {target["name"] for target in report["targets"]}
    for title in (
        "harken, by recording",
        "Confidence of turns",
        "Words with the right speaker",
        "Known voices",
        "Targets",
    ):
        assert title in result.output


def test_the_same_with_senko_and_nothing_else(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "senko.py").write_text(SENKO, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = tmp_path / "found.json"
    command = ["bench", "diarization", str(corpus), "--stitched", "0", "--no-words", "--no-voices", "--hours", "0.01"]
    result = CliRunner().invoke(app, [*command, "--senko", sys.executable, "--json", str(found)])
    assert result.exit_code == 0, result.output
    report = json.loads(found.read_text(encoding="utf-8"))
    assert report["words"] == {}
    assert report["voices"] == []
    sets = {item["name"]: item for item in report["engines"]["senko"]["sets"]}
    assert list(sets) == ["diar_ami", "sample", "overall"]
    # It says that somebody speaks in the first second, when nobody does.
    assert sets["diar_ami"]["errors"]["false"] == pytest.approx(1.0)
    assert sets["diar_ami"]["errors"]["missed"] == pytest.approx(sets["diar_ami"]["errors"]["speech"])
    names = {target["name"] for target in report["targets"]}
    assert {"memory for hours", "DER with collar beside senko, diar_ami"} <= names
    assert 50e6 < report["settings"]["peak"] < 2e9


def test_the_memory_is_the_engines_own(models_dir: Path, sample_wav: Path) -> None:
    ours = np.ones(400_000_000 // 8)
    [told] = engines.harken(models_dir, [sample_wav])
    assert 50e6 < told.peak < ours.nbytes


def test_an_engine_that_fails_says_so(tmp_path: Path, models_dir: Path) -> None:
    with pytest.raises(HarkenError, match="status 1"):
        engines.harken(models_dir, [tmp_path / "missing.wav"])
