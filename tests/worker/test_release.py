# SPDX-License-Identifier: Apache-2.0
"""A job that two executions in one worker hold for a moment: the one that lets go of it does not fail the other."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.worker.conftest import MakeRig, eventually

from harken.errors import WorkerUnavailable
from harken.model import Job, JobState, Lane, Options
from harken.pipeline import Cursor
from harken.ports import ChapterDone


def test_what_is_let_go_of_while_it_waits_to_be_planned_can_be_tried_again(make_rig: MakeRig, recording: Path) -> None:
    rig = make_rig()
    runtime = rig.runtime

    def run(job_id: str) -> ChapterDone:
        job = Job(job_id, "someone", JobState.PROCESSING, Lane.BATCH, Options(), recording.name, 0.0, 0.0)
        return runtime.run_chapter(job, recording, Cursor(), {}, lambda _: None, lambda: False)

    readers = rig.readers()
    with ThreadPoolExecutor(len(readers) + 1) as pool:
        for pid in readers:
            os.kill(pid, signal.SIGSTOP)
        try:
            ours = pool.submit(run, "ours")
            # The readers have one each in hand, and one is left over.
            others = [pool.submit(run, f"other {number}") for number in range(len(readers))]
            assert eventually(lambda: len(runtime._readers._waiting) == 1)
            (left,) = runtime._readers._waiting
            assert left.job is not None
            runtime.release(left.job)
            futures = {"ours": ours, **{f"other {number}": future for number, future in enumerate(others)}}
            with pytest.raises(WorkerUnavailable):
                futures.pop(left.job).result(60)
        finally:
            for pid in readers:
                os.kill(pid, signal.SIGCONT)
        assert all(future.result(60).cursor.index == 1 for future in futures.values())
        assert run(left.job).cursor.index == 1
