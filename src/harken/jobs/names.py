# SPDX-License-Identifier: Apache-2.0
"""What those who enter jobs and those who do them agree on. It is stored in databases: changes need a migration."""

from __future__ import annotations

from dbos import DBOSPortableJSONSerializer

from harken.model import Lane

APPLICATION = "harken"
VERSION = "1"
"""Of the workflow, pinned: left to itself the queue hashes the code, and an upgrade would leave jobs behind."""

WORKFLOW = "transcribe"
STAGE_WORKFLOW = "stage"
SERIALIZER = DBOSPortableJSONSerializer()

ANYBODY = "*"
"""The partition of what needs no model that recognises: stages on their own, texts."""

_LANES = {Lane.INTERACTIVE: 1, Lane.BATCH: 2, Lane.TEXT: 3}
_CLASS = 100_000


def queue_name(lane: Lane) -> str:
    """The queue of a lane."""
    return f"{APPLICATION}-{lane.value}"


def priority(lane: Lane, active: int) -> int:
    """Smaller is sooner: the more jobs of a caller wait or run, the later a new one comes."""
    return _LANES[lane] * _CLASS + min(active, _CLASS - 1)
