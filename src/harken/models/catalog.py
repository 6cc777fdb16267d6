# SPDX-License-Identifier: Apache-2.0
"""Names of models: canonical ones, aliases and presets, and the entries they stand for.

Knows no file and no network. The entries themselves are in :mod:`harken.models.whisper`,
:mod:`harken.models.extras` and :mod:`harken.models.language`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from harken.errors import InvalidOption, UnknownModel
from harken.models.extras import EXTRAS
from harken.models.language import LANGUAGE
from harken.models.spec import ModelSpec, Preset, Resolved
from harken.models.whisper import WHISPER

DEFAULT_ALIAS = "whisper-1"
"""The name that stands for the server's default model, whatever that is."""

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "cpu-lite": {"model": "base", "compute_type": "int8"},
    "cpu-turbo": {"model": "large-v3-turbo", "compute_type": "int8"},
}


def _key(name: str) -> str:
    return name.strip().lower()


class Catalog:
    """Every name that harken takes for a model."""

    def __init__(
        self,
        default_model: str = "base",
        presets: Mapping[str, Mapping[str, Any]] | None = None,
        entries: Iterable[ModelSpec] = (*WHISPER, *EXTRAS, *LANGUAGE),
    ) -> None:
        """Build the table of names.

        Raises:
            UnknownModel: the default model or a preset's model is not known.
            InvalidOption: a preset is not well formed, or takes the name of a model.
        """
        self._entries = {spec.name: spec for spec in entries}
        self._names: dict[str, str] = {}
        for spec in self._entries.values():
            for name in (spec.name, *spec.aliases):
                self._names[_key(name)] = spec.name
        self._presets: dict[str, Preset] = {}
        for name, values in {**PRESETS, **(presets or {})}.items():
            preset = Preset.of(_key(name), values)
            if preset.name in self._names or preset.name == DEFAULT_ALIAS:
                raise InvalidOption(f"preset {name!r} has the name of a model; give it another")
            self._model(preset.model)
            self._presets[preset.name] = preset
        if _key(default_model) == DEFAULT_ALIAS:
            raise InvalidOption(f"the default model cannot be {DEFAULT_ALIAS!r}, which stands for the default model")
        self._default = _key(default_model)
        self.default = self.resolve(default_model)
        """What requests get that name no model."""

    def resolve(self, name: str | None) -> Resolved:
        """The model, and preset, that a request names. None, blank and ``whisper-1`` are the default.

        Raises:
            UnknownModel: nobody knows the name; the message lists names that are near.
        """
        key = _key(name or "")
        if key in ("", DEFAULT_ALIAS):
            key = self._default
        preset = self._presets.get(key)
        return Resolved(self._model(key if preset is None else preset.model), preset)

    def entry(self, name: str) -> ModelSpec:
        """The entry to fetch for ``name``: whatever :meth:`resolve` takes, and entries that are no recogniser."""
        canonical = self._names.get(_key(name))
        return self._entries[canonical] if canonical is not None else self.resolve(name).spec

    def entries(self) -> tuple[ModelSpec, ...]:
        """Everything that can be fetched."""
        return tuple(self._entries.values())

    def models(self) -> tuple[ModelSpec, ...]:
        """The entries that recognise speech."""
        return tuple(spec for spec in self._entries.values() if _recognises(spec))

    def presets(self) -> tuple[Preset, ...]:
        """The built-in presets and the operator's."""
        return tuple(self._presets.values())

    def _model(self, name: str) -> ModelSpec:
        spec = self._entries.get(self._names.get(_key(name), ""))
        if spec is None or not _recognises(spec):
            raise self._unknown(name)
        return spec

    def _unknown(self, name: str) -> UnknownModel:
        known = [*(alias for alias, to in self._names.items() if _recognises(self._entries[to])), *self._presets]
        near = difflib.get_close_matches(_key(name), known, n=4, cutoff=0.6)
        if near:
            hint = f"did you mean {', '.join(near)}?"
        else:
            hint = f"known are {', '.join(spec.name for spec in self.models())} and {', '.join(self._presets)}"
        return UnknownModel(f"nobody knows a model named {name!r}; {hint}", param="model")


def _recognises(spec: ModelSpec) -> bool:
    return spec.family not in {"vad", "diarization", "llm", "sample"}
