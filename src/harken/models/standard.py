# SPDX-License-Identifier: Apache-2.0
"""The models folder of whoever runs harken: its place, its sources and its catalog, by the settings that name them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from harken.models.own import catalog
from harken.models.sources import standard_sources
from harken.models.store import ModelStore


class ModelSettings(Protocol):
    """The settings that are about models; :class:`harken.config.Settings` has them, and says what they are."""

    @property
    def models_dir(self) -> Path:
        """Folder of the installed models."""

    @property
    def model_source(self) -> Path | None:
        """Folder that is asked first."""

    @property
    def hub_url(self) -> str:
        """The model hub."""

    @property
    def offline(self) -> bool:
        """Whether the network is never asked."""

    @property
    def default_model(self) -> str:
        """Model of requests that name none."""

    @property
    def presets(self) -> Mapping[str, Mapping[str, Any]]:
        """The operator's, by name."""

    @property
    def model_catalog(self) -> Path | None:
        """File of the operator's models."""


def model_store(settings: ModelSettings) -> ModelStore:
    """The models folder, the sources that are asked for what is not in it, and the catalog with the operator's own.

    Raises:
        UnknownModel, InvalidOption: the default model, a preset or the operator's file is wrong.
    """
    sources = standard_sources(folder=settings.model_source, hub_url=settings.hub_url, offline=settings.offline)
    return ModelStore(
        settings.models_dir, sources, catalog(settings.default_model, settings.presets, settings.model_catalog)
    )
