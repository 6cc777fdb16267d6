# SPDX-License-Identifier: Apache-2.0
"""The hosted API: a recording or its URL in, one document with everything that came of it out, also to a webhook.

``fields`` reads requests, ``shapes`` draws answers, ``schema`` documents both; ``transcriptions`` and ``webhooks`` have
the routes, and ``routes`` puts them together.
"""

from harken.server.dialects.hosted.routes import PREFIX, register, router
from harken.server.dialects.hosted.shapes import draw

__all__ = ["PREFIX", "draw", "register", "router"]
