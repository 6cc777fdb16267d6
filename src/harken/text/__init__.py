# SPDX-License-Identifier: Apache-2.0
"""From a transcript to text that people and players read: files and subtitles.

Knows the nouns of :mod:`harken.model` only; no engine, no file system, no dialect.
"""

from harken.text.render import FORMATS, Format, line, render

__all__ = ["FORMATS", "Format", "line", "render"]
