# SPDX-License-Identifier: Apache-2.0
"""Models that are built on this machine, out of what was fetched: the builders, by the names the catalog gives them.

What a builder needs is imported when it is used: building is rare, and its libraries are large.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from harken.models.delivery import WrongBytes
from harken.models.spec import ModelSpec, Recipe


def build(recipe: Recipe, spec: ModelSpec, inputs: Path, target: Path) -> None:
    """Build ``target`` out of the files of ``spec``, which are in ``inputs`` and verified; then try what was built.

    Raises:
        WrongBytes: they are not what the builder needs, or what came of them does not do what it should.
        OSError: a file could not be read or written.
    """
    _BUILDERS[recipe.name](spec, inputs, target)


def _campplus(spec: ModelSpec, inputs: Path, target: Path) -> None:
    from harken.models import campplus, checkpoint, rehearsal  # noqa: PLC0415

    (file,) = spec.files
    try:
        target.write_bytes(campplus.build(checkpoint.read(inputs / file.name)))
        rehearsal.check(target)
    except KeyError as error:
        raise WrongBytes(f"{file.name} has no tensor {error}") from error
    except ValueError as error:  # BadCheckpoint is one
        raise WrongBytes(f"{file.name} cannot be built from: {error}") from error


_BUILDERS: Mapping[str, Callable[[ModelSpec, Path, Path], None]] = {"campplus": _campplus}
