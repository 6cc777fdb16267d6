# SPDX-License-Identifier: Apache-2.0
"""The mean embedding of many voices, as CAM++ gives them: what is common to all, and says nothing of one.

Made once: pieces of 1.6 s of 47 speakers (readers of LibriSpeech and LJ Speech, of LibriVox chapters in English, German
and Spanish, callers of AN4, people in AMI meetings and on the telephone, and single recordings in nine languages), up
to twelve pieces of a recording; the mean over each speaker's pieces, then over the speakers. It belongs to the
checkpoint and to the features of :mod:`harken.diarize.features`, and is made again when either changes.
"""

from __future__ import annotations

import base64

import numpy as np

_FLOATS = (
    "Fq51tP8yZbAVMIUpX7FfMMWlCqxurxYabrA9sY8wAbKJLgkwNrQQplk0LKmXsVIxQiMhtA6wqS5hrtawnaHfrZsxmyZrpeKxKqqi"
    "ric1dSi+NAYxca3wI4MyUiXsM2inAiwqMQguq69nrjEvoCR/MZ0xibCjK6eokyqCLxE0Fi62G3Wxrys/qSGsabNGMhAuurR6oj2x"
    "vrDALbssmykKsU+tbjMdLUkjIyrFpZuszS1kpD0s6aubsX2gIzOgoqUvkyvcrL8tGit9L68qkzLOrqguJ7T+r5MoITBNIgowcbCx"
    "LoOwDK8UMkEs1TFhLJEwHKlmMDgsRKuJsV0xXrMWL6+f+C45NOyxiCIpsKCsGjHwsZG1UpxxrLg1x7G+LCmvpqdXL48xojIvrMW0"
    "oagXp9qpljHwoLMtNDKWMwOq3Cq+LtokwypQsw4u5zJesQIpMbCCrr4i7LGJMo+nNKHhm0I1UrH+MQ6sebAiL+IsI69QLFGwS67s"
    "tJGoXbR1Lmky"
)
"""192 numbers as 16-bit floats, in base64."""

MEAN_VOICE = np.frombuffer(base64.b64decode(_FLOATS), "<f2").astype(np.float32)
"""(192,); its length is 2.2, where that of an embedding is about 9."""
