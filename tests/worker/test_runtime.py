# SPDX-License-Identifier: Apache-2.0
"""Jobs on a runtime with real children: shared fairly, cancelled within a window, taken up where they were."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.worker.conftest import ENGLISH, Heard, InThread, MakeRig, Pcm, Rig, eventually, write

from harken.errors import AudioTooLong, JobCancelled, ModelUnavailable, NotMedia, WorkerUnavailable
from harken.model import Job, JobState, Lane, WindowResult
from harken.models.catalog import Catalog
from harken.models.delivery import SourceFailed
from harken.models.spec import ModelSpec
from harken.models.store import ModelStore
from harken.pipeline import Cursor
from harken.worker.process import ChildSettings
from harken.worker.readers import Readers
from harken.worker.runtime import Runtime, RuntimeSettings
from harken.worker.weights import Hardware, Weights


def _job(job_id: str, lane: Lane = Lane.BATCH) -> Job:
    return Job(job_id, "someone", JobState.PROCESSING, lane, ENGLISH, "x.wav", 0.0, 0.0)


def test_jobs_of_two_callers_share_one_child(make_rig: MakeRig, recording: Path) -> None:
    rig = make_rig()
    order: list[str] = []
    jobs = [
        InThread(lambda name=name: rig.run(recording, name, ENGLISH, owner=name, hook=lambda _: order.append(name)))  # type: ignore[misc]
        for name in ("first", "second")
    ]
    first, second = (job.result() for job in jobs)
    assert first.text == second.text
    halves = order[: len(order) // 2], order[len(order) // 2 :]
    assert all({"first", "second"} <= set(half) for half in halves)


def test_children_load_the_libraries_that_they_need_and_no_others(make_rig: MakeRig, clip: Path) -> None:
    rig = make_rig()
    assert rig.run(clip, "job", ENGLISH).text
    libraries = ("libctranslate2", "libavcodec", "onnxruntime")

    def loaded(pids: Sequence[int]) -> set[str]:
        return {name for pid in pids for name in libraries if name in Path(f"/proc/{pid}/maps").read_text("utf-8")}

    assert loaded(rig.engines()) == {"libctranslate2"}
    assert loaded(rig.readers()) == {"libavcodec", "onnxruntime"}


def test_a_short_clip_does_not_wait_for_a_long_file(make_rig: MakeRig, recording: Path, clip: Path) -> None:
    rig = make_rig(batch_size=1)
    begun, ended = threading.Event(), threading.Event()
    long = InThread(lambda: rig.run(recording, "long", ENGLISH, hook=lambda _: begun.set()))
    assert begun.wait(60)
    short = rig.run(clip, "short", ENGLISH, owner="another", lane=Lane.INTERACTIVE, hook=lambda _: ended.set())
    assert short.chapters == 1
    assert long.running
    long.result()


def test_a_clip_is_heard_beside_a_batch_that_nobody_waits_for(
    make_rig: MakeRig, clip: Path, clips: dict[str, Pcm], tmp_path: Path
) -> None:
    rig = make_rig()
    [engine] = rig.engines()
    cancelled = threading.Event()
    # The mark has the only child hang in it.
    marked = clips["beckett"].copy()
    marked[0] = 32_767
    hanging = write(tmp_path / "hanging.wav", marked)
    long = InThread(lambda: rig.run(hanging, "long", ENGLISH.but(prompt="hang"), cancelled=cancelled.is_set))
    assert eventually(lambda: rig.runtime._recognisers._scheduler._long == 1)
    assert rig.run(clip, "short", ENGLISH, owner="another", lane=Lane.INTERACTIVE).text
    assert long.running
    [_, express] = rig.engines()
    assert os.getpriority(os.PRIO_PROCESS, engine) > os.getpriority(os.PRIO_PROCESS, express)
    cancelled.set()
    with pytest.raises(JobCancelled):
        long.result()


def test_a_cancelled_job_ends_within_a_window(make_rig: MakeRig, recording: Path, clip: Path) -> None:
    rig = make_rig(batch_size=1)
    cancel = threading.Event()
    told: list[int] = []

    def hook(heard: Heard) -> None:
        assert not cancel.is_set(), "a window came after the cancel"
        told.extend(heard.told)
        cancel.set()

    with pytest.raises(JobCancelled):
        rig.run(recording, "long", ENGLISH, hook=hook, cancelled=cancel.is_set)
    assert told == [0]
    assert rig.run(clip, "next", ENGLISH).text


def test_saved_windows_are_not_recognised_again(make_rig: MakeRig, recording: Path) -> None:
    rig = make_rig(children=2)
    whole = rig.run(recording, "whole", ENGLISH)
    job = _job("again")
    first = rig.runtime.run_chapter(job, recording, Cursor(), {}, lambda _: None, lambda: False)
    rig.runtime.release(job.id)
    saved = {index: whole.results[index] for index in (1, 3)}
    told: list[int] = []

    def note(results: Sequence[tuple[int, WindowResult]]) -> None:
        for index, result in results:
            assert result == whole.results[index]
            told.append(index)

    second = rig.runtime.run_chapter(job, recording, first.cursor, saved, note, lambda: False)
    assert sorted(told) == sorted(whole.results.keys() - saved.keys() - {0})
    assert second.cursor.index == len(whole.results)
    assert second.cursor.done


def test_a_stopping_runtime_gives_up_what_is_not_begun(make_rig: MakeRig, recording: Path) -> None:
    rig = make_rig(batch_size=1)
    begun = threading.Event()
    heard = Heard()

    def hook(now: Heard) -> None:
        heard.told = now.told
        begun.set()

    job = InThread(lambda: rig.run(recording, "long", ENGLISH, hook=hook))
    assert begun.wait(60)
    rig.runtime.close(drain=60)
    with pytest.raises(WorkerUnavailable, match="goes on"):
        job.result()
    assert len(heard.told) == len(set(heard.told)) < 5


def test_what_is_no_recording_fails_alone(make_rig: MakeRig, clip: Path, tmp_path: Path) -> None:
    rig = make_rig()
    text = tmp_path / "text.mp3"
    text.write_text("no sound at all\n" * 200)
    with pytest.raises(NotMedia):
        rig.run(text, "bad", ENGLISH)
    assert rig.run(clip, "good", ENGLISH).text


def test_a_recording_that_turns_out_too_long_is_refused(weights: Weights, clip: Path, tmp_path: Path) -> None:
    runtime = Runtime(RuntimeSettings(scratch=tmp_path, max_audio_seconds=2.0), weights, pytest.fail)
    try:
        with pytest.raises(AudioTooLong):
            Rig(runtime).run(clip, "long", ENGLISH)
    finally:
        runtime.close()


class _Held:
    """A source that delivers nothing, late."""

    label = "a slow hub"

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.let_go = threading.Event()

    def offers(self, spec: ModelSpec) -> bool:
        return spec.name == "tiny"

    def deliver(self, spec: ModelSpec, workspace: object, meter: object) -> str:
        self.asked.set()
        assert self.let_go.wait(240)
        raise SourceFailed("the hub has gone")


def test_a_download_holds_up_only_the_jobs_that_need_the_model(
    make_rig: MakeRig, models_dir: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = _Held()
    held = Weights(Catalog(), ModelStore(models_dir, [source]), Hardware())
    rig = make_rig()
    monkeypatch.setattr(rig.runtime, "_weights", held)
    cancel = threading.Event()
    needs = InThread(lambda: rig.run(clip, "needs", ENGLISH.but(model="tiny")))
    also = InThread(lambda: rig.run(clip, "also", ENGLISH.but(model="tiny"), cancelled=cancel.is_set))
    assert source.asked.wait(60)
    assert rig.run(clip, "other", ENGLISH).text
    cancel.set()
    with pytest.raises(JobCancelled):
        also.result()
    source.let_go.set()
    with pytest.raises(ModelUnavailable, match="base"):
        needs.result()


def test_headers_are_read_in_a_child(clip: Path, tmp_path: Path) -> None:
    readers = Readers(1, ChildSettings("harken-probe"), pytest.fail)
    try:
        assert readers.probe(clip).duration == pytest.approx(6.5, abs=0.1)
        (tmp_path / "x").write_bytes(b"nothing to hear")
        with pytest.raises(NotMedia):
            readers.probe(tmp_path / "x")
    finally:
        readers.close()
    with pytest.raises(WorkerUnavailable):
        readers.probe(clip)
