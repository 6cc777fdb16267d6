# SPDX-License-Identifier: Apache-2.0
"""harken in one process: a loaded model that is given recordings. What ``import harken`` offers is made of this.

Reads the few settings that say where models are (``HARKEN_MODELS_DIR``, ``HARKEN_MODEL_SOURCE``, ``HARKEN_HUB_URL``,
``HARKEN_OFFLINE``), so that the library and the command line share them. Knows no server and no job.
"""

from harken.library.installed import installed
from harken.library.loaded import LoadedModel
from harken.library.sources import AudioSource, readable
from harken.library.speakers import SpeakerModels, find_speakers

__all__ = ["AudioSource", "LoadedModel", "SpeakerModels", "find_speakers", "installed", "readable"]
