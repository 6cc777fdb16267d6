# SPDX-License-Identifier: Apache-2.0
"""Who is named beside the text: speakers where they were told apart, else channels. Knows no file format."""

from __future__ import annotations

from collections.abc import Callable

from harken.model import Segment, Speaker, Transcript
from harken.text import breaks

Labels = Callable[[Segment], str | None]
"""The label of a segment, on one line; None where there is nobody to name."""


def channel(segment: Segment) -> str | None:
    """The name of the channel that a segment is from."""
    return None if segment.channel is None else f"Channel {segment.channel + 1}"


def labels(transcript: Transcript) -> Labels:
    """The labels of a transcript's segments.

    One speaker alone is not named: there is nobody to tell them from. Speakers who were given one name are one.
    """
    if not transcript.speakers:
        return channel
    if len(transcript.speakers) == 1:
        return lambda _: None
    names = label_by_id(transcript)
    return lambda segment: None if segment.speaker is None else names.get(segment.speaker, segment.speaker)


def label(speaker: Speaker) -> str:
    """A speaker's label on one line, whatever somebody gave as a name."""
    return breaks.clean(speaker.label) or speaker.id


def label_by_id(transcript: Transcript) -> dict[str, str]:
    """The label of every speaker's id."""
    return {speaker.id: label(speaker) for speaker in transcript.speakers}
