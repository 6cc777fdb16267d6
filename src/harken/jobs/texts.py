# SPDX-License-Identifier: Apache-2.0
"""The stages that make a text of what was said: a summary, notes, an answer. Knows no provider, only who writes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harken.jobs.hands import Hands
from harken.model import Job, Stage, StageKind, TextResult, plain, task_from
from harken.ports import Store, Writer
from harken.text.provider import Watch


class TextStage:
    """The :class:`~harken.jobs.stages.StageWork` of one kind of text work."""

    def __init__(self, hands: Hands, store: Store, writer: Writer, kind: StageKind) -> None:
        self._hands = hands
        self._store = store
        self._writer = writer
        self._kind = kind

    def options(self, job: Job) -> dict[str, Any] | None:
        """See :class:`~harken.jobs.stages.StageWork`. Nobody asks a question of a recording that is not there yet."""
        asked = {StageKind.SUMMARISE: job.options.summary, StageKind.FORMAT: job.options.formatting}.get(self._kind)
        return None if asked is None else dict(plain(asked))

    def do(
        self, stage: Stage, job: Job, on_progress: Callable[[float], None], cancelled: Callable[[], bool]
    ) -> TextResult:
        """See :class:`~harken.jobs.stages.StageWork`."""
        transcript = self._hands.patiently(self._store.transcript, job.id)
        if transcript is None:
            raise RuntimeError(f"job {job.id} has no transcript")
        return self._writer.write(transcript, task_from(stage.kind, stage.options), Watch(cancelled, on_progress))
