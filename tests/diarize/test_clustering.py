# SPDX-License-Identifier: Apache-2.0
"""Average linkage without a matrix, against the definition."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harken.diarize import clustering
from harken.diarize.clustering import Tree, Vectors, centroids, link, numbered, tight_groups, unit


def points(seed: int, count: int, dimensions: int = 16) -> Vectors:
    # Not 5: for that number of columns OpenBLAS 0.3.31 (its kernel for AVX-512) may raise the flag of an invalid
    # operation for what it found in a register and does not use. Voices have 192.
    return unit(np.random.default_rng(seed).normal(size=(count, dimensions)).astype(np.float32))


def tree_of(vectors: Vectors) -> Tree:
    return link(vectors, np.ones(len(vectors), np.float32))


def by_definition(vectors: Vectors) -> tuple[list[float], dict[int, set[frozenset[int]]]]:
    """Merge heights, and the partition into each number of clusters, always merging the pair of the highest mean."""
    cosine = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
    clusters = [frozenset([at]) for at in range(len(vectors))]
    heights, partitions = [], {len(clusters): set(clusters)}
    while len(clusters) > 1:
        height, one, other = max(
            ((cosine[np.ix_(sorted(a), sorted(b))].mean(), a, b) for a, b in combinations(clusters, 2)),
            key=lambda found: found[0],
        )
        clusters = [item for item in clusters if item not in (one, other)] + [one | other]
        heights.append(float(height))
        partitions[len(clusters)] = set(clusters)
    return heights, partitions


def partition(labels: clustering.Labels) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(labels == label).tolist()) for label in np.unique(labels)}


@given(st.integers(0, 10_000), st.integers(1, 14))
@settings(max_examples=60, deadline=None)
def test_the_tree_is_that_of_always_merging_the_closest_pair(seed: int, count: int) -> None:
    vectors = points(seed, count)
    tree = tree_of(vectors)
    heights, partitions = by_definition(vectors)
    assert tree.similarity == pytest.approx(heights, abs=1e-5)
    for clusters, expected in partitions.items():
        assert partition(tree.cut(clusters)) == expected


@given(st.integers(0, 10_000), st.integers(2, 300), st.integers(1, 40))
@settings(max_examples=30, deadline=None)
def test_a_cut_has_as_many_clusters_as_were_asked_for(seed: int, count: int, clusters: int) -> None:
    clusters = min(clusters, count)
    # Three points over and over: ties everywhere.
    vectors = points(seed, 3)[np.random.default_rng(seed).integers(0, 3, count)] if seed % 2 else points(seed, count)
    tree = tree_of(vectors)
    labels = tree.cut(clusters)
    assert len(tree.pairs) == count - 1
    assert set(labels.tolist()) == set(range(clusters))
    assert np.array_equal(labels, numbered(labels))
    assert np.all(np.diff(tree.similarity) <= 0)


def test_a_cluster_counts_as_its_members() -> None:
    vectors = points(5, 12)
    labels = np.array([0, 0, 0, 1, 1, 2, 3, 3, 3, 3, 4, 5])
    sizes = np.bincount(labels).astype(np.float32)
    grouped = link(centroids(vectors, labels, np.ones(12, np.float32), 6), sizes)
    cosine = vectors @ vectors.T
    best = max(cosine[np.ix_(labels == a, labels == b)].mean() for a, b in combinations(range(6), 2))
    assert grouped.similarity[0] == pytest.approx(best, abs=1e-5)


def test_many_vectors_are_grouped_before_they_are_linked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clustering, "_BLOCK", 50)
    centres = points(1, 4, 64)
    which = np.random.default_rng(2).integers(0, 4, 400)
    noise = np.random.default_rng(3).normal(size=(400, 64)).astype(np.float32) * 0.06
    groups = tight_groups(unit(centres[which] + noise))
    assert len(groups) == 400
    assert int(groups.max()) + 1 < 100
    for group in np.unique(groups):
        assert len(np.unique(which[groups == group])) == 1


def test_few_vectors_are_their_own_groups() -> None:
    assert tight_groups(points(1, 7)).tolist() == list(range(7))
    assert len(tight_groups(points(1, 0))) == 0


def test_zeros_stay_zeros() -> None:
    assert not unit(np.zeros((2, 3), np.float32)).any()
