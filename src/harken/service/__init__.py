# SPDX-License-Identifier: Apache-2.0
"""All that a dialect may call: jobs, their stages, text work, enrolled voices, accounts.

Synchronous and thread-safe; a server calls it from a thread. Knows the ports and the pipeline's rules for options,
not HTTP, SQL or the queue.
"""

from harken.service.accounts import Accounts
from harken.service.admin import Admin
from harken.service.jobs import Service
from harken.service.models import Models
from harken.service.nouns import EVERYONE, Caller, Limits, Upload
from harken.service.office import InForce, Office
from harken.service.oversight import Oversight
from harken.service.texts import Texts
from harken.service.voices import voice_name
from harken.service.webhooks import Draw, Ending, Webhooks

__all__ = [
    "EVERYONE",
    "Accounts",
    "Admin",
    "Caller",
    "Draw",
    "Ending",
    "InForce",
    "Limits",
    "Models",
    "Office",
    "Oversight",
    "Service",
    "Texts",
    "Upload",
    "Webhooks",
    "voice_name",
]
