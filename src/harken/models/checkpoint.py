# SPDX-License-Identifier: Apache-2.0
"""Reads the weights out of a PyTorch checkpoint with numpy alone.

A checkpoint is a zip archive with a pickle of a table of tensors and a file for the numbers of each. A pickle is a
program that may call anything it names; this reader lets it name an ordered dictionary, the rebuilding of a tensor and
kinds of storage, and nothing else. Knows nothing of what the tensors are for.
"""

from __future__ import annotations

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

_STORAGES: dict[str, np.dtype[Any]] = {
    "FloatStorage": np.dtype("<f4"),
    "DoubleStorage": np.dtype("<f8"),
    "HalfStorage": np.dtype("<f2"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
}
_LARGEST = 1 << 30
"""Bytes that a member may unpack to; far more than any network read here."""


class BadCheckpoint(ValueError):
    """A file is no checkpoint, or one that does more than hold tensors; the text says what, for people."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of storage, as the pickle names it."""

    dtype: np.dtype[Any]


def read(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """The tensors of a checkpoint that is one flat table of them, by name, as arrays of their own.

    Raises:
        BadCheckpoint: it is no such checkpoint.
        OSError: it cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _table(archive)
    except (BadCheckpoint, OSError):
        raise
    except Exception as error:  # a broken archive or pickle raises whatever its wreckage leads to
        raise BadCheckpoint(f"no checkpoint that can be read: {error!r}") from error


def _table(archive: zipfile.ZipFile) -> dict[str, np.ndarray[Any, Any]]:
    pickles = [name for name in archive.namelist() if name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise BadCheckpoint(f"{len(pickles)} tables of tensors instead of one")
    with archive.open(pickles[0]) as stream:
        table = _Reader(stream, archive, pickles[0].removesuffix("data.pkl")).load()
    if not isinstance(table, Mapping) or not all(
        isinstance(name, str) and isinstance(tensor, np.ndarray) for name, tensor in table.items()
    ):
        raise BadCheckpoint("something else than a table of tensors")
    return dict(table)


class _Reader(pickle.Unpickler):
    """A pickle reader that knows four kinds of names."""

    def __init__(self, stream: Any, archive: zipfile.ZipFile, folder: str) -> None:
        super().__init__(stream)
        self._archive = archive
        self._folder = folder

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild
        if module == "torch" and name in _STORAGES:
            return _Kind(_STORAGES[name])
        raise BadCheckpoint(f"a checkpoint may not name {module}.{name}")

    def persistent_load(self, pid: Any) -> np.ndarray[Any, Any]:
        """The numbers of a storage: ``("storage", kind, key, device, count)``."""
        tag, kind, key, _device, count = pid
        if tag != "storage" or not isinstance(kind, _Kind):
            raise BadCheckpoint(f"a checkpoint may not refer to {tag!r}")
        info = self._archive.getinfo(f"{self._folder}data/{key}")
        if info.file_size != count * kind.dtype.itemsize or info.file_size > _LARGEST:
            raise BadCheckpoint(f"storage {key} has {info.file_size} bytes for {count} numbers")
        return np.frombuffer(self._archive.read(info), kind.dtype)


def _rebuild(
    storage: Any, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_gradients: Any
) -> np.ndarray[Any, Any]:
    """The tensor that a storage holds from ``offset`` on, as torch strides it (in numbers, not bytes)."""
    if not isinstance(storage, np.ndarray) or len(shape) != len(strides):
        raise BadCheckpoint("a tensor without numbers")
    if min((offset, *shape, *strides), default=0) < 0:
        raise BadCheckpoint("a tensor of negative size")
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    if 0 not in shape and last >= storage.size:
        raise BadCheckpoint("a tensor that reaches beyond its storage")
    width = storage.dtype.itemsize
    view = np.lib.stride_tricks.as_strided(storage[offset:], shape, [stride * width for stride in strides])
    return view.copy()
