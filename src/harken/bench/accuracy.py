# SPDX-License-Identifier: Apache-2.0
"""Word errors of harken beside faster-whisper's on a labelled corpus, and the gate between them.

The default mode ships only when it passes: no set worse by more than 0.3 points or 2 words, whichever is larger;
overall not worse; silent on every recording without speech where the baseline is, and fewer invented words. Knows
engines only as something that hears a file.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from harken.bench.corpus import Item
from harken.bench.engines import Engine, Heard
from harken.bench.scoring import Score, differences, invented, score
from harken.errors import HarkenError

POINTS = 0.3
"""Percentage points that a set may be worse by, where that is more than ``WORDS``."""

WORDS = 2
"""Words that a set may be worse by, where that is more than ``POINTS``: small sets move by whole words."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One recording as both engines heard it; ``baseline`` is None when only harken was measured."""

    item: Item
    ours: Heard
    baseline: Heard | None


@dataclass(frozen=True, slots=True)
class SetResult:
    """One set's counts. Recordings without speech count in ``invented_*`` and nowhere else."""

    name: str
    files: int
    ours: Score
    baseline: Score | None
    invented_ours: int = 0
    invented_baseline: int | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the gate and whether it holds."""

    name: str
    ok: bool
    detail: str


def listen(
    items: Iterable[Item],
    ours: Engine,
    baseline: Engine | None,
    *,
    languages: bool = False,
    progress: Callable[[Item], None] = lambda _: None,
) -> list[Pair]:
    """Let both engines hear every item.

    Args:
        items: what to hear.
        ours: harken.
        baseline: what it is compared with, or None.
        languages: tell the engines the manifest's language instead of having it detected.
        progress: called before each item.
    """
    pairs = []
    for item in items:
        progress(item)
        language = item.language if languages else None
        pairs.append(
            Pair(item, _hear(ours, item, language), None if baseline is None else _hear(baseline, item, language))
        )
    return pairs


def summarise(pairs: Iterable[Pair]) -> list[SetResult]:
    """Counts per set, sets in order; recordings without speech in a row of their own."""
    groups = itertools.groupby(
        sorted(pairs, key=lambda pair: (pair.item.set, not pair.item.spoken)),
        key=lambda pair: (pair.item.set, pair.item.spoken),
    )
    return [_summary(name, spoken, list(group)) for (name, spoken), group in groups]


def total(results: Iterable[SetResult]) -> SetResult:
    """All sets together."""
    results = list(results)
    scores = [result.baseline for result in results if result.baseline is not None]
    invented_baseline = [result.invented_baseline for result in results if result.invented_baseline is not None]
    return SetResult(
        "overall",
        sum(result.files for result in results),
        sum((result.ours for result in results), Score()),
        sum(scores, Score()) if scores else None,
        sum(result.invented_ours for result in results),
        sum(invented_baseline) if invented_baseline else None,
    )


def gate(pairs: Sequence[Pair], hearings: int = 1) -> list[Rule]:
    """Every rule, judged on pairs that have a baseline.

    Args:
        pairs: what both engines heard.
        hearings: how many pairs there are of each recording; a set is judged by its mean over them.
    """
    pairs = [pair for pair in pairs if pair.baseline is not None]
    results = summarise(pairs)
    rules = [_set_rule(result, hearings) for result in results if result.ours.words]
    whole = total(results)
    if whole.baseline is not None and whole.ours.words:
        detail = f"{whole.ours.errors} errors against {whole.baseline.errors} in {whole.ours.words} words"
        rules.append(Rule("overall not worse", whole.ours.errors <= whole.baseline.errors, detail))
    silent = [pair for pair in pairs if not pair.item.spoken]
    if silent:
        loud = [pair.item.name for pair in silent if pair.ours.text and pair.baseline and not pair.baseline.text]
        rules.append(Rule("silent where the baseline is", not loud, ", ".join(loud) or f"{len(silent)} recordings"))
        ours, theirs = whole.invented_ours, whole.invented_baseline or 0
        rules.append(Rule("fewer invented words", ours < theirs or ours == theirs == 0, f"{ours} against {theirs}"))
    return rules


def differing(pair: Pair) -> tuple[list[str], list[str]]:
    """What each engine heard wrongly in one recording: harken's, then the baseline's."""
    item = pair.item
    baseline = differences(item.text, pair.baseline.text, item.language) if pair.baseline is not None else []
    return differences(item.text, pair.ours.text, item.language), baseline


def _hear(engine: Engine, item: Item, language: str | None) -> Heard:
    try:
        return engine.hear(item.path, language)
    except HarkenError as error:
        return Heard("", None, error.message)


def _summary(name: str, spoken: bool, pairs: list[Pair]) -> SetResult:
    heard = [(pair.item, pair.ours, pair.baseline) for pair in pairs]
    if not spoken:
        texts = [baseline.text for _, _, baseline in heard if baseline is not None]
        return SetResult(
            name,
            len(pairs),
            Score(),
            None,
            sum(invented(ours.text) for _, ours, _ in heard),
            sum(map(invented, texts)) if texts else None,
        )
    scores = [score(item.text, base.text, item.language) for item, _, base in heard if base is not None]
    ours = sum((score(item.text, ours.text, item.language) for item, ours, _ in heard), Score())
    return SetResult(name, len(pairs), ours, sum(scores, Score()) if scores else None)


def _set_rule(result: SetResult, hearings: int) -> Rule:
    baseline = result.baseline or Score()
    allowed = max(POINTS / 100 * result.ours.words / hearings, WORDS)
    worse = (result.ours.errors - baseline.errors) / hearings
    places = 2 if hearings > 1 else 0
    return Rule(f"set {result.name}", worse <= allowed, f"{worse:+.{places}f} words, {allowed:.1f} allowed")
