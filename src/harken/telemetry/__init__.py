# SPDX-License-Identifier: Apache-2.0
"""What operators see of a process: its logs, and traces of its work. Knows no settings, no server and no queue."""

from harken.telemetry.logs import about, configure

__all__ = ["about", "configure"]
