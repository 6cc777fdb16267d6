# SPDX-License-Identifier: Apache-2.0
"""How many speak in a recording, and what their voices are: from the embeddings of its pieces.

Tight groups of pieces are made first, by average linkage. Groups are then merged while they are more alike than two
voices are; but two groups with much speech in each are held to more, because what voices have in common hangs on the
microphone (a telephone makes all of them alike): theirs must be near to what each has in common with itself. Groups
that lie between two larger ones are pieces in which both were heard, and no speaker. Knows no time: pieces are rows,
with a weight that says how much speech each holds.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from harken.diarize.clustering import Labels, Vectors, centroids, link, numbered, tight_groups, unit

MOST = 32
"""Speakers that are told apart at most."""

_TIGHT = 0.5
"""Mean cosine that makes a group to begin with."""
_ALIKE = 0.25
"""Mean cosine from which two groups are one speaker. Two voices have less on one microphone, but for telephones."""
_MUCH = 8.0
"""Seconds in a group that is held to more; overlapping pieces count twice."""
_MUCH_SHARE, _MUCH_LEAST = 0.12, 3.0
"""The share of all speech that is enough in a short recording, and the seconds that it must be even there."""
_OWN = 0.56
"""The share of what such groups have in common with themselves from which they are one speaker."""
_SMALL = 2.0
"""Seconds under which a group is dissolved when another is near."""
_NEAR = 0.2
"""Cosine of such a group's voice to another's from which the other is near."""
_BETWEEN = 0.55
"""Cosine to a mixture of two larger groups' voices from which a group is nothing else."""
_LARGER = 3.0
"""How many times larger they are."""
_ROUNDS = 10


def find_speakers(
    vectors: Vectors,
    seconds: Vectors,
    *,
    num_speakers: int | None = None,
    min_speakers: int | None = None,
    max_speakers: int | None = None,
) -> Vectors:
    """The voices ``(speakers, d)`` as unit vectors, in no order that means anything.

    Args:
        vectors: Unit vectors of the pieces to learn from, in the order of time.
        seconds: How much speech of one voice each holds.
        num_speakers: How many there are, where that is known; the two bounds are then not looked at.
        min_speakers: How many there are at least; never more than there are pieces.
        max_speakers: How many there are at most.
    """
    if not len(vectors):
        return vectors
    low, high = min_speakers or 1, min(max_speakers or MOST, MOST)
    if num_speakers:
        low = high = min(num_speakers, MOST)
    groups = tight_groups(vectors)
    sizes = np.bincount(groups).astype(np.float32)
    tree = link(centroids(vectors, groups, np.ones_like(seconds), len(sizes)), sizes)
    labels = tree.cut(max(tree.clusters_at(_TIGHT), low))[groups]
    labels = _merged(vectors, seconds, labels, low)
    labels = _dissolved(vectors, seconds, labels, low)
    labels = _reduced(vectors, seconds, labels, high)
    return _refined(vectors, seconds, labels)


def _merged(vectors: Vectors, seconds: Vectors, labels: Labels, low: int) -> Labels:
    """Merge the most alike groups that may be merged, while there are more than ``low``."""
    count = int(labels.max()) + 1
    sizes = np.bincount(labels, minlength=count).astype(np.float32)
    spoken = np.bincount(labels, seconds, minlength=count)
    sums = centroids(vectors, labels, np.ones_like(seconds), count) * sizes[:, None]
    alike = sums @ sums.T / np.outer(sizes, sizes)
    np.fill_diagonal(alike, -np.inf)
    # Mean cosine of a group's members to each other, themselves left out.
    own = (np.square(sums).sum(axis=1) - sizes) / np.maximum(sizes * (sizes - 1), 1)
    enough = max(_MUCH_LEAST, min(_MUCH, _MUCH_SHARE * float(seconds.sum())))
    held = np.logical_and.outer(spoken >= enough, spoken >= enough)
    needed = np.where(held, np.maximum(_ALIKE, _OWN * np.add.outer(own, own) / 2), _ALIKE)
    names = np.arange(count)
    for _ in range(count - low):
        one, other = np.unravel_index(int(np.argmax(np.where(alike >= needed, alike, -np.inf))), alike.shape)
        if alike[one, other] < needed[one, other]:
            break
        for totals in (sums, sizes, spoken):
            totals[one] += totals[other]
            totals[other] = 0
        names[names == other] = one
        gone = sizes == 0
        alike[one] = np.where(gone, -np.inf, sums @ sums[one] / np.maximum(sizes * sizes[one], 1))
        alike[one, one] = alike[other] = -np.inf
        alike[:, one], alike[:, other] = alike[one], -np.inf
        own[one] = (np.square(sums[one]).sum() - sizes[one]) / (sizes[one] * (sizes[one] - 1))
        much = (spoken >= enough) & (spoken[one] >= enough)
        needed[one] = needed[:, one] = np.where(much, np.maximum(_ALIKE, _OWN * (own + own[one]) / 2), _ALIKE)
    return numbered(names[labels])


def _dissolved(vectors: Vectors, seconds: Vectors, labels: Labels, low: int) -> Labels:
    """Give away the pieces of groups that are no speakers, smallest first, while there are more than ``low``."""
    while (count := int(labels.max()) + 1) > low:
        spoken = np.bincount(labels, seconds, minlength=count)
        voices = unit(centroids(vectors, labels, seconds, count))
        near = voices @ voices.T
        np.fill_diagonal(near, -1)
        for gone in np.argsort(spoken, kind="stable").tolist():
            larger = np.flatnonzero(spoken >= _LARGER * spoken[gone])
            small = spoken[gone] < _SMALL and near[gone].max() >= _NEAR
            if small or _mixture(near[gone, larger], near[np.ix_(larger, larger)]) >= _BETWEEN:
                break
        else:
            break
        labels = _without(vectors, labels, voices, gone)
    return labels


def _mixture(near: Vectors, among: Vectors) -> float:
    """The best cosine of a voice to a mixture of one or two others, from the cosines ``near`` to them and ``among``."""
    best = float(near.max(initial=0.0))
    for one, other in combinations(np.argsort(-near, kind="stable")[:5].tolist(), 2):
        first, second, common = float(near[one]), float(near[other]), float(among[one, other])
        share = first - common * second, second - common * first
        if min(share) > 0 and common < 1:
            best = max(best, ((share[0] * first + share[1] * second) / (1 - common**2)) ** 0.5)
    return best


def _reduced(vectors: Vectors, seconds: Vectors, labels: Labels, high: int) -> Labels:
    """Merge what loses least by it (Ward 1963) while there are more than ``high``."""
    while (count := int(labels.max()) + 1) > high:
        spoken = np.maximum(np.bincount(labels, seconds, minlength=count), 1e-3)
        voices = unit(centroids(vectors, labels, seconds, count))
        loss = (1 - voices @ voices.T) * np.outer(spoken, spoken) / np.add.outer(spoken, spoken)
        np.fill_diagonal(loss, np.inf)
        one, other = np.unravel_index(int(np.argmin(loss)), loss.shape)
        labels = numbered(np.where(labels == other, one, labels))
    return labels


def _without(vectors: Vectors, labels: Labels, voices: Vectors, gone: int) -> Labels:
    """The labels after each piece of one group went to the nearest other."""
    members = np.flatnonzero(labels == gone)
    reach = vectors[members] @ voices.T
    reach[:, gone] = -np.inf
    labels = labels.copy()
    labels[members] = np.argmax(reach, axis=1)
    return numbered(labels)


def _refined(vectors: Vectors, seconds: Vectors, labels: Labels) -> Vectors:
    """The voices after each piece went to the nearest one, until none moves (spherical k-means)."""
    count = int(labels.max()) + 1
    voices = unit(centroids(vectors, labels, seconds, count))
    for _ in range(_ROUNDS):
        nearest = np.argmax(vectors @ voices.T, axis=1)
        if len(np.unique(nearest)) < count or np.array_equal(nearest, labels):
            break
        labels = nearest
        voices = unit(centroids(vectors, labels, seconds, count))
    return voices
