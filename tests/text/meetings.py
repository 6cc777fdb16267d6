# SPDX-License-Identifier: Apache-2.0
"""Transcripts for the tests of text work: a meeting written by hand, and the labelled telephone call."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from harken.model import Segment, Speaker, Transcript

_MEETING = """\
John|Welcome to today's meeting everybody, thanks for joining.
Sarah|Hi John, yeah, hi everyone.
John|So the first thing is the Q1 roadmap. We have three priorities, the mobile app, the billing migration and the \
search redesign.
Sarah|Yeah, yeah, okay. I think the billing migration is the most urgent, because the contract with \
Stripe ends in March.
Tom|Right. The billing migration needs about six weeks, and we lose 20,000 dollars a month as long as it isn't done.
John|Okay. I'll review the design specs for the mobile app by Friday.
Sarah|Great, and I will schedule a follow-up with the finance team.
Tom|Could you send me the invoice export, Sarah?
Sarah|Sure. Yeah.
John|What about the search redesign?
Tom|Honestly the search redesign can wait until April, the customers don't complain about search.
Sarah|I agree, nobody complains about search, it's the mobile app that gets one star reviews.
John|Good. Then we move the search redesign to the second quarter.
Tom|We should hire another engineer for the mobile app.
John|I don't have budget for that before June. Let's talk to Maria about the budget.
Sarah|All right. That's it then, bye everybody.
"""


def said(rows: Iterable[tuple[str | None, str]], language: str = "en") -> Transcript:
    """A transcript of who said what, one segment each, at 14 characters a second."""
    segments: list[Segment] = []
    time = 0.0
    for speaker, text in rows:
        end = time + len(text) / 14
        segments.append(Segment(time, end, f" {text}", speaker=speaker))
        time = end + 0.3
    return Transcript(tuple(segments), language, time, "base")


def meeting() -> Transcript:
    """A meeting of three, with tasks, numbers and names."""
    rows = [line.split("|", 1) for line in _MEETING.splitlines()]
    names = list(dict.fromkeys(name for name, _ in rows))
    ids = {name: f"SPEAKER_{place:02}" for place, name in enumerate(names)}
    transcript = said((ids[name], text) for name, text in rows)
    speakers = tuple(Speaker(ids[name], name=name) for name in names)
    return Transcript(transcript.segments, "en", transcript.duration, "base", speakers=speakers)


def call(stm: Path) -> Transcript:
    """The telephone call of the sample, by its labels."""
    segments: list[Segment] = []
    for line in stm.read_text(encoding="utf-8").splitlines():
        _, _, speaker, start, end, *words = line.split()
        segments.append(Segment(float(start), float(end), " " + " ".join(words), speaker=speaker))
    return Transcript(tuple(segments), "en", 30.0, "base")


def long_meeting(turns: int) -> Transcript:
    """The meeting again and again, each turn with a number of its own."""
    lines = [segment.text.strip() for segment in meeting().segments]
    return said(
        (f"Speaker {number % 3}", f"{lines[number % len(lines)]} That was turn {number}.") for number in range(turns)
    )
