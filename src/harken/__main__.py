# SPDX-License-Identifier: Apache-2.0
"""``python -m harken``: the command line."""

from harken.cli import main

main()
