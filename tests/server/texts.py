# SPDX-License-Identifier: Apache-2.0
"""Text work in memory: stages that wait, are done in a thread, and end as the test says."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace

from tests.server.stages import MemoryStages

from harken.errors import HarkenError, JobCancelled
from harken.model import JobState, Stage, Transcript, task_from
from harken.text.provider import Watch
from harken.text.providers import Providers


class MemoryTexts:
    """Does the stages of text work that are given to it, unless they are held."""

    def __init__(self, stages: MemoryStages, failure: Callable[[], HarkenError | None]) -> None:
        self.held = threading.Event()
        """Set: stages wait, half done, until it is cleared."""
        self.done: list[str] = []
        """Ids of the stages that were worked on to their end."""
        self._stages = stages
        self._failure = failure
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def begin(self, stage: Stage, transcript: Transcript) -> None:
        self._stages.kept[stage.id] = stage
        thread = threading.Thread(target=self._work, args=(stage, transcript), daemon=True)
        self._threads.append(thread)
        thread.start()

    def close(self, patience: float) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(patience)

    def _work(self, stage: Stage, transcript: Transcript) -> None:
        self._put(replace(stage, state=JobState.PROCESSING, started=time.time(), progress=0.5))
        while self.held.is_set() and not self._cancelled(stage.id):
            if self._stopping.wait(0.01):
                return
        try:
            failure = self._failure()
            if failure is not None:
                raise failure
            watch = Watch(lambda: self._cancelled(stage.id))
            watch.check()
            result = Providers().write(transcript, task_from(stage.kind, stage.options), watch)
            ended = replace(stage, state=JobState.COMPLETED, progress=1.0, result=result)
        except JobCancelled:
            ended = replace(stage, state=JobState.CANCELLED)
        except HarkenError as error:
            ended = replace(stage, state=JobState.FAILED, error_code=error.code, error_message=error.message)
        if self._put(replace(ended, started=stage.created, ended=time.time())):
            self.done.append(stage.id)

    def _cancelled(self, stage_id: str) -> bool:
        stage = self._stages.kept.get(stage_id)
        return stage is None or stage.cancel_requested

    def _put(self, stage: Stage) -> bool:
        """Keep it, unless it is gone or has ended."""
        kept = self._stages.kept.get(stage.id)
        if kept is None or kept.state.ended:
            return False
        self._stages.kept[stage.id] = replace(stage, cancel_requested=kept.cancel_requested)
        return True
