# SPDX-License-Identifier: Apache-2.0
"""From bytes to samples, and from samples to speech: probing, decoding, speech detection. Knows no recogniser."""
