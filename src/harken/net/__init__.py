# SPDX-License-Identifier: Apache-2.0
"""Calls to addresses that clients name: recordings are fetched from them, and webhooks delivered to them.

Every connection goes through :class:`~harken.net.guard.Guard`, which looks a name up once, checks every address that
it has, and connects to one of these very addresses. Knows no job, no database and no dialect.
"""
