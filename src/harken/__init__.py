# SPDX-License-Identifier: Apache-2.0
"""harken: speech to text on your own machine."""
