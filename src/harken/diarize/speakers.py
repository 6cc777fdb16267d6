# SPDX-License-Identifier: Apache-2.0
"""How many speak in a recording, and what their voices are: from the embeddings of its pieces.

Knows no time: pieces are rows, with a weight that says how far each can be trusted.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from harken.diarize.clustering import Labels, Vectors, centroids, link, numbered, tight_groups, unit

THRESHOLD = 0.25
"""Mean cosine from which two clusters are one speaker."""
_SMALL = 2.0
"""A cluster of less than this weight (seconds) is dissolved when another is near."""
_NEAR = 0.1
"""Cosine of a small cluster's centroid to another's from which the other is near."""
_ROUNDS = 10
MOST = 64
"""Speakers that are told apart at most."""


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
        min_speakers: How many there are at least.
        max_speakers: How many there are at most.
    """
    if not len(vectors):
        return vectors
    low, high = min_speakers or 1, max_speakers or MOST
    if num_speakers:
        low = high = num_speakers
    groups = tight_groups(vectors)
    leaves = int(groups.max()) + 1
    ones = np.bincount(groups, minlength=leaves).astype(np.float32)
    tree = link(centroids(vectors, groups, np.ones(len(vectors), np.float32), leaves), ones)
    count = tree.clusters_at(THRESHOLD)
    labels = tree.cut(count)[groups]
    labels = _dissolve(vectors, seconds, labels, low)
    count = int(labels.max()) + 1
    if not low <= count <= high:
        labels = tree.cut(min(max(count, low), high))[groups]
    return _refined(vectors, seconds, labels)


def _dissolve(vectors: Vectors, seconds: Vectors, labels: Labels, low: int) -> Labels:
    """Give the members of small clusters to the others, smallest first, while more than ``low`` are left."""
    while (count := int(labels.max()) + 1) > low:
        total = np.bincount(labels, seconds, minlength=count)
        voices = unit(centroids(vectors, labels, seconds, count))
        near = voices @ voices.T
        np.fill_diagonal(near, -1)
        small = np.flatnonzero((total < _SMALL) & (near.max(axis=1) >= _NEAR))
        if not len(small):
            break
        gone = int(small[np.argmin(total[small])])
        members = np.flatnonzero(labels == gone)
        reach = vectors[members] @ voices.T
        reach[:, gone] = -np.inf
        labels = labels.copy()
        labels[members] = np.argmax(reach, axis=1)
        labels = numbered(labels)
    return labels


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


def nearness(vectors: Vectors, voices: Vectors) -> npt.NDArray[np.float32]:
    """Cosine of each unit vector to each voice ``(n, speakers)``."""
    return np.asarray(vectors @ voices.T, np.float32)
