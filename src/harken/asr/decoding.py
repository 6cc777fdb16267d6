# SPDX-License-Identifier: Apache-2.0
"""Whisper on CTranslate2: the only module that touches its types. Features in, hypotheses out.

Knows prompts and searches, but no windows, no times of a recording and no rules about what to keep.
"""

from __future__ import annotations

import json
import threading
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np

from harken.asr.features import FRAMES_PER_SECOND, Features, log_mel
from harken.asr.quality import Hypothesis
from harken.errors import ModelUnavailable

_SEEDING = threading.Lock()

TOKENS_PER_SECOND = 25.0
"""More than anyone says; a search that goes on longer is caught in a loop."""

LATEST_START = 1.0
"""Seconds into the input at which the first text starts at the latest, as in Whisper's own decoding."""

LONGEST_SEQUENCE = 448
"""Positions of Whisper's decoder, prompt included."""

BEAMS = 20
"""Beams that are searched at once, in all clips together: each remembers its text, with Whisper base up to 11 MB."""


@dataclass(frozen=True, slots=True)
class Search:
    """How to look for the text: ``temperature`` 0 is a beam search (greedy at 1), over 0 samples ``candidates``."""

    beam_size: int = 1
    patience: float = 1.0
    temperature: float = 0.0
    candidates: int = 1


@dataclass(frozen=True, slots=True)
class Alignment:
    """Where each text token was heard, in seconds from the input's start."""

    starts: tuple[float, ...]
    """One more than there are tokens: the last is where the last token ends."""
    probabilities: tuple[float, ...]


class Encoded:
    """A batch that the encoder has heard. Rows can be taken out for another search."""

    def __init__(self, view: Any, frames: int) -> None:
        self.view = view
        self.frames = frames

    def __len__(self) -> int:
        return int(self.view.shape[0])

    @property
    def seconds(self) -> float:
        """Length of each clip with its silence."""
        return self.frames / FRAMES_PER_SECOND

    def rows(self, rows: Sequence[int]) -> Encoded:
        """Some of the batch, in that order."""
        if list(rows) == list(range(self.view.shape[0])):
            return self
        taken = np.ascontiguousarray(np.asarray(self.view)[list(rows)])
        return Encoded(ctranslate2.StorageView.from_array(taken), self.frames)


class Decoder:
    """One loaded model."""

    def __init__(
        self,
        folder: Path,
        *,
        device: str,
        compute_type: str,
        threads: int,
        on_step: Callable[[], None],
    ) -> None:
        """``on_step`` is called whenever CTranslate2 has come back."""
        for name in ("model.bin", "config.json"):
            if not (folder / name).is_file():
                raise ModelUnavailable(f"{folder.name} has no {name}; fetch the model again")
        if device == "auto":
            device = "cuda" if ctranslate2.get_cuda_device_count() else "cpu"
        if compute_type == "default" and device == "cpu":
            compute_type = "int8"
        self._load: Callable[[], Any] = partial(
            ctranslate2.models.Whisper, str(folder), device=device, compute_type=compute_type, intra_threads=threads
        )
        self._on_step = on_step
        self._model: Any = None
        self._has_sampled = False
        self._on_cpu = device == "cpu"
        self.multilingual: bool = self._loaded().is_multilingual
        self.n_mels: int = self._loaded().n_mels
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self._suppressed: list[int] = sorted(set(config.get("suppress_ids") or ()))

    def close(self) -> None:
        """Free the weights; whatever is asked next loads them again."""
        self._model = None

    def _loaded(self) -> Any:
        if self._model is None:
            self._model = self._load()
            self._on_step()
        return self._model

    def encode(self, audio: Sequence[np.ndarray], seconds: float) -> Encoded:
        """Hear clips of at most ``seconds`` as one batch, each filled up with silence.

        On a CPU one after the other: what lies between the encoder's layers then stays in the cache, which makes it
        up to 1.7 times as fast as a batch of 8.
        """
        frames = round(seconds * FRAMES_PER_SECOND)
        features: Features = np.stack([log_mel(samples, self.n_mels, frames) for samples in audio])
        if self._on_cpu:
            heard = [np.asarray(self._encode(features[row : row + 1])) for row in range(len(features))]
            view = ctranslate2.StorageView.from_array(np.concatenate(heard))
        else:
            view = self._encode(features)
        return Encoded(view, frames)

    def _encode(self, features: Features) -> Any:
        view = ctranslate2.StorageView.from_array(features)
        heard = self._loaded().encode(view, to_cpu=not self._on_cpu)
        self._on_step()
        return heard

    def languages(self, encoded: Encoded) -> list[dict[str, float]]:
        """For each clip of the batch, the probability of every language, most likely first."""
        found = self._loaded().detect_language(encoded.view)
        self._on_step()
        return [{token.strip("<|>"): float(probability) for token, probability in row} for row in found]

    def search(self, encoded: Encoded, prompts: Sequence[Sequence[int]], search: Search) -> list[Hypothesis]:
        """The best text of each clip, as tokens without the prompt. Prompts are of one length."""
        prompt_length = len(prompts[0])
        longest = prompt_length + 16 + round(encoded.seconds * TOKENS_PER_SECOND)
        settings: dict[str, Any] = {
            "max_length": min(LONGEST_SEQUENCE, longest),
            "return_scores": True,
            "return_no_speech_prob": True,
            "suppress_tokens": self._suppressed,
            "max_initial_timestamp_index": round(LATEST_START / 0.02),
        }
        if search.temperature == 0:
            together = max(1, BEAMS // search.beam_size)
            found = []
            for at in range(0, len(prompts), together):
                rows = range(len(prompts))[at : at + together]
                found += self._loaded().generate(
                    encoded.rows(rows).view,
                    [list(prompts[row]) for row in rows],
                    beam_size=search.beam_size,
                    patience=search.patience,
                    **settings,
                )
                self._on_step()
            return [_hypothesis(result, 0.0) for result in found]
        return [self._sample(encoded.rows([row]), list(prompt), search, settings) for row, prompt in enumerate(prompts)]

    def _sample(self, encoded: Encoded, prompt: list[int], search: Search, settings: dict[str, Any]) -> Hypothesis:
        """Sample one clip, the same each time for the same clip.

        CTranslate2 seeds its generator once in the life of a model's thread, when it first samples: a repeatable sample
        takes a model that has not sampled yet.
        """
        with _SEEDING:
            if self._has_sampled:
                self._model = None  # freed before the next is loaded: two would be the most memory that a worker takes
                self._has_sampled = False
            model = self._loaded()
            self._has_sampled = True
            ctranslate2.set_random_seed(zlib.crc32(np.asarray(encoded.view).tobytes()))
            (result,) = model.generate(
                encoded.view,
                [prompt],
                beam_size=1,
                num_hypotheses=search.candidates,
                sampling_topk=0,
                sampling_temperature=search.temperature,
                **settings,
            )
        self._on_step()
        return _hypothesis(result, search.temperature)

    def align(self, encoded: Encoded, row: int, start: Sequence[int], text: Sequence[int], seconds: float) -> Alignment:
        """When each token of one clip's text was heard, by dynamic time warping over the cross attention.

        Clips are aligned alone: CTranslate2 pads the texts of a batch, and then times depend on the longest.

        Args:
            encoded: the batch that holds the clip.
            row: which one it is.
            start: the start sequence.
            text: text tokens, not empty.
            seconds: length of the clip; what comes after is not looked at.
        """
        frames = max(2, round(seconds * FRAMES_PER_SECOND))
        (found,) = self._loaded().align(encoded.rows([row]).view, list(start), [list(text)], frames)
        self._on_step()
        return _alignment(found, len(text))


def _hypothesis(result: Any, temperature: float) -> Hypothesis:
    tokens = tuple(result.sequences_ids[0])
    # The score is the mean over the tokens; Whisper's thresholds count the end token too.
    average = result.scores[0] * len(tokens) / (len(tokens) + 1) if tokens else result.scores[0]
    return Hypothesis(tokens, float(average), float(result.no_speech_prob), temperature)


def _alignment(result: Any, length: int) -> Alignment:
    pairs = np.asarray(result.alignments, dtype=np.int64).reshape(-1, 2)
    starts = [0.0] * (length + 1)
    seen = -1
    for token, frame in pairs:
        if token > seen:
            for index in range(seen + 1, min(int(token), length) + 1):
                starts[index] = float(frame) * 0.02
            seen = int(token)
    last = float(pairs[-1, 1]) * 0.02 if len(pairs) else 0.0
    for index in range(seen + 1, length + 1):
        starts[index] = last
    return Alignment(tuple(starts), tuple(float(value) for value in result.text_token_probs))
