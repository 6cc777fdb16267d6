# SPDX-License-Identifier: Apache-2.0
"""How many voices there are in made-up embeddings."""

from __future__ import annotations

import numpy as np
import pytest

from harken.diarize.clustering import Vectors, unit
from harken.diarize.speakers import MOST, find_speakers

SIZE = 192


def voices(count: int, seed: int = 0, shared: float = 0.0) -> Vectors:
    """Random directions; with ``shared`` they have that cosine to each other, as voices on a telephone do."""
    rows = np.linalg.qr(np.random.default_rng(seed).normal(size=(SIZE, count + 1)))[0].T.astype(np.float32)
    return np.asarray(np.sqrt(shared) * rows[0] + np.sqrt(1 - shared) * rows[1:], np.float32)


def said(voice: Vectors, pieces: int, seed: int = 1, own: float = 0.7) -> Vectors:
    """Pieces whose mean cosine to each other is ``own``."""
    noise = unit(np.random.default_rng(seed).normal(size=(pieces, SIZE)).astype(np.float32))
    return unit(np.sqrt(own) * voice + np.sqrt(1 - own) * noise)


def meeting(who: Vectors, pieces: int = 20, own: float = 0.7) -> Vectors:
    return np.concatenate([said(voice, pieces, seed, own) for seed, voice in enumerate(who)])


def ones(vectors: Vectors) -> Vectors:
    return np.ones(len(vectors), np.float32)


@pytest.mark.parametrize("count", [1, 2, 3, 6, 10])
def test_each_voice_is_found(count: int) -> None:
    who = voices(count)
    vectors = meeting(who)
    found = find_speakers(vectors, ones(vectors))
    assert found.shape == (count, SIZE)
    assert np.linalg.norm(found, axis=1) == pytest.approx(1)
    near = who @ found.T
    assert sorted(near.argmax(axis=1).tolist()) == list(range(count))
    assert near.max(axis=1).min() > 0.9


def test_voices_on_a_telephone_are_told_apart_though_they_are_alike() -> None:
    vectors = meeting(voices(2, shared=0.5))
    assert (vectors[:20] @ vectors[20:].T).mean() > 0.3
    assert len(find_speakers(vectors, ones(vectors))) == 2


def test_one_voice_that_varies_stays_one() -> None:
    one = voices(1)
    vectors = said(one[0], 60, own=0.4)
    assert len(find_speakers(vectors, ones(vectors))) == 1


def test_pieces_with_two_voices_in_them_are_no_speaker() -> None:
    who = voices(3)
    both = said(unit((0.5 * who[0] + 0.45 * who[1] + 0.74 * who[2])[None])[0], 9, seed=9)
    vectors = np.concatenate((meeting(who[:2], pieces=30), both))
    assert len(find_speakers(vectors, ones(vectors))) == 2
    # As near to one, but with nothing of a second: somebody who sounds like the first.
    alike = said(unit((0.5 * who[0] + 0.87 * who[2])[None])[0], 9, seed=9)
    vectors = np.concatenate((meeting(who[:2], pieces=30), alike))
    assert len(find_speakers(vectors, ones(vectors))) == 3


def test_a_word_of_somebody_else_is_a_speaker_only_if_like_nobody() -> None:
    who = voices(3)
    stranger = said(who[2], 1, seed=8)
    vectors = np.concatenate((meeting(who[:2]), stranger))
    assert len(find_speakers(vectors, ones(vectors))) == 3
    alike = unit(0.4 * who[:1] + stranger)
    vectors = np.concatenate((meeting(who[:2]), alike))
    assert len(find_speakers(vectors, ones(vectors))) == 2


@pytest.mark.parametrize("asked", [1, 2, 3, 4, 5, 7])
def test_the_number_that_is_known_is_kept_to(asked: int) -> None:
    vectors = meeting(voices(4))
    assert len(find_speakers(vectors, ones(vectors), num_speakers=asked)) == asked


def test_with_too_many_the_least_is_given_up_first() -> None:
    who = voices(3)
    vectors = np.concatenate((said(who[0], 30, 1), said(who[1], 30, 2), said(who[2], 3, 3)))
    found = find_speakers(vectors, ones(vectors), max_speakers=2)
    assert len(found) == 2
    assert (who[:2] @ found.T).max(axis=1).min() > 0.9


def test_bounds() -> None:
    vectors = meeting(voices(3))
    weights = ones(vectors)
    assert len(find_speakers(vectors, weights, min_speakers=2, max_speakers=5)) == 3
    assert len(find_speakers(vectors, weights, min_speakers=5)) == 5
    assert len(find_speakers(vectors, weights, max_speakers=2)) == 2


def test_never_more_than_there_are_pieces() -> None:
    vectors = said(voices(1)[0], 3)
    assert len(find_speakers(vectors, ones(vectors), num_speakers=8)) == 3
    assert len(find_speakers(vectors[:1], ones(vectors[:1]), min_speakers=2)) == 1
    assert len(find_speakers(vectors[:0], ones(vectors[:0]))) == 0


def test_a_crowd_is_cut_to_the_most() -> None:
    vectors = meeting(voices(MOST + 8), pieces=6)
    assert len(find_speakers(vectors, ones(vectors))) == MOST


def test_weights_of_nothing_do_no_harm() -> None:
    vectors = meeting(voices(2))
    assert np.isfinite(find_speakers(vectors, np.zeros(len(vectors), np.float32))).all()
