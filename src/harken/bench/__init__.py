# SPDX-License-Identifier: Apache-2.0
"""Measuring harken: accuracy, speed and memory beside faster-whisper on the same weights, and the server's overhead.

Everything here is run by hand or in CI through ``harken bench``; nothing else imports it.
"""
