# SPDX-License-Identifier: Apache-2.0
"""How long is fuzzed: always the same examples, or new ones and more of them by ``HARKEN_FUZZ``, a factor."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

FACTOR = int(os.environ.get("HARKEN_FUZZ", "0"))

UNRELATED = "ignore:Do not use the .random. module inside strategies"
"""For servers in threads of the test's process: what they draw at random meanwhile is no part of an example."""


def budget(examples: int) -> settings:
    """So many examples of a test, the same every time; with ``HARKEN_FUZZ=10`` ten times as many, others every time."""
    return settings(
        max_examples=examples * max(1, FACTOR),
        derandomize=not FACTOR,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
