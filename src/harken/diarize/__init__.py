# SPDX-License-Identifier: Apache-2.0
"""Who speaks when, from the sound alone, and which words are whose.

numpy and ONNX Runtime only. Knows no recogniser and no job: it is given samples, and turns are put to words by
:mod:`harken.diarize.assign`.
"""
