# SPDX-License-Identifier: Apache-2.0
"""Where the library finds models: the few settings that say so, read without the command line's libraries."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from harken.models.standard import model_store
from harken.models.store import ModelStore


@dataclass(frozen=True, slots=True)
class _Settings:
    """As :class:`harken.config.Settings` has them."""

    models_dir: Path
    model_source: Path | None
    hub_url: str
    offline: bool
    model_catalog: Path | None
    default_model: str = "base"
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def installed(models_dir: Path | str | None) -> ModelStore:
    """The models folder: ``models_dir``, or ``HARKEN_MODELS_DIR``, or the user's cache; fetches as the settings say."""
    root, folder, own = (os.environ.get(f"HARKEN_{name}") for name in ("MODELS_DIR", "MODEL_SOURCE", "MODEL_CATALOG"))
    return model_store(
        _Settings(
            models_dir=Path(models_dir or root or user_cache_path("harken") / "models"),
            model_source=Path(folder) if folder else None,
            hub_url=os.environ.get("HARKEN_HUB_URL") or "https://huggingface.co",
            offline=os.environ.get("HARKEN_OFFLINE", "").strip().lower() in {"1", "true", "yes", "on"},
            model_catalog=Path(own) if own else None,
        )
    )
