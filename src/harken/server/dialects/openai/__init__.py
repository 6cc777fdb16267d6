# SPDX-License-Identifier: Apache-2.0
"""The OpenAI audio API with AudioText's fields beside: what clients of either send, they get answered.

``fields`` reads forms, ``shapes`` draws transcripts, jobs and errors; ``audio``, ``jobs`` and ``models`` are the
routes; ``schema`` documents them.
"""

from harken.server.dialects.openai.routes import PREFIX, router
from harken.server.dialects.openai.shapes import error_shape

__all__ = ["PREFIX", "error_shape", "router"]
