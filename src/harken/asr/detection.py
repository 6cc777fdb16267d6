# SPDX-License-Identifier: Apache-2.0
"""Which language a window is in: what the model hears in it, weighed against what the recording was so far.

Whisper hears Welsh or Norwegian in short, noisy English. A window alone therefore changes a recording's language only
when it is sure; where neither it nor the recording says enough, the candidates are tried and their texts compared.
Pure functions; knows no engine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

UNHEARD = 0.05
"""Weight of a language that the recording has not had so far, where one that it was all in has 1."""

SURE = 0.8
"""Probability from which on a language is taken without trying others."""

PLAUSIBLE = 0.1
"""Probability below which a language is not tried."""

CANDIDATES = 3
"""Languages that are tried at most."""


def among(heard: Mapping[str, float], allowed: Sequence[str]) -> dict[str, float]:
    """The probabilities of the languages that it can be; of all where nobody said. Their sum stays below 1."""
    return {code: probability for code, probability in heard.items() if not allowed or code in allowed}


def weigh(heard: Mapping[str, float], shares: Sequence[tuple[str, float]]) -> dict[str, float]:
    """Probabilities of a window's language given the recording, most likely first.

    Args:
        heard: the model's own probabilities.
        shares: how much of the recording so far was in each language; the sum is below 1 while little is known.
    """
    known = dict(shares)
    open_ = max(0.0, 1.0 - sum(known.values()))
    weighed = {
        code: probability * (UNHEARD + (1 - UNHEARD) * min(1.0, known.get(code, 0.0) + open_))
        for code, probability in heard.items()
    }
    total = sum(weighed.values()) or 1.0
    return dict(
        sorted(((code, value / total) for code, value in weighed.items()), key=lambda item: (-item[1], item[0]))
    )


def candidates(weighed: Mapping[str, float]) -> list[str]:
    """Languages worth trying, the likeliest first; only that one where it is sure."""
    ranked = list(weighed.items())
    if ranked[0][1] >= SURE:
        return [ranked[0][0]]
    return [ranked[0][0], *(code for code, probability in ranked[1:CANDIDATES] if probability >= PLAUSIBLE)]
