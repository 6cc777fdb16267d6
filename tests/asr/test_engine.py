# SPDX-License-Identifier: Apache-2.0
"""The seam: how long an engine listens, and which windows may share a call."""

from __future__ import annotations

from harken.asr.engine import LENGTHS, Context, batch_key, heard_seconds, language_shares
from harken.model import KnownVoice, Options, Window


def window(seconds: float) -> Window:
    return Window(100.0, 100.0 + seconds)


def test_an_engine_hears_a_window_and_some_silence_after_it() -> None:
    for tenths in range(1, 300):
        seconds = tenths / 10
        heard = heard_seconds(window(seconds))
        assert heard in LENGTHS
        assert heard >= min(LENGTHS[-1], seconds + 1)


def test_windows_share_a_batch_whatever_recording_they_are_from() -> None:
    one = batch_key(Window(0, 9.5), Options(offset=0.0, vad_filter=True, channels="mix"))
    other = batch_key(Window(900.0, 910.1, channel=1), Options(offset=3.0, vad_filter=False, channels="split"))
    assert one == other


def test_who_speaks_is_no_matter_of_the_engine() -> None:
    plain = batch_key(window(9), Options(word_timestamps=True))
    voices = (KnownVoice("Zoë", (1.0, 0.0)),)
    assert batch_key(window(9), Options(diarize=True, num_speakers=2, known_voices=voices)) == plain
    assert batch_key(window(9), Options(diarize=True, min_speakers=1, max_speakers=9)) == plain
    assert batch_key(window(9), Options(diarize=True)) != batch_key(window(9), Options()), "it is asked to time words"
    assert batch_key(window(9), Options(diarize=True, channels="split")) == batch_key(window(9), Options())


def test_windows_of_other_length_or_wishes_do_not_share_a_batch() -> None:
    keys = {
        batch_key(window(9), Options()),
        batch_key(window(20), Options()),
        batch_key(window(9), Options(language="de")),
        batch_key(window(9), Options(task="translate")),
        batch_key(window(9), Options(vocabulary=("harken",))),
        batch_key(window(9), Options(prompt="Dear all,")),
        batch_key(window(9), Options(word_timestamps=True)),
        batch_key(window(9), Options(), Context(text="said before")),
        batch_key(window(9), Options(), Context(languages=(("de", 60.0),))),
    }
    assert len(keys) == 9


def test_recordings_in_one_language_soon_share_batches() -> None:
    assert batch_key(window(9), Options(), Context(languages=(("en", 64.1),))) == batch_key(
        window(9), Options(), Context(languages=(("en", 3000.0), ("cy", 2.0)))
    )


def test_little_speech_is_little_evidence() -> None:
    assert language_shares(Context()) == ()
    assert language_shares(Context(languages=(("en", 3.0),))) == (("en", 0.1),)
    assert language_shares(Context(languages=(("en", 45.0), ("de", 15.0)))) == (("de", 0.2), ("en", 0.8))
