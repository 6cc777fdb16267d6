# SPDX-License-Identifier: Apache-2.0
"""Recognition in processes of its own: scheduler, children, the runtime that jobs call, and the supervisor.

Knows no database, no durable queue and no HTTP.
"""
