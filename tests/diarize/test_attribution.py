# SPDX-License-Identifier: Apache-2.0
"""Frames to speakers."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from harken.diarize import attribution
from harken.diarize.attribution import decode, local_scores, piece_scores
from harken.diarize.timeline import RATE, Piece


@given(st.integers(0, 10_000), st.integers(1, 7), st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_no_other_path_is_better(seed: int, frames: int, speakers: int) -> None:
    random = np.random.default_rng(seed)
    scores = (random.normal(size=(frames, speakers)) * 5).astype(np.float32)
    speech, change = random.random(frames) < 0.8, random.random(frames).astype(np.float32)
    cost = attribution._SWITCH - (attribution._SWITCH - attribution._SWITCH_AT_CHANGE) * change

    def worth(path: tuple[int, ...]) -> float:
        gained = sum(float(scores[at, who]) / RATE for at, who in enumerate(path) if speech[at])
        return gained - sum(float(cost[at]) for at in range(1, frames) if path[at] != path[at - 1])

    found = worth(tuple(decode(scores, speech, change).tolist()))
    assert found >= max(worth(path) for path in itertools.product(range(speakers), repeat=frames)) - 1e-5


def test_a_short_doubt_is_no_switch_but_a_reply_at_a_change_is() -> None:
    scores = np.tile(np.array([[0.6, 0.1]], np.float32), (200, 1))
    scores[100:110] = (0.1, 0.3)
    speech, change = np.ones(200, bool), np.zeros(200, np.float32)
    assert not decode(scores, speech, change).any()
    scores[100:118] = (0.1, 0.6)
    change[100] = change[118] = 1
    assert np.flatnonzero(decode(scores, speech, change)).tolist() == list(range(100, 118))


def test_pieces_speak_for_their_frames() -> None:
    near = np.array([[1, 0], [0, 1]], np.float32)
    found = piece_scores([Piece(0, 40), Piece(20, 60)], near, 80)
    assert found[:20].tolist() == [[1, 0]] * 20
    assert found[40:60].tolist() == [[0, 1]] * 20
    assert not found[60:].any()
    assert np.all(np.diff(found[20:40, 1]) >= 0)


def test_a_reply_too_short_to_know_is_known_by_what_the_same_speaker_says_later() -> None:
    activity = np.zeros((100, 3), np.uint8)
    activity[:50, 0] = activity[50:56, 1] = activity[56:80, 0] = activity[80:, 1] = 255
    scores = np.zeros((100, 2), np.float32)
    scores[:80] = (0.5, 0.4)
    scores[80:] = (0.0, 0.9)
    mixed, active = local_scores([(0, activity)], scores)
    assert mixed[52].argmax() == 1
    assert mixed[60].argmax() == 0
    assert np.allclose(active.sum(axis=1), 1, atol=1e-5)


def test_frames_that_no_window_heard_keep_their_scores() -> None:
    scores = np.ones((10, 2), np.float32)
    mixed, active = local_scores([], scores)
    assert np.allclose(mixed[:, 0], mixed[:, 1])
    assert not active.any()
