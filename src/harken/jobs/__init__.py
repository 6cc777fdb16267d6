# SPDX-License-Identifier: Apache-2.0
"""Durable jobs: what was submitted is done once, whatever dies. The only room that knows the queue, DBOS."""

from __future__ import annotations
