# SPDX-License-Identifier: Apache-2.0
"""Where the library and the command line find models: the few settings that say so."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path

from harken.models.own import catalog
from harken.models.sources import standard_sources
from harken.models.store import ModelStore

_HUB = "https://huggingface.co"


def installed(models_dir: Path | str | None) -> ModelStore:
    """The models folder: ``models_dir``, or ``HARKEN_MODELS_DIR``, or the user's cache; fetches as the settings say."""
    root = models_dir or os.environ.get("HARKEN_MODELS_DIR") or user_cache_path("harken") / "models"
    folder = os.environ.get("HARKEN_MODEL_SOURCE")
    offline = os.environ.get("HARKEN_OFFLINE", "").strip().lower() in {"1", "true", "yes", "on"}
    sources = standard_sources(
        folder=Path(folder) if folder else None,
        hub_url=os.environ.get("HARKEN_HUB_URL") or _HUB,
        offline=offline,
    )
    own = os.environ.get("HARKEN_MODEL_CATALOG")
    return ModelStore(Path(root), sources, catalog(file=Path(own) if own else None))
