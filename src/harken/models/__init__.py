# SPDX-License-Identifier: Apache-2.0
"""Models: which there are, where their files come from, and the folder they are installed in.

Knows files, hashes and hosts the user named; knows nothing of audio, nor of what a model makes of it.
"""
