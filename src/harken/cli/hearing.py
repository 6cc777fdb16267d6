# SPDX-License-Identifier: Apache-2.0
"""Recognition in a thread of its own: native code does not hear Ctrl-C, and the main thread must."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from harken.library import AudioSource, LoadedModel
from harken.model import Options, Transcript, WindowResult, plain


def hear(
    model: LoadedModel,
    source: AudioSource,
    options: Options,
    on_window: Callable[[WindowResult, float | None], None],
) -> Transcript:
    """The transcript of a recording; ``on_window`` is called in the thread that waits.

    Raises what :meth:`harken.library.LoadedModel.transcribe` raises. When it is left by another error the work is left
    too: the process should end then, and at once.
    """
    told: queue.SimpleQueue[tuple[WindowResult, float | None] | Transcript | BaseException] = queue.SimpleQueue()
    given = {name: getattr(options, name) for name in plain(options) if name not in _OF_THE_MODEL}

    def work() -> None:
        try:
            told.put(model.transcribe(source, on_window=lambda *news: told.put(news), **given))
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that asked
            told.put(error)

    threading.Thread(target=work, name="recognition", daemon=True).start()
    while True:
        news = told.get()
        if isinstance(news, Transcript):
            return news
        if isinstance(news, BaseException):
            raise news
        on_window(*news)


_OF_THE_MODEL = frozenset({"model", "cpu_threads", "num_workers"})
"""Options that were settled when the model was loaded."""
