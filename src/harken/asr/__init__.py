# SPDX-License-Identifier: Apache-2.0
"""Recognition: planning windows, and turning a window's samples into text. Knows no files, jobs or wire formats."""
