# SPDX-License-Identifier: Apache-2.0
"""Native code that kills every child that imports it."""

from __future__ import annotations

import os

os._exit(3)
