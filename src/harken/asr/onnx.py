# SPDX-License-Identifier: Apache-2.0
"""The second engine: CTC and transducer models (NeMo, GigaAM, Kaldi, T-One) on ONNX Runtime, through ``onnx-asr``.

These families hear one or a few languages, write what they hear word by word, and know no prompt, no translation and no
search to widen: such options are refused by name. Knows no media, no batching policy and no other engine.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harken.asr.engine import Context, WindowAudio, heard_seconds
from harken.errors import InvalidOption, MissingExtra, ModelCorrupt, ModelUnavailable
from harken.model import SAMPLE_RATE, Options, Segment, Window, WindowResult, Word

if TYPE_CHECKING:
    from onnx_asr.asr import TimestampedResult

SENTENCE_END = (".", "?", "!", "\u3002", "\uff1f", "\uff01")
"""Western and East Asian."""
PAUSE = 0.6
"""Seconds without a word that end a segment."""
LAST_TOKEN = 0.24
"""Seconds a word sounds after its last token: these models say when a token begins, not when it ends."""
SHORTEST = SAMPLE_RATE // 10
"""Samples that a model is given at least: features are normalised over time and need a few frames."""

_FAMILIES = ("nemo-conformer-ctc", "nemo-conformer-rnnt", "nemo-conformer-tdt", "kaldi-rnnt", "vosk", "t-one-ctc")
_FAMILY_PREFIX = "gigaam-"

_REFUSED: dict[str, tuple[Any, ...]] = {
    "task": ("transcribe",),
    "languages": ((),),
    "prompt": (None, ""),
    "vocabulary": ((),),
    "condition_on_previous_text": (False,),
    "beam_size": (None, 1),
    "best_of": (None, 1),
    "temperature": (None, 0.0),
}
"""What each option may be; anything else asks for something these families do not have."""


class OnnxRecognizer:
    """A model folder that ``onnx-asr`` can read. Its ``config.json`` names the ``model_type``.

    ``config.json`` may also list the ISO 639-1 codes of what the model was trained on as ``languages``; then a request
    for another one is refused, and the only one of a list is what the transcript says.
    """

    def __init__(self, folder: Path, *, threads: int = 1) -> None:
        """Load the model.

        Raises:
            MissingExtra: onnx-asr is not installed.
            ModelUnavailable: the folder holds no model of these families.
            ModelCorrupt: ONNX Runtime cannot read its files.
        """
        try:
            import onnx_asr  # noqa: PLC0415 - an extra; only who uses this engine needs it
            import onnxruntime  # noqa: PLC0415
        except ImportError as error:
            raise MissingExtra("this model needs onnx-asr: pip install 'harken[onnx]'") from error
        config = _config(folder)
        family = str(config.get("model_type"))
        if family not in _FAMILIES and not family.startswith(_FAMILY_PREFIX):
            raise ModelUnavailable(
                f"{folder.name}: its config.json says model_type {family!r}; this engine runs {', '.join(_FAMILIES)} "
                f"and {_FAMILY_PREFIX}*"
            )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        try:
            model = onnx_asr.load_model(family, folder, sess_options=options)
        except (FileNotFoundError, OSError) as error:
            raise ModelUnavailable(f"{folder.name} is not a whole {family} model: {error}") from error
        except Exception as error:
            # ONNX Runtime's errors share no base class below Exception.
            raise ModelCorrupt(f"{folder.name}: ONNX Runtime cannot load it: {error}") from error
        self._name = f"onnx-asr {folder.name}"
        self._languages: tuple[str, ...] = tuple(config.get("languages", ()))
        self._model = model.with_timestamps()

    @property
    def name(self) -> str:
        """The engine and the folder's model, for people."""
        return self._name

    def recognise(self, windows: Sequence[WindowAudio], options: Options, context: Context) -> list[WindowResult]:
        """What was said in each window, in the same order. These families know nothing of ``context``.

        Raises:
            InvalidOption: the option named in ``param`` is not one that the model has.
        """
        del context
        language = self._language(options)
        return [
            _result(item.window, heard, language, options)
            for item, heard in zip(windows, self._hear(windows), strict=True)
        ]

    def close(self) -> None:
        """Give the model's memory back."""
        del self._model

    def _language(self, options: Options) -> str | None:
        for name, allowed in _REFUSED.items():
            if getattr(options, name) not in allowed:
                raise InvalidOption(f"{self._name} has no {name.replace('_', ' ')} to set", param=name)
        if options.language is None:
            return self._languages[0] if len(self._languages) == 1 else None
        if options.language not in self._languages:
            known = f"hears {', '.join(self._languages)} only" if self._languages else "cannot be told a language"
            raise InvalidOption(f"{self._name} {known}", param="language")
        return options.language

    def _hear(self, windows: Sequence[WindowAudio]) -> Iterator[TimestampedResult]:
        if not windows:
            return iter(())
        # Every window of a batch key is padded to the same length, whatever stands beside it, so a text cannot depend
        # on its batch; that is why the arrays are made here and not by the adapter, which pads to the longest.
        length = max(math.ceil(heard_seconds(item.window) * SAMPLE_RATE) for item in windows)
        audio = np.zeros((len(windows), max(length, *(len(item.samples) for item in windows))), dtype=np.float32)
        for row, item in zip(audio, windows, strict=True):
            row[: len(item.samples)] = item.samples
        lengths = np.array([max(len(item.samples), SHORTEST) for item in windows], dtype=np.int64)
        audio, lengths = self._model.resampler(audio, lengths, 16_000)
        results: Iterator[TimestampedResult] = self._model.asr.recognize_batch(audio, lengths, need_logprobs="yes")
        return results


def _config(folder: Path) -> dict[str, Any]:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelUnavailable(f"{folder.name} has no config.json that names its model_type") from error
    except ValueError as error:
        raise ModelCorrupt(f"{folder.name}: its config.json is not JSON: {error}") from error
    if not isinstance(config, dict):
        raise ModelCorrupt(f"{folder.name}: its config.json is not a JSON object")
    return config


def _result(window: Window, heard: TimestampedResult, language: str | None, options: Options) -> WindowResult:
    words = _words(window, heard)
    if not words:
        return WindowResult(window, language=language)
    runs = [words] if options.without_timestamps else list(_runs(words))
    logprobs = heard.logprobs or [0.0]
    text = heard.text.encode()
    segments = tuple(
        Segment(
            start=window.start if options.without_timestamps else run[0].start,
            end=window.end if options.without_timestamps else run[-1].end,
            text="".join(word.text for word in run),
            words=tuple(run) if options.timed_words else (),
            avg_logprob=sum(logprobs) / len(logprobs),
            compression_ratio=len(text) / len(zlib.compress(text)),
            language=language,
            channel=window.channel,
        )
        for run in runs
    )
    return WindowResult(window, segments, language=language)


def _words(window: Window, heard: TimestampedResult) -> list[Word]:
    """Tokens joined into words at the blanks before them, inside the window and never running backwards."""
    tokens = heard.tokens or []
    times = heard.timestamps or [0.0] * len(tokens)
    logprobs = heard.logprobs or [0.0] * len(tokens)
    groups: list[list[int]] = []
    for index, token in enumerate(tokens):
        if token.startswith(" ") or not groups:
            groups.append([])
        groups[-1].append(index)
    groups = [group for group in groups if "".join(tokens[index] for index in group).strip()]
    words = []
    begins = [min(window.start + times[group[0]], window.end) for group in groups]
    for group, start, limit in zip(groups, begins, [*begins[1:], window.end], strict=False):
        end = min(window.start + times[group[-1]] + LAST_TOKEN, limit)
        text = "".join(tokens[index] for index in group).strip()
        mean = sum(logprobs[index] for index in group) / len(group)
        words.append(Word(start, max(start, end), f" {text}", min(1.0, math.exp(mean))))
    return words


def _runs(words: Sequence[Word]) -> Iterator[list[Word]]:
    """Words cut into segments after a sentence and at a pause."""
    run: list[Word] = []
    for word in words:
        if run and (word.start - run[-1].end >= PAUSE or run[-1].text.endswith(SENTENCE_END)):
            yield run
            run = []
        run.append(word)
    yield run
