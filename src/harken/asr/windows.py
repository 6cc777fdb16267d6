# SPDX-License-Identifier: Apache-2.0
"""Where a recording is cut: windows of speech that are recognised as one piece each.

Speech is packed into windows from the left. A window ends at the best pause it can reach: long pauses are better (they
are where sentences end), and so are full windows (a recogniser needs what was said around a word). Where nobody
pauses, the cut is at the frame that is least like speech. The choice looks at nothing before the window's start and
nothing later than :attr:`WindowParams.reach` after it, so planning can start anew at any window's end and agrees.

Knows no samples and no recogniser: positions are frames of :data:`harken.audio.vad.FRAME` samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from harken.audio.vad import FRAME
from harken.model import SAMPLE_RATE, Window

Samples = npt.NDArray[np.float32]
Span = tuple[int, int]
"""``[start, end)`` in frames."""


@dataclass(frozen=True, slots=True)
class WindowParams:
    """How windows are cut. Seconds."""

    longest: float = 29.0
    """No window is longer; a second under Whisper's 30, which it needs as a margin after the last word."""
    shortest: float = 12.0
    """A pause before this is only taken when there is none behind it, or when it is long."""
    split: float = 3.0
    """A pause this long always ends a window."""
    telling: float = 1.0
    """Pauses are not told apart beyond this."""
    fullness: float = 0.5
    """What a full window is worth, where the longest telling pause is worth 1."""
    pad: float = 0.4
    """Silence that is kept around speech, for soft beginnings and ends."""
    search: float = 8.0
    """Where nobody pauses, the cut is sought this far back from the longest window's end."""

    opening: float = 10.0
    """The first window of a long recording is no longer than this, so that its words come soon."""

    longest_of_long: float = 19.0
    """The same in a long recording: with the margin 20 s, heard for half the work per second that 30 s cost.

    Word errors on long readings are the same within chance; in short recordings the words around one count for more.
    """
    shortest_of_long: float = 8.0

    @property
    def of_long(self) -> WindowParams:
        """How a long recording is cut."""
        longest = min(self.longest_of_long, self.longest)
        return replace(self, longest=longest, shortest=min(self.shortest_of_long, self.shortest))

    @property
    def first(self) -> WindowParams:
        """How the first window of a long recording is cut."""
        longest = min(self.opening, self.longest)
        scale = longest / self.longest
        return replace(self, longest=longest, shortest=self.shortest * scale, search=self.search * scale)

    @property
    def reach(self) -> float:
        """How far after its start a window's cut may depend on what is heard."""
        return self.longest + max(self.telling, self.pad)


@dataclass(frozen=True, slots=True)
class PlannedWindow:
    """A window and exactly its samples."""

    window: Window
    samples: Samples
    """Mono float32 at 16 kHz, ``window.duration`` seconds."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What is known of the sound so far, from the frame where planning started."""

    spans: Sequence[Span]
    """Finished spans of speech."""
    open: int | None
    """Where speech began that goes on at the end of what is known."""
    loudness: Samples
    """Per frame, how little it suits a cut: speech probability, or energy without speech detection."""
    final: bool
    """Whether the recording ends here."""

    @property
    def known(self) -> int:
        """Frames."""
        return len(self.loudness)


def next_window(heard: Heard, start: int, params: WindowParams) -> Span | None:
    """The first window at or after the frame ``start``, or None: more must be heard first, or no speech is left."""
    spans = [span for span in heard.spans if span[1] > start]
    if heard.open is not None:
        spans.append((heard.open, heard.known))
    if not spans:
        return None
    pad, longest = _frames(params.pad), _frames(params.longest)
    begin = max(start, spans[0][0] - pad)
    limit = begin + longest
    complete = heard.final or heard.known >= begin + _frames(params.reach)
    pauses = _pauses(spans, heard)
    for end, until in pauses:
        if end > limit:
            break
        if until - end >= _frames(params.split):
            return begin, _padded(end, until, pad, limit)
    if not complete:
        return None
    if heard.final and spans[-1][1] <= limit:
        return begin, min(spans[-1][1] + pad, limit, heard.known)
    reachable = [(end, until) for end, until in pauses if begin < end <= limit]
    if reachable:
        end, until = max(reachable, key=lambda pause: (_worth(pause, begin, params), pause[0]))
        return begin, _padded(end, until, pad, limit)
    return begin, quietest(heard.loudness, max(begin, limit - _frames(params.search)), limit)


def quietest(loudness: Samples, low: int, high: int) -> int:
    """The frame in ``(low, high]`` around which it is quietest over 5 frames (160 ms); the latest of equals."""
    high = min(high, len(loudness))
    low = max(low + 1, 1)
    smooth = np.convolve(loudness[max(0, low - 2) : high + 2], np.ones(5, np.float32) / 5, mode="same")
    part = smooth[low - max(0, low - 2) :][: high - low + 1]
    return low + len(part) - 1 - int(np.argmin(part[::-1]))


def _pauses(spans: Sequence[Span], heard: Heard) -> list[Span]:
    """The silence after each span, as far as it is known."""
    starts = [span[0] for span in spans[1:]]
    if heard.open is None:
        starts.append(heard.known)
    return [(span[1], until) for span, until in zip(spans, starts, strict=False)]


def _worth(pause: Span, begin: int, params: WindowParams) -> float:
    end, until = pause
    telling, longest, shortest = _frames(params.telling), _frames(params.longest), _frames(params.shortest)
    worth = min(until - end, telling) / telling + params.fullness * (end - begin) / longest
    return worth if end - begin >= shortest else worth - 1.0 - params.fullness


def _padded(end: int, until: int, pad: int, limit: int) -> int:
    """The end of a window whose speech ends at ``end``: half the pause at most belongs to it."""
    return min(end + pad, (end + until) // 2, limit)


def _frames(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE / FRAME)
