# SPDX-License-Identifier: Apache-2.0
"""A transcript as a file: txt, srt, vtt, tsv, ass, json, md, rttm.

Every format escapes what its readers would take for markup. Knows no wire forms of a dialect.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from harken.errors import InvalidOption
from harken.model import Segment, Transcript, plain
from harken.text import breaks
from harken.text.cues import Cue, cut
from harken.text.labels import Labels, channel, labels
from harken.text.markdown import escape
from harken.text.rttm import rttm

_WORD_JOINER = "\u2060"
"""Takes no room and stands between two characters that together would be markup."""

_WIDE_BRACES = str.maketrans("{}", "\uff5b\uff5d")
_ASS_FIELD = str.maketrans("{},", "\uff5b\uff5d\uff0c")
"""A comma ends a field, and there is no escape: a wide one looks the same."""

_PARAGRAPH_PAUSE = 2.0
"""Seconds of silence after which a new paragraph begins."""
_PARAGRAPH_LENGTH = 600
"""Characters after which a paragraph ends with the next sentence."""

_ASS_HEAD = """\
[Script Info]
ScriptType: v4.00+
PlayResX: 1920
PlayResY: 1080
WrapStyle: 2
ScaledBorderAndShadow: yes

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, \
StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,Arial,60,&H00FFFFFF,&H000000FF,&H00000000,&H80000000,0,0,0,0,100,100,0,0,1,3,1,2,60,60,50,1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""


def _txt(transcript: Transcript) -> str:
    named = labels(transcript)
    return "".join(line(segment, named) for segment in transcript.segments)


def line(segment: Segment, named: Labels = channel) -> str:
    """What ``txt`` has of a segment: its text on a line of its own, or nothing where it has no text.

    ``named`` says who speaks; before a transcript is whole, no more than the channel is known.
    """
    text = breaks.clean(segment.text)
    return f"{_before(named(segment))}{text}\n" if text else ""


def _before(label: str | None) -> str:
    """A label as it stands before a text, as WhisperX writes it, whose readers are many."""
    return f"[{label}]: " if label else ""


def _srt(transcript: Transcript) -> str:
    cues = cut(transcript, lambda label: breaks.width(_before(label)))
    return "".join(
        f"{number}\n{clock(cue.start, ',')} --> {clock(cue.end, ',')}\n{_srt_text(cue)}\n\n"
        for number, cue in enumerate(cues, 1)
    )


def _srt_text(cue: Cue) -> str:
    text = _before(cue.label) + "\n".join(cue.lines)
    text = re.sub(r"<(?=[\s/]*[a-zA-Z])", "<" + _WORD_JOINER, text).replace("{\\", "{" + _WORD_JOINER + "\\")
    text = re.sub(r"(?<=\d:)(?=\d{1,2}:\d{1,2}[.,]\d)", _WORD_JOINER, text)  # two times make a new cue to some readers
    return text.replace("-->", "->")


def _vtt(transcript: Transcript) -> str:
    blocks = [f"{clock(cue.start, '.')} --> {clock(cue.end, '.')}\n{_vtt_text(cue)}\n" for cue in cut(transcript)]
    return "\n".join(["WEBVTT\n", *blocks])


def _vtt_text(cue: Cue) -> str:
    text = _vtt_escaped("\n".join(cue.lines))
    # A name that ends with dashes would make an arrow of the tag's end.
    name = re.sub("-$", "&#45;", _vtt_escaped(cue.label or ""))
    return (f"<v {name}>" if name else "") + text


def _vtt_escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _ass(transcript: Transcript) -> str:
    return _ASS_HEAD + "".join(
        f"Dialogue: 0,{_ass_clock(cue.start)},{_ass_clock(cue.end)},Default,{(cue.label or '').translate(_ASS_FIELD)},"
        f"0,0,0,,{_ass_text(cue)}\n"
        for cue in cut(transcript)
    )


def _ass_text(cue: Cue) -> str:
    # There is no escape that every player knows: a joiner makes the backslash harmless, wide braces look the same.
    return "\\N".join(text.replace("\\", "\\" + _WORD_JOINER).translate(_WIDE_BRACES) for text in cue.lines)


def _tsv(transcript: Transcript) -> str:
    named = labels(transcript)
    said = list(_said(transcript))
    rows = [f"{round(segment.start * 1000)}\t{round(segment.end * 1000)}\t{text}" for segment, text in said]
    if not any(named(segment) for segment, _ in said):
        return "\n".join(["start\tend\ttext", *rows, ""])
    told = (f"{row}\t{named(segment) or ''}" for row, (segment, _) in zip(rows, said, strict=True))
    return "\n".join(["start\tend\ttext\tspeaker", *told, ""])


def _json(transcript: Transcript) -> str:
    return json.dumps({"text": transcript.text, **plain(transcript)}, ensure_ascii=False) + "\n"


def _md(transcript: Transcript) -> str:
    return "\n".join(
        f"**\\[{clock(start)}\\]** {f'**{escape(name)}:** ' if name else ''}{escape(text)}\n"
        for start, name, text in _paragraphs(transcript)
    )


def _paragraphs(transcript: Transcript) -> Iterator[tuple[float, str | None, str]]:
    """Start, speaker and text: a new one at a pause, at another speaker, or when it is long and a sentence ends."""
    named = labels(transcript)
    open_: list[Segment] = []

    def text() -> str:
        return breaks.clean(_join(open_))

    for segment, said in _said(transcript):
        if open_:
            last = open_[-1]
            long = len(text()) > _PARAGRAPH_LENGTH and breaks.ends_sentence(breaks.clean(last.text), said)
            if long or named(segment) != named(last) or segment.start - last.end >= _PARAGRAPH_PAUSE:
                yield open_[0].start, named(last), text()
                open_ = []
        open_.append(segment)
    if open_:
        yield open_[0].start, named(open_[0]), text()


def _join(segments: list[Segment]) -> str:
    joined = ""
    for segment in segments:
        blank = joined and not breaks.may_part(joined, segment.text)
        joined += (" " if blank else "") + segment.text
    return joined


def _said(transcript: Transcript) -> Iterator[tuple[Segment, str]]:
    for segment in transcript.segments:
        if text := breaks.clean(segment.text):
            yield segment, text


def clock(seconds: float, mark: str | None = None) -> str:
    """``hh:mm:ss``, with the mark and milliseconds after it when there is a mark."""
    total = round(seconds * 1000)
    hours, minutes, rest = total // 3_600_000, total // 60_000 % 60, total % 60_000
    whole = f"{hours:02}:{minutes:02}:{rest // 1000:02}"
    return whole if mark is None else f"{whole}{mark}{rest % 1000:03}"


def _ass_clock(seconds: float) -> str:
    total = int(seconds * 100 + 1e-6)
    return f"{total // 360_000}:{total // 6000 % 60:02}:{total // 100 % 60:02}.{total % 100:02}"


@dataclass(frozen=True, slots=True)
class Format:
    """A format that transcripts are written in."""

    name: str
    suffix: str
    """Of file names, with the dot."""
    media_type: str
    write: Callable[[Transcript, str], str]
    """The text of a transcript and the name of its recording."""


def _nameless(write: Callable[[Transcript], str]) -> Callable[[Transcript, str], str]:
    """For formats that do not name the recording."""
    return lambda transcript, _: write(transcript)


FORMATS: dict[str, Format] = {
    form.name: form
    for form in (
        Format("txt", ".txt", "text/plain; charset=utf-8", _nameless(_txt)),
        Format("srt", ".srt", "application/x-subrip; charset=utf-8", _nameless(_srt)),
        Format("vtt", ".vtt", "text/vtt; charset=utf-8", _nameless(_vtt)),
        Format("tsv", ".tsv", "text/tab-separated-values; charset=utf-8", _nameless(_tsv)),
        Format("ass", ".ass", "text/x-ssa; charset=utf-8", _nameless(_ass)),
        Format("json", ".json", "application/json", _nameless(_json)),
        Format("md", ".md", "text/markdown; charset=utf-8", _nameless(_md)),
        Format("rttm", ".rttm", "text/plain; charset=utf-8", rttm),
    )
}
"""Every format by name."""


def render(transcript: Transcript, form: str, recording: str = "recording") -> str:
    """The transcript in one of :data:`FORMATS`, with labels where there are several speakers, or channels apart.

    ``txt`` has one line a segment; ``srt``, ``vtt`` and ``ass`` have cues cut for reading; ``tsv`` has start and end
    in milliseconds; ``json`` is all that harken knows; ``md`` has paragraphs; ``rttm`` has turns and no text, under
    the name ``recording``. A transcript without text gives a valid empty file. Raises
    :class:`~harken.errors.InvalidOption` for another format.
    """
    if form not in FORMATS:
        raise InvalidOption(f"no format {form!r}; there are {', '.join(FORMATS)}", param="response_format")
    return FORMATS[form].write(transcript, recording)
