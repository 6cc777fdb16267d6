# SPDX-License-Identifier: Apache-2.0
"""Which voices belong together: average-linkage clustering of unit vectors by cosine, without a distance matrix.

The mean cosine between the members of two clusters is the dot product of the clusters' mean vectors. So a cluster is
its mean and its weight, merging is exact, and memory grows with the number of vectors only. Merges are found by
nearest-neighbour chains (Benzecri 1982; Muellner 2011), which give the same tree as always merging the closest pair.
Knows numbers only: no sound, no time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
Labels = npt.NDArray[np.intp]

_BLOCK = 2500
"""Vectors that are linked at once; of more, each block's tight groups are made first and then linked."""
_TIGHT = 0.6
"""Mean cosine within such a group: well above what two voices have in common."""


_ROUNDING = 1e-5
"""More than the products of two unit vectors can be off by in float32."""


@dataclass(frozen=True, slots=True)
class Tree:
    """What average linkage merged, closest first. Leaves are ``0 ... leaves - 1``; a merge is named by its leaves."""

    leaves: int
    pairs: tuple[tuple[int, int], ...]
    """One leaf of each of the two clusters that are merged."""
    similarity: Vectors
    """Mean cosine between them; never rises from one merge to the next."""

    def clusters_at(self, similarity: float) -> int:
        """How many clusters are left when all that are at least so similar are merged."""
        return self.leaves - int(np.count_nonzero(self.similarity >= similarity))

    def cut(self, clusters: int) -> Labels:
        """A cluster for each leaf, ``0 ... clusters - 1``, numbered by first leaf."""
        parent = list(range(self.leaves))

        def root(leaf: int) -> int:
            while parent[leaf] != leaf:
                parent[leaf] = parent[parent[leaf]]
                leaf = parent[leaf]
            return leaf

        for one, other in self.pairs[: max(0, self.leaves - clusters)]:
            parent[root(other)] = root(one)
        return numbered(np.array([root(leaf) for leaf in range(self.leaves)], np.intp))


def numbered(labels: Labels) -> Labels:
    """The same partition, numbered from 0 in the order of first members."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.intp)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse.reshape(-1)]


def unit(vectors: Vectors) -> Vectors:
    """Each row at length 1; rows of zeros stay."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, 1e-12), np.float32)


def link(means: Vectors, weights: Vectors) -> Tree:
    """Average linkage of clusters with these mean vectors ``(n, d)`` and weights ``(n,)``."""
    leaves = len(means)
    means, weights = means.astype(np.float32), weights.astype(np.float32)
    name = np.arange(leaves)
    alive = np.ones(leaves, bool)
    left = leaves
    chain: list[int] = []
    reach: list[float] = []
    merges: list[tuple[float, int, int]] = []
    while left > 1:
        if not chain:
            chain, reach = [int(np.argmax(alive))], [-np.inf]
        near = means @ means[chain[-1]]
        near[~alive] = -np.inf
        near[chain[-1]] = -np.inf
        nearest = int(np.argmax(near))
        # Only what is truly closer lengthens the chain: rounding must not make it run in circles.
        if len(chain) < 2 or near[nearest] > reach[-1] + _ROUNDING:
            chain.append(nearest)
            reach.append(float(near[nearest]))
            continue
        other, one = chain.pop(), chain.pop()
        similarity = reach.pop()
        reach.pop()
        total = weights[one] + weights[other]
        merges.append((similarity, int(name[one]), int(name[other])))
        means[one] = (weights[one] * means[one] + weights[other] * means[other]) / total
        weights[one] = total
        alive[other] = False
        left -= 1
        if left < len(alive) // 2:
            place = np.cumsum(alive) - 1
            chain = [int(place[item]) for item in chain]
            means, weights, name = means[alive], weights[alive], name[alive]
            alive = np.ones(left, bool)
    return _in_order(leaves, merges)


def _in_order(leaves: int, merges: list[tuple[float, int, int]]) -> Tree:
    # A merge is found after those it builds on and is no closer than they are, so a stable sort keeps its parts first;
    # what rounding says otherwise is levelled.
    height = np.array([merge[0] for merge in merges], np.float32)
    order = np.argsort(-height, kind="stable")
    pairs = tuple((merges[at][1], merges[at][2]) for at in order.tolist())
    return Tree(leaves, pairs, np.minimum.accumulate(height[order]) if len(order) else height)


def tight_groups(vectors: Vectors) -> Labels:
    """A group for each unit vector: itself where there are few, else groups of very similar ones nearby in order."""
    if len(vectors) <= _BLOCK:
        return np.arange(len(vectors))
    labels = np.empty(len(vectors), np.intp)
    used = 0
    for at in range(0, len(vectors), _BLOCK):
        block = vectors[at : at + _BLOCK]
        tree = link(block, np.ones(len(block), np.float32))
        labels[at : at + _BLOCK] = tree.cut(tree.clusters_at(_TIGHT)) + used
        used = int(labels[at : at + _BLOCK].max()) + 1
    return labels


def centroids(vectors: Vectors, labels: Labels, weights: Vectors, clusters: int) -> Vectors:
    """The weighted mean vector of each cluster ``(clusters, d)``; not of unit length."""
    sums = np.zeros((clusters, vectors.shape[1]), np.float32)
    np.add.at(sums, labels, vectors * weights[:, None])
    total = np.bincount(labels, weights, minlength=clusters).astype(np.float32)
    return np.asarray(sums / np.maximum(total, 1e-12)[:, None], np.float32)
