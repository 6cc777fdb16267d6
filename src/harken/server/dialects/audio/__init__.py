# SPDX-License-Identifier: Apache-2.0
"""The audio API: a recording and an instruction in, the transcript and what the instruction makes of it out.

``fields`` reads forms, ``shapes`` draws answers, ``schema`` documents both, ``routes`` puts them together.
"""

from harken.server.dialects.audio.routes import PREFIX, register, router

__all__ = ["PREFIX", "register", "router"]
