# SPDX-License-Identifier: Apache-2.0
"""Text that may hold anything, as Markdown that shows just that text."""

from __future__ import annotations

import re

# What begins emphasis, code, links, images, tags and entities anywhere in a line, and what widely used dialects add:
# tables, formulas, attributes. Headings and lists begin a line, and the text of others never does here.
# An underscore inside a word is none of it (CommonMark 6.2): SPEAKER_00 stays as it is.
_ACTIVE = re.compile(r"((?<=[^\W_])_+(?=[^\W_]))|[\\`*_\[\]<>&~|${}]")


def escape(text: str) -> str:
    """``text`` for the middle of a line: what Markdown or HTML would take for markup is written with a backslash."""
    return _ACTIVE.sub(lambda found: found[1] or "\\" + found[0], text)
