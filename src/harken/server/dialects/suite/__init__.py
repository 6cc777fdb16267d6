# SPDX-License-Identifier: Apache-2.0
"""The suite API: jobs that are asked after, segments over a web socket, summaries and chat, a clip heard again.

``shapes`` draws jobs, segments and errors; ``transcribe``, ``live`` and ``debug`` are the routes of recordings.
``given`` reads what is to be written about, ``text_shapes`` draws what was written; ``summary``, ``chat`` and
``retranslate`` are the routes. ``routes`` puts all of them together.
"""

from harken.server.dialects.suite.routes import PREFIXES, register, router

__all__ = ["PREFIXES", "register", "router"]
