# SPDX-License-Identifier: Apache-2.0
"""One module or package per HTTP API that harken speaks. They hold no rules and do not know each other."""
