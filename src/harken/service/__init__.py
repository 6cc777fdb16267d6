# SPDX-License-Identifier: Apache-2.0
"""All that a dialect may call: jobs, their stages, text work, enrolled voices.

Synchronous and thread-safe; a server calls it from a thread. Knows the ports and the pipeline's rules for options,
not HTTP, SQL or the queue.
"""

from harken.service.jobs import Service, voice_name
from harken.service.nouns import Caller, Limits, Upload
from harken.service.texts import Texts

__all__ = ["Caller", "Limits", "Service", "Texts", "Upload", "voice_name"]
