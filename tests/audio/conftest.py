# SPDX-License-Identifier: Apache-2.0
"""Recordings made on the spot, in whatever container, codec, rate and number of channels a test is about."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest

Sound = npt.NDArray[np.float32]
Make = Callable[..., Path]

LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 6: "5.1", 8: "7.1"}


@pytest.fixture
def make_media(tmp_path: Path) -> Make:
    """``make_media(name, sound, rate=..., codec=..., pictures=..., at=...)`` writes a file and gives its path.

    ``sound`` is ``(channels, samples)``; ``at(sample)`` gives the time stamp of the sample, in samples.
    """

    def make(
        name: str,
        sound: Sound | None,
        *,
        rate: int = 16_000,
        codec: str = "pcm_s16le",
        pictures: float = 0.0,
        at: Callable[[int], int] = lambda sample: sample,
        container: str | None = None,
    ) -> Path:
        path = tmp_path / name
        with av.open(str(path), "w", format=container) as output:
            streams: list[Any] = []
            if pictures:
                video = output.add_stream("mpeg4", rate=25)
                video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
                streams.append(video)
            if sound is not None:
                sound = np.atleast_2d(sound)
                audio: Any = output.add_stream(codec, rate=rate, layout=LAYOUTS[len(sound)])
                streams.append(audio)
            for number in range(round(pictures * 25)):
                frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), number % 255, np.uint8), format="rgb24")
                frame.pts = number
                output.mux(video.encode(frame))
            if sound is not None:
                for start in range(0, sound.shape[1], 1600):
                    part = np.ascontiguousarray(
                        (sound[:, start : start + 1600] * 32767).astype(np.int16).T.reshape(1, -1)
                    )
                    piece = av.AudioFrame.from_ndarray(part, format="s16", layout=LAYOUTS[len(sound)])
                    piece.sample_rate = rate
                    piece.pts, piece.time_base = at(start), Fraction(1, rate)
                    output.mux(audio.encode(piece))
            for stream in streams:
                output.mux(stream.encode(None))
        return path

    return make
